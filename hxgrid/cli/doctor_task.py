"""The task that `hxgrid doctor` runs on each agent; it needs nothing, so it runs anywhere."""

from __future__ import annotations

from typing import Any


def turn_around(
    agent: Any,
    session_id: int,  # noqa: ARG001 - every task has these four
    in_stream: Any,
    out_stream: Any,
) -> bool:
    """Write the input backwards: an answer that nobody gives by chance."""
    out_stream.write(in_stream.read()[::-1])
    return bool(agent.test_connection())
