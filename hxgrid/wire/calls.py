"""Calls of the Executor as payloads: a batch of calls goes in, a batch of results comes out.

An input is the pickled list of the calls of one function, each `(args, kwargs)`. An output is the
pickled list of as many results in the same order, each `(True, value)` or `(False, error)`; the
error is a tuple of the exception pickled by itself, its class by name, its text and its traceback.
An exception that cannot be pickled, or not be made again from its pickle, must not cost the other
results of its batch; that is why it lies in a pickle of its own.

Plain pickle does nearly everything and is ten times faster; cloudpickle takes over where plain
pickle fails, and where it would name something in `__main__`, which is another module over there.

Only a task process unpickles calls, and only the application results of its own calls.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hxgrid.errors import TaskFailed

PROTOCOL = 5
_MAIN = b"__main__"

Call = tuple[Sequence[Any], Mapping[str, Any]]
"""Positional and keyword arguments of one call."""


class CallResult(NamedTuple):
    """What became of one call."""

    is_ok: bool
    value: Any
    """What the function returned, or the exception that it raised: in its own type if that could be
    pickled, with the remote traceback as its cause."""


class RemoteTraceback(Exception):
    """Cause of an exception that came from another computer: the traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text.rstrip()}"


def dumps(value: Any) -> bytes:
    """Pickle a value for another computer; raise what pickle raises if that is impossible."""
    try:
        data = pickle.dumps(value, PROTOCOL)
    except Exception:  # noqa: BLE001 - any class can raise anything here; cloudpickle decides
        return _cloudpickled(value)
    # The name may also stand in a string; then the slower pickle does no harm.
    return _cloudpickled(value) if _MAIN in data else data


def pack_calls(calls: Sequence[Call]) -> bytes:
    """Make the input of a task from calls; raise what pickle raises if an argument will not go."""
    return dumps([(tuple(args), dict(kwargs)) for args, kwargs in calls])


def unpack_calls(payload: bytes | bytearray | memoryview) -> list[Call]:
    """Read the input of a task; raise whatever the arguments' classes raise. Task process only."""
    calls: list[Call] = pickle.loads(payload)
    return calls


def success(value: Any) -> tuple[bool, Any]:
    """Make the result of a call that returned."""
    return (True, value)


def failure(error: BaseException, trace: str) -> tuple[bool, Any]:
    """Make the result of a call that raised; `trace` is the formatted traceback."""
    kind = type(error)
    return (
        False,
        (_pickled_error(error), f"{kind.__module__}.{kind.__qualname__}", _text(error), trace),
    )


def pack_results(results: Sequence[tuple[bool, Any]]) -> bytes:
    """Make the output of a task; a value that cannot be pickled becomes a failure of its call."""
    try:
        return dumps(results)
    except Exception:  # noqa: BLE001 - whichever value it was is found and replaced
        return dumps([_sendable(result) for result in results])


def unpack_results(payload: bytes | bytearray | memoryview) -> list[CallResult]:
    """Read the output of a task that ran this application's own calls.

    Raises whatever the values' classes raise while they are made again.
    """
    return [
        CallResult(True, value) if is_ok else CallResult(False, _made_again(value))
        for is_ok, value in pickle.loads(payload)
    ]


def _cloudpickled(value: Any) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(value, PROTOCOL)
    return data


def _pickled_error(error: BaseException) -> bytes:
    """Return the exception as a pickle that has been tried, or b"" if there is none."""
    try:
        data = dumps(error)
        again = pickle.loads(data)
    except Exception:  # noqa: BLE001 - its class name, text and traceback travel all the same
        return b""
    return data if isinstance(again, BaseException) else b""


def _sendable(result: tuple[bool, Any]) -> tuple[bool, Any]:
    is_ok, value = result
    if not is_ok:
        return result
    try:
        dumps(value)
    except Exception as error:  # noqa: BLE001 - reported as the result of this call
        kind = type(value)
        refused = TypeError(
            f"the result of type {kind.__module__}.{kind.__qualname__} cannot be pickled "
            f"and sent back: {_text(error)}"
        )
        refused.__cause__ = None
        return failure(refused, "".join(traceback.format_exception(error)))
    return result


def _made_again(parts: tuple[bytes, str, str, str]) -> BaseException:
    pickled, name, text, trace = parts
    error: BaseException | None = None
    why = "its exception cannot be pickled"
    if pickled:
        try:
            error = pickle.loads(pickled)
        except Exception as problem:  # noqa: BLE001 - the text of the original says more
            why = f"its exception cannot be unpickled here: {_text(problem)}"
    if not isinstance(error, BaseException):
        error = TaskFailed(f"the function raised {name}: {text}", why=why, remote_traceback=trace)
    error.__cause__ = RemoteTraceback(trace)
    return error


def _text(error: BaseException) -> str:
    """Return the text of an exception, whose own code may be broken too."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - nothing more can be learnt from it
        return type(error).__name__
