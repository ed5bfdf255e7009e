"""What `concurrent.futures` promises of every executor, held by ours over an embedded grid."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import select
import threading
import time
from collections.abc import Iterator

import pytest

import hxgrid
from hxgrid.user.session import Session


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    opened = hxgrid.connect("local", slots=2)
    assert isinstance(opened, Session)
    with opened:
        yield opened


@pytest.fixture
def executor(session: Session) -> Iterator[hxgrid.Executor]:
    with hxgrid.Executor(session) as made:
        yield made


def test_functions_of_this_file_and_of_others_run(executor: hxgrid.Executor) -> None:
    def twice(number: int) -> int:
        return 2 * number

    assert executor.submit(twice, 21).result(60) == 42
    assert executor.submit(divmod, 7, 3).result(60) == (2, 1)
    assert executor.submit(os.path.join, "a", "b").result(60) == os.path.join("a", "b")  # noqa: PTH118
    assert executor.submit(lambda **named: named, colour="red").result(60) == {"colour": "red"}


def test_wait_and_as_completed_see_the_futures_end(executor: hxgrid.Executor) -> None:
    futures = [executor.submit(pow, number, 2) for number in range(20)]
    done, left = concurrent.futures.wait(futures, timeout=60)
    assert (len(done), left) == (20, set())
    again = [executor.submit(pow, number, 2) for number in range(20)]
    found = {future.result() for future in concurrent.futures.as_completed(again, timeout=60)}
    assert found == {number**2 for number in range(20)}


def test_a_future_can_be_awaited(executor: hxgrid.Executor) -> None:
    async def both() -> list[int]:
        futures = [executor.submit(pow, 2, 10), executor.submit(pow, 3, 3)]
        async with asyncio.timeout(60):
            return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))

    assert asyncio.run(both()) == [1024, 27]


def test_an_exception_comes_in_its_own_type_with_the_remote_traceback(
    executor: hxgrid.Executor,
) -> None:
    def fail() -> None:
        raise LookupError("nothing here")

    future = executor.submit(fail)
    with pytest.raises(LookupError, match="nothing here") as caught:
        future.result(60)
    assert "in fail" in str(caught.value.__cause__)
    assert isinstance(future.exception(), LookupError)


def test_map_keeps_order_and_takes_several_iterables(executor: hxgrid.Executor) -> None:
    assert list(executor.map(pow, range(50), [2] * 50, chunksize=7)) == [n**2 for n in range(50)]
    assert list(executor.map(pow, range(9), [3] * 9, buffersize=2)) == [n**3 for n in range(9)]


def test_map_reads_ahead_no_further_than_the_buffer(executor: hxgrid.Executor) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = executor.map(abs, numbers(), buffersize=3)
    assert next(results) == 0
    assert len(taken) <= 4


def test_map_gives_up_when_its_time_is_over(executor: hxgrid.Executor) -> None:
    results = executor.map(select.select, [[]], [[]], [[]], [30.0], timeout=0.2)
    with pytest.raises(TimeoutError):
        next(results)


def test_shutdown_cancels_what_has_not_ended_and_takes_no_more(session: Session) -> None:
    executor = hxgrid.Executor(session)
    futures = [executor.submit(select.select, [], [], [], 30.0) for _ in range(6)]
    began = time.monotonic()
    executor.shutdown(cancel_futures=True)
    assert time.monotonic() - began < 10
    assert all(future.cancelled() for future in futures)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    assert list(session.map(abs, [-1])) == [1], "the session is not the executor's to close"


def test_a_callback_is_called_once_with_its_future(executor: hxgrid.Executor) -> None:
    called: concurrent.futures.Future[object] = concurrent.futures.Future()
    future = executor.submit(abs, -5)
    future.add_done_callback(called.set_result)  # a second call would raise
    assert called.result(60) is future
    assert future.result() == 5


def test_what_cannot_be_pickled_is_told_by_the_future(executor: hxgrid.Executor) -> None:
    future = executor.submit(print, threading.Lock())
    assert isinstance(future.exception(60), TypeError)
    assert executor.submit(abs, -1).result(60) == 1


def test_a_progress_object_of_the_caller_is_moved_and_closed(session: Session) -> None:
    class Bar:
        count = 0
        is_closed = False

        def update(self, n: int) -> None:
            self.count += n

        def close(self) -> None:
            self.is_closed = True

    bar = Bar()
    assert sum(session.map(abs, range(-30, 0), progress=bar)) == 465
    assert (bar.count, bar.is_closed) == (30, True)


def test_unordered_map_gives_what_is_ready_first(session: Session) -> None:
    def nap(seconds: float) -> float:
        select.select([], [], [], seconds)
        return seconds

    naps = [3.0, *[0.0] * 5]
    assert list(session.map(nap, naps, ordered=False, chunksize=1))[-1] == 3.0
