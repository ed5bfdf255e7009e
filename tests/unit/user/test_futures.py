"""Futures of the Executor: standard behaviour, unpickled where they are asked."""

from __future__ import annotations

import concurrent.futures
import pickle
import threading
from typing import Any

import pytest

from hxgrid.modules import calls
from hxgrid.user.futures import CallFuture

unpickled_in: list[int] = []


class Tell:
    """Notes which thread unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (_note_thread, ())


def _note_thread() -> str:
    unpickled_in.append(threading.get_ident())
    return "told"


def failed(error: BaseException) -> calls.Outcome:
    return calls.pack_exception(error)


@pytest.fixture
def future() -> CallFuture:
    return CallFuture(lambda _: None)


def test_a_value_is_given(future: CallFuture) -> None:
    future.end(calls.pack_value({"a": 1}))
    assert future.result() == {"a": 1}
    assert future.exception() is None


def test_an_exception_is_raised_in_its_own_type(future: CallFuture) -> None:
    future.end(failed(KeyError("x")))
    with pytest.raises(KeyError):
        future.result()
    assert isinstance(future.exception(), KeyError)


def test_it_is_unpickled_once_and_in_the_thread_that_asks(future: CallFuture) -> None:
    unpickled_in.clear()
    outcome = calls.Outcome(calls.Status.VALUE, pickle.dumps(Tell()))
    ender = threading.Thread(target=future.end, args=(outcome,))
    ender.start()
    ender.join()
    assert unpickled_in == []
    assert future.result() == "told"
    assert future.result() == "told"
    assert unpickled_in == [threading.get_ident()]


def test_wait_for_the_first_exception_sees_it_unopened(future: CallFuture) -> None:
    other = CallFuture(lambda _: None)
    future.end(failed(ValueError("bad")))
    done, not_done = concurrent.futures.wait(
        [future, other], timeout=5, return_when=concurrent.futures.FIRST_EXCEPTION
    )
    assert (done, not_done) == ({future}, {other})


def test_callbacks_are_known_before_the_end(future: CallFuture) -> None:
    called: list[object] = []
    assert not future.must_be_called()
    future.add_done_callback(called.append)
    assert future.must_be_called()
    future.end(calls.pack_value(1))
    assert called == [future]


def test_cancelling_asks_for_the_task_to_be_dropped() -> None:
    dropped: list[CallFuture] = []
    future = CallFuture(dropped.append)
    assert future.cancel()
    assert dropped == [future]
    assert future.cancelled()
    future.end(calls.pack_value(1))  # a late result changes nothing
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()


def test_what_has_ended_cannot_be_cancelled(future: CallFuture) -> None:
    future.end(calls.pack_value(1))
    assert not future.cancel()


def test_a_timeout_is_raised(future: CallFuture) -> None:
    with pytest.raises(TimeoutError):
        future.result(timeout=0.01)


def test_a_session_that_drops_the_call_cancels_it(future: CallFuture) -> None:
    future.end_cancelled()
    assert future.cancelled()
    done, _ = concurrent.futures.wait([future], timeout=5)
    assert done == {future}
