from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from hxgrid.errors import TaskCancelled
from hxgrid.modules.calls import open_outcome, unpack_outcomes
from hxgrid.streams import Stream
from hxgrid.tasks import TaskAgent, running
from hxgrid.tasks.locks import GlobalLock
from hxgrid.tasks.page import SharedPage


@pytest.fixture
def page() -> SharedPage:
    return SharedPage()


@pytest.fixture
def agent(page: SharedPage, tmp_path: Path) -> TaskAgent:
    class NoData:
        def ask_data(self, name: str) -> tuple[str | None, str]:
            return None, f"no {name}"

        def free_data(self, name: str | None) -> None:
            raise AssertionError(name)

    agent = TaskAgent(page, NoData(), tmp_path, GlobalLock(tmp_path / "lock"))
    agent.begin(1)
    return agent


def echo(agent: TaskAgent, number: int, in_stream: Stream, out_stream: Stream) -> object:
    out_stream.write(in_stream.read())
    return {b"none": None, b"true": True, b"false": False, b"zero": 0}[in_stream.getvalue()]


@pytest.mark.parametrize("answer", [b"none", b"true"])
def test_none_and_true_are_success(agent: TaskAgent, answer: bytes) -> None:
    assert running.stream_runner(echo, agent, 1)(answer) == answer


@pytest.mark.parametrize(("answer", "text"), [(b"false", "False"), (b"zero", "0")])
def test_false_is_failure(agent: TaskAgent, answer: bytes, text: str) -> None:
    with pytest.raises(running.ReturnedFalseError, match=f"echo returned {text}"):
        running.stream_runner(echo, agent, 1)(answer)


def test_an_input_cannot_be_changed_whatever_its_size(agent: TaskAgent) -> None:
    def run_task(agent: TaskAgent, number: int, in_stream: Stream, out_stream: Stream) -> bool:
        return in_stream.readonly

    assert running.stream_runner(run_task, agent, 1)(b"") == b""


def test_calls_are_answered_one_by_one(agent: TaskAgent) -> None:
    payload = running.calls_runner(divmod, agent)(pickle.dumps([((7, 2), {}), ((1, 0), {})]))
    good, bad = unpack_outcomes(bytes(payload), 2)
    assert open_outcome(good) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        open_outcome(bad)


def test_a_cancelled_batch_stops_between_calls(agent: TaskAgent, page: SharedPage) -> None:
    seen: list[int] = []

    def work(number: int) -> None:
        seen.append(number)
        page.cancel(1)

    with pytest.raises(TaskCancelled):
        running.calls_runner(work, agent)(pickle.dumps([((1,), {}), ((2,), {})]))
    assert seen == [1]


def test_what_a_cancelled_task_raises_is_no_failure() -> None:
    assert running.judge(ValueError("stopped"), True, b"") == (running.CANCELLED, b"")


def test_a_full_memory_is_a_failure_of_the_task() -> None:
    outcome, payload = running.judge(MemoryError(), False, b"out")
    assert outcome == running.FAILED
    assert b"MemoryError" in payload
