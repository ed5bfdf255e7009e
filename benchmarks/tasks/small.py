"""Tasks of the benchmarks: what stands for the work is as short as it can be."""

from __future__ import annotations

import time
from typing import Any


def echo(_agent: Any, _session_id: int, source: Any, out: Any) -> None:
    """Give the input back."""
    out.write(source.read())


def compute(_agent: Any, _session_id: int, _source: Any, _out: Any) -> None:
    """Take 20 ms of a processor's time, be it given at once or not."""
    until = time.thread_time() + 0.020
    while time.thread_time() < until:
        sum(range(200))
