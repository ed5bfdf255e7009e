"""Limits on what is queued, and who waits for room."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hxgrid.errors import SessionClosed, StoreError
from hxgrid.user.core.task import TaskRecord, TaskState
from hxgrid.user.intake import Intake
from tests.harness.wait import wait_until


class _Spilled:
    """A spilled input that stays in memory, for the test's convenience."""

    def __init__(self, data: Any) -> None:
        self.data = bytes(data)
        self.size_bytes = len(self.data)
        self.is_removed = False

    def read(self) -> memoryview:
        return memoryview(self.data)

    def remove(self) -> None:
        self.is_removed = True


class _Bench:
    """An intake with the loop's part played by the test."""

    def __init__(self, max_count: int = 10, max_bytes: int = 1 << 20, **options: Any) -> None:
        self.wakes = 0
        self.is_exempt = False
        self.spilled: list[_Spilled] = []
        self.is_disk_full = False
        self.intake = Intake(self._wake, self._spill, lambda: self.is_exempt)
        self.intake.set_limits(max_count, max_bytes, options.get("allow_spill", True))

    def add(self, size: int = 1, **how: Any) -> TaskRecord | None:
        record = TaskRecord(0, 1, bytes(size), stored_bytes=size, raw_bytes=size)
        how = {"blocking": False, "timeout": None, **how}
        return record if self.intake.add(record, **how) else None

    def end(self, *records: TaskRecord | None) -> None:
        freed = sum(self.intake.forget_input(record) for record in records if record is not None)
        self.intake.end(len(records), freed)

    def _wake(self, is_alone: bool) -> None:
        assert not is_alone or self.intake.open_count == 1
        self.wakes += 1

    def _spill(self, data: Any) -> _Spilled:
        if self.is_disk_full:
            raise StoreError("disk full")
        self.spilled.append(_Spilled(data))
        return self.spilled[-1]


def test_the_loop_is_woken_once_until_it_takes_and_when_there_are_several() -> None:
    bench = _Bench()
    bench.add()
    assert bench.wakes == 1
    for _ in range(3):
        bench.add()
    assert bench.wakes == 2
    assert [record.id for record in bench.intake.take()] == [1, 2, 3, 4]
    for _ in range(3):
        bench.add()
    assert bench.wakes == 3


def test_the_count_is_a_limit_and_frees_with_ends() -> None:
    bench = _Bench(max_count=2)
    first, second = bench.add(), bench.add()
    assert bench.add() is None
    bench.end(first)
    assert bench.add() is not None
    assert second is not None


def test_a_task_counts_until_its_callback_has_returned() -> None:
    bench = _Bench(max_count=1)
    record = bench.add()
    assert record is not None
    bench.intake.end(1, bench.intake.forget_input(record), 1)
    assert bench.add() is None
    assert bench.intake.open_count == 1
    bench.intake.called(1)
    assert bench.add() is not None


def test_h2_bytes_are_a_limit_but_never_for_the_only_task() -> None:
    bench = _Bench(max_bytes=100, allow_spill=False)
    large = bench.add(5000)
    assert large is not None
    assert bench.add(1) is None
    bench.end(large)
    assert bench.intake.memory_bytes == 0
    assert bench.add(60) is not None
    assert bench.add(60) is None


def test_sent_inputs_are_spilled_first_then_the_last_unsent() -> None:
    bench = _Bench(max_bytes=20_000)
    records = [bench.add(5000) for _ in range(4)]
    sent = records[2]
    assert sent is not None
    sent.state = TaskState.RUNNING
    assert bench.add(5000) is not None
    assert sent.payload is bench.spilled[0]
    assert bench.add(5000) is not None
    assert bench.intake.memory_bytes == 20_000
    assert [type(r.payload) for r in records if r] == [bytes, bytes, _Spilled, bytes]


def test_a_spilled_input_is_removed_with_its_task() -> None:
    bench = _Bench(max_bytes=10_000)
    first, second = bench.add(6000), bench.add(6000)
    assert [one.is_removed for one in bench.spilled] == [False]
    bench.end(first, second)
    assert [one.is_removed for one in bench.spilled] == [True]
    assert bench.intake.memory_bytes == 0


def test_b7_a_full_disk_keeps_inputs_in_memory() -> None:
    bench = _Bench(max_bytes=10_000)
    bench.is_disk_full = True
    first = bench.add(6000)
    assert bench.add(6000) is None
    assert first is not None
    assert first.payload == bytes(6000)
    bench.intake.add_many([TaskRecord(0, 1, bytes(6000), stored_bytes=6000, raw_bytes=6000)])
    assert bench.intake.memory_bytes == 12_000, "who must never block is accepted all the same"


def test_b40_a_callback_is_never_held_back() -> None:
    bench = _Bench(max_count=1)
    bench.add()
    bench.is_exempt = True
    assert bench.add(blocking=True) is not None


def test_parallel_callers_cannot_pass_the_limit_together() -> None:
    bench = _Bench(max_count=50)
    accepted: list[TaskRecord | None] = []
    callers = [
        threading.Thread(target=lambda: accepted.extend(bench.add() for _ in range(40)))
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    ids = [record.id for record in accepted if record is not None]
    assert sorted(ids) == list(range(1, 51))


def test_waiters_are_woken_by_ample_room_and_by_the_end() -> None:
    bench = _Bench(max_count=8)
    records = [bench.add() for _ in range(8)]
    outcomes: list[object] = []

    def wait() -> None:
        try:
            outcomes.append(bench.add(blocking=True))
        except SessionClosed as error:
            outcomes.append(error)

    waiters = [threading.Thread(target=wait) for _ in range(4)]
    for waiter in waiters:
        waiter.start()
    bench.end(*records[:2])
    wait_until(lambda: len(outcomes) == 2, 10, "two to be accepted")
    bench.intake.refuse(SessionClosed("over"))
    for waiter in waiters:
        waiter.join(10)
    assert sum(isinstance(outcome, SessionClosed) for outcome in outcomes) == 2
    with pytest.raises(SessionClosed):
        bench.add()


def test_two_threads_that_choose_the_same_input_spill_it_once() -> None:
    bench = _Bench(max_bytes=10_000)
    record = bench.add(8000)
    assert record is not None
    for _ in range(2):
        assert bench.intake._spill_one(record)
    assert len(bench.spilled) == 1
    assert bench.intake.memory_bytes == 0
