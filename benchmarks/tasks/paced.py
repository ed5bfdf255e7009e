"""A task that takes its time without a processor: 50 ms."""

from __future__ import annotations

import os
import time
from typing import Any


def pause(_agent: Any, _session_id: int, _source: Any, out: Any) -> None:
    """Take 50 ms, and tell which process did."""
    time.sleep(0.050)
    out.write(str(os.getpid()).encode())
