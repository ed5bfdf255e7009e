"""A task that waits: for trying how a job spreads over more slots than there are processors."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hxgrid

_QUESTION_S = 0.05


def run_task(
    agent: hxgrid.TaskAgent,
    session_id: int,  # noqa: ARG001 - every task has these four
    in_stream: hxgrid.Stream,
    out_stream: hxgrid.Stream,  # noqa: ARG001
) -> bool:
    """Wait as many seconds as the input says (f64). False: no longer wanted."""
    (seconds,) = struct.unpack("<d", in_stream.read())
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not agent.test_connection():
            return False
        time.sleep(min(left, _QUESTION_S))
    return True
