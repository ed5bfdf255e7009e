"""Tasks for an agent under Wine."""

import sys
import time

import hxgrid


def where(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> None:
    out_stream.write_string(sys.platform)
    out_stream.write(in_stream.read() + agent.get_data("name").read())


def endless(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> bool:
    agent.report(0.5, "half")
    while agent.test_connection():
        time.sleep(0.01)  # noqa: TID251 - what a task may do
    return False


def fail(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> bool:
    print("a word of the task")  # noqa: T201 - it comes back with the failure
    raise ValueError("the reason")
