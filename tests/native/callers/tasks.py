"""Tasks for the callers."""

import time

import hxgrid


def echo(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> None:
    out_stream.write(in_stream.read())


def fail(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> bool:
    print("a word of the task")  # noqa: T201 - it comes back with the failure
    raise ValueError("the reason")


def endless(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> bool:
    agent.report(0.25, "a quarter")
    while agent.test_connection():
        time.sleep(0.01)  # noqa: TID251 - what a task may do
    return False


def hold(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> bool:
    agent.get_data("begun")
    return endless(agent, session_id, in_stream, out_stream)


def data(
    agent: hxgrid.TaskAgent, session_id: int, in_stream: hxgrid.Stream, out_stream: hxgrid.Stream
) -> None:
    out_stream.write(agent.get_data(in_stream.read().decode()).read())
