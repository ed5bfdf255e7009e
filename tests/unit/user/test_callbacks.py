"""The threads that run code of the application."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from hxgrid.user.callbacks import CallbackRunner
from hxgrid.user.core.task import TaskRecord
from hxgrid.wire.batches import ResultRecord
from tests.harness.wait import wait_until


class _Front:
    """Calls a function of the test."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def end(self, record: TaskRecord, result: ResultRecord | None) -> bool:
        return True

    def call(self) -> None:
        self._function()


@pytest.fixture
def reported() -> list[int]:
    return []


@pytest.fixture
def runner(reported: list[int]) -> Iterator[CallbackRunner]:
    runner = CallbackRunner("test", reported.extend)
    yield runner
    runner.stop(10, drop=True)


def test_callbacks_run_in_order_and_are_reported_after_they_returned(
    runner: CallbackRunner, reported: list[int]
) -> None:
    order: list[int] = []
    may_end = threading.Event()
    runner.put([(_Front(lambda n=n: order.append(n)), n) for n in range(3)])  # type: ignore[misc]
    runner.put([(_Front(lambda: may_end.wait(20)), 3)])
    wait_until(lambda: reported == [0, 1, 2], 10, "three to be reported", seen=lambda: reported)
    may_end.set()
    wait_until(lambda: reported == [0, 1, 2, 3], 10, "all to be reported")
    assert order == [0, 1, 2]


def test_an_exception_is_kept_and_the_next_callback_runs(
    runner: CallbackRunner, reported: list[int]
) -> None:
    def fail() -> None:
        raise SystemExit("not even this ends the thread")

    runner.put([(_Front(fail), 1), (_Front(lambda: None), 2)])
    wait_until(lambda: reported == [1, 2], 10, "both to be reported")
    assert runner.error_count == 1
    (error,) = runner.take_errors()
    assert isinstance(error, SystemExit)
    assert runner.take_errors() == []


def test_several_threads_run_at_once_if_wanted(runner: CallbackRunner, reported: list[int]) -> None:
    meeting = threading.Barrier(3)
    runner.set_threads(3)
    runner.put([(_Front(lambda: meeting.wait(20)), n) for n in range(3)])
    wait_until(lambda: sorted(reported) == [0, 1, 2], 20, "all to meet")
    assert runner.error_count == 0


def test_what_is_dropped_is_reported_but_not_called(
    runner: CallbackRunner, reported: list[int]
) -> None:
    called: list[int] = []
    is_running, may_end = threading.Event(), threading.Event()

    def first() -> None:
        is_running.set()
        may_end.wait(20)

    runner.put([(_Front(first), 1), (_Front(lambda: called.append(2)), 2)])
    is_running.wait(20)
    runner.stop(0.0, drop=True)
    may_end.set()
    wait_until(lambda: reported == [1, 2], 10, "both to be reported")
    assert called == []


def test_it_knows_its_own_threads(runner: CallbackRunner, reported: list[int]) -> None:
    answers: list[bool] = []
    runner.put([(_Front(lambda: answers.append(runner.is_callback_thread())), 1)])
    wait_until(lambda: reported == [1], 10, "the answer")
    assert answers == [True]
    assert not runner.is_callback_thread()
