"""A task that waits instead of computing, and gives a result that was computed before."""

from __future__ import annotations

import struct
import time
from typing import Any

REQUEST = struct.Struct("<dQQ")
RESULTS = "results"


def wait(agent: Any, _session_id: int, source: Any, out: Any) -> None:
    """Wait so many seconds; give these bytes of all results."""
    wait_s, begin, size = REQUEST.unpack(source.read(REQUEST.size))
    results = agent.get_data(RESULTS).getbuffer()
    time.sleep(wait_s)
    out.write(results[begin : begin + size])
