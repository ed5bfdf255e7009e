"""Calls as they travel: what comes back is a value or an exception per call."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hxgrid.errors import RemoteProtocolError, TaskFailed
from hxgrid.modules import calls


class AwkwardError(Exception):
    """Cannot be unpickled: its arguments are not what `__init__` wants."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


class Stubborn:
    def __reduce__(self) -> str:
        raise ValueError("I stay here")


def fail(error: BaseException) -> calls.Outcome:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 - it is ours, raised a line above
        return calls.pack_exception(raised)


def there_and_back(outcome: calls.Outcome) -> Any:
    packed = calls.pack_outcomes([outcome])
    (back,) = calls.unpack_outcomes(packed, 1)
    return calls.open_outcome(back)


def test_arguments_arrive_as_they_were() -> None:
    batch: list[calls.Call] = [((1, "zwei"), {"three": b"3"}), (([4],), {})]
    packed, modules = calls.pack_calls(batch)
    assert calls.unpack_calls(packed) == batch
    assert modules == frozenset()


def test_a_lambda_as_argument_travels_by_value() -> None:
    packed, _ = calls.pack_calls([((lambda x: x + 1,), {})])
    ((function,), _) = calls.unpack_calls(packed)[0]
    assert function(1) == 2


def test_each_call_has_its_own_outcome() -> None:
    outcomes = [calls.pack_value(1), fail(KeyError("lost")), calls.pack_value(None)]
    one, two, three = calls.unpack_outcomes(calls.pack_outcomes(outcomes), 3)
    assert calls.open_outcome(one) == 1
    with pytest.raises(KeyError, match="lost"):
        calls.open_outcome(two)
    assert calls.open_outcome(three) is None


def test_an_exception_comes_in_its_own_type_with_the_remote_traceback_as_cause() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        there_and_back(fail(ZeroDivisionError("by zero")))
    assert isinstance(caught.value.__cause__, calls.RemoteTraceback)
    assert "test_calls.py" in str(caught.value.__cause__)


def test_an_exception_that_does_not_survive_pickling_comes_as_text() -> None:
    with pytest.raises(TaskFailed, match=r"AwkwardError: 1 2"):
        there_and_back(fail(AwkwardError(1, 2)))


def test_a_value_that_cannot_be_pickled_names_its_type() -> None:
    with pytest.raises(TaskFailed, match=r"_thread\.lock cannot be pickled"):
        there_and_back(calls.pack_value(threading.Lock()))


def test_the_traceback_of_a_value_that_cannot_be_pickled_is_none_of_ours() -> None:
    with pytest.raises(TaskFailed) as caught:
        there_and_back(calls.pack_value([threading.Lock()]))
    assert caught.value.remote_traceback == ""
    assert "Traceback" not in str(caught.value)


def test_a_value_whose_own_code_breaks_shows_where() -> None:
    with pytest.raises(TaskFailed, match="I stay here") as caught:
        there_and_back(calls.pack_value(Stubborn()))
    trace = caught.value.remote_traceback
    assert "in __reduce__" in trace
    assert "calls.py" not in trace.replace("test_calls.py", "")


@pytest.mark.parametrize(
    "damage", [b"", b"\x01", b"\x02\x00\x00\x00", b"\x01\x00\x00\x00" + b"\xff" * 9]
)
def test_a_batch_that_contradicts_itself_is_refused(damage: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        calls.unpack_outcomes(damage, 1)


def test_bytes_behind_the_last_outcome_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="too many"):
        calls.unpack_outcomes(calls.pack_outcomes([calls.pack_value(1)]) + b"x", 1)
