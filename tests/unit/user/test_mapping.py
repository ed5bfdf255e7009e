"""`map`: lazy on both ends, ordered or as results come, in pieces that follow what was measured."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hxgrid.errors import TaskError, TaskFailed
from hxgrid.modules import calls
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.journal_calls import CallJournal
from hxgrid.user.mapping import FEWEST_PIECES, LARGEST_PIECE, GridMap
from hxgrid.wire.batches import ResultRecord


class FakeGrid:
    """Runs batches when it is told to, in the order it is told."""

    call_journal: CallJournal | None = None

    def __init__(self, *, seconds_per_call: float = 1.0, at_once: bool = True) -> None:
        self.seconds_per_call = seconds_per_call
        self.at_once = at_once
        self.waiting: list[tuple[TaskRecord, Callable[..., Any], bytes, Any]] = []
        self.sizes: list[int] = []
        self.cancelled: list[int] = []

    def submit_calls(
        self,
        function: Callable[..., Any],
        packed: tuple[bytes, frozenset[str]],
        front: Any,
        *,
        idempotent: bool,
        keys: tuple[bytes | None, ...] | None = None,
    ) -> TaskRecord:
        assert idempotent
        assert keys is None
        record = TaskRecord(len(self.sizes) + 1, 1, b"", stored_bytes=0, raw_bytes=0)
        self.sizes.append(len(calls.unpack_calls(packed[0])))
        self.waiting.append((record, function, packed[0], front))
        if self.at_once:
            self.run(0)
        return record

    def run(self, index: int, *, fails: bool = False) -> None:
        record, function, payload, front = self.waiting.pop(index)
        batch = calls.unpack_calls(payload)
        outcomes = []
        for args, kwargs in batch:
            try:
                outcomes.append(calls.pack_value(function(*args, **kwargs)))
            except Exception as error:  # noqa: BLE001 - the function is the test's
                outcomes.append(calls.pack_exception(error))
        packed = calls.pack_outcomes(outcomes)
        took = self.seconds_per_call * len(batch)
        result = ResultRecord(
            record.id, 1, 0, 0, 0, len(packed), len(packed), 1.0, 1.0 + took, packed
        )
        front.end(record, None if fails else result)

    def slot_count(self) -> int:
        return 2

    def cancel(self, task_ids: list[int]) -> None:
        self.cancelled += task_ids

    def error_of(self, record: TaskRecord) -> TaskError:
        return TaskFailed(f"task {record.id} failed", task_id=record.id)


def square(x: int) -> int:
    return x * x


def grid_map(grid: FakeGrid, function: Callable[..., Any], items: Any, **options: Any) -> GridMap:
    return GridMap(grid, function, (((item,), {}) for item in items), **options)


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(grid_map(FakeGrid(), square, range(100))) == [x * x for x in range(100)]


def test_nothing_is_read_before_the_first_result_is_asked_for() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for x in range(10):
            read.append(x)
            yield x

    mapping = grid_map(FakeGrid(), square, items())
    assert read == []
    assert next(iter(mapping)) == 0
    assert read


def test_an_endless_input_is_read_only_as_far_as_the_window_reaches() -> None:
    grid = FakeGrid(at_once=False)
    results = iter(grid_map(grid, square, itertools.count(), chunksize=1, timeout=0.01))
    with pytest.raises(TimeoutError):
        next(results)
    assert len(grid.sizes) == FEWEST_PIECES


def test_unordered_results_come_as_they_end() -> None:
    grid = FakeGrid(at_once=False)
    mapping = grid_map(grid, square, [1, 2, 3], ordered=False, chunksize=1)
    results = iter(mapping)
    mapping._fill()
    grid.run(2)
    assert next(results) == 9
    grid.run(0)
    assert next(results) == 1


def test_pieces_of_short_calls_grow_fourfold_up_to_the_limit() -> None:
    grid = FakeGrid(seconds_per_call=1e-6)
    list(grid_map(grid, square, range(100_000)))
    growing = grid.sizes[FEWEST_PIECES:]
    assert grid.sizes[:FEWEST_PIECES] == [1] * FEWEST_PIECES
    assert growing[:3] == [4, 16, 64]
    assert max(grid.sizes) == LARGEST_PIECE


def test_long_calls_travel_alone() -> None:
    grid = FakeGrid(seconds_per_call=1.0)
    list(grid_map(grid, square, range(50)))
    assert set(grid.sizes) == {1}


def test_large_arguments_make_small_pieces() -> None:
    grid = FakeGrid(seconds_per_call=1e-6)
    list(grid_map(grid, len, (b"x" * 500_000 for _ in range(60))))
    assert max(grid.sizes) <= 8


def test_an_exception_is_raised_in_its_place_and_drops_the_rest() -> None:
    results = iter(grid_map(FakeGrid(), lambda x: 1 // x, [1, 0, 1, 1], chunksize=1))
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)
    assert isinstance(caught.value.__cause__, calls.RemoteTraceback)
    assert list(results) == []


def test_a_failed_piece_raises_the_tasks_error_and_cancels_the_others() -> None:
    grid = FakeGrid(at_once=False)
    mapping = grid_map(grid, square, range(4), chunksize=1)
    mapping._fill()
    grid.run(0, fails=True)
    with pytest.raises(TaskFailed, match="task 1"):
        next(iter(mapping))
    assert grid.cancelled == [2, 3, 4]


def test_a_buffer_size_bounds_the_calls_under_way() -> None:
    grid = FakeGrid(at_once=False)
    results = iter(grid_map(grid, square, range(100), chunksize=5, buffersize=20, timeout=0.01))
    with pytest.raises(TimeoutError):
        next(results)
    assert sum(grid.sizes) == 20


def test_progress_moves_with_each_result_and_is_closed() -> None:
    class Shown:
        moved, closed = 0, 0

        def update(self, n: int) -> None:
            self.moved += n

        def close(self) -> None:
            self.closed += 1

    shown = Shown()
    list(grid_map(FakeGrid(), square, range(10), progress=shown))
    assert (shown.moved, shown.closed) == (10, 1)


def test_a_timeout_counts_from_the_call() -> None:
    grid = FakeGrid(at_once=False)
    began = time.monotonic()
    results = iter(grid_map(grid, square, [1], timeout=0.05))
    with pytest.raises(TimeoutError):
        next(results)
    assert time.monotonic() - began < 30
