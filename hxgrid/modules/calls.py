"""Calls of one function as they travel: arguments one way, values or exceptions the other.

A task of the Executor carries a batch of calls, pickled as one list. Back comes one *outcome* per
call, each pickled by itself: a value that cannot be pickled spoils only its own call, and the
application unpickles each where it is asked for. In front stands what can be read without
unpickling::

    u32 count | count x (u8 status, u64 size) | count pickles, one after the other

Status 0 is a value; 1 an exception, pickled as (exception, traceback text); 2 says in UTF-8 text,
a headline and a traceback with a NUL between them, what could not be pickled.
"""

from __future__ import annotations

import enum
import pickle
import struct
import traceback
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from hxgrid.errors import RemoteProtocolError, TaskFailed
from hxgrid.modules import pickling

Call = tuple[tuple[Any, ...], dict[str, Any]]
Buffer = bytes | bytearray | memoryview

_COUNT = struct.Struct("<I")
_ENTRY = struct.Struct("<BQ")

_PICKLERS = {"hxgrid", "pickle", "copyreg", "cloudpickle"}
"""Packages whose frames tell nobody why a value of his cannot be pickled."""


class Status(enum.IntEnum):
    """What an outcome's pickle holds."""

    VALUE = 0
    EXCEPTION = 1
    TEXT = 2


class Outcome(NamedTuple):
    """One call's end, not unpickled yet."""

    status: int
    pickled: Buffer


class RemoteTraceback(Exception):
    """Cause of an exception that was raised on an agent: where it was raised there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def pack_calls(calls: Sequence[Call]) -> tuple[bytes, frozenset[str]]:
    """Pickle a batch of calls; gives the modules it refers to as well."""
    if all(_is_plain(call) for call in calls):
        return pickle.dumps(calls, pickling.PROTOCOL), frozenset()
    return pickling.dumps(calls)


def unpack_calls(payload: Buffer) -> list[Call]:
    """Unpickle a batch of calls. Only ever done in a task process."""
    calls: list[Call] = pickle.loads(payload)
    return calls


def pack_value(value: object) -> Outcome:
    """Pickle a function's value, or say why it cannot be."""
    try:
        return Outcome(Status.VALUE, _dumps(value))
    except Exception as error:  # noqa: BLE001 - pickling runs code of the value's own class
        headline = f"the result of type {_type_name(value)} cannot be pickled: {_text(error)}"
        return _as_text(headline, _trace_beyond_pickling(error))


def pack_exception(error: BaseException) -> Outcome:
    """Pickle an exception with its traceback; as a text if it cannot be."""
    trace = _trace(error)
    try:
        pickled = _dumps((error, trace))
        pickle.loads(pickled)  # exceptions with arguments of their own often fail only here
    except Exception:  # noqa: BLE001 - pickling runs code of the exception's own class
        return _as_text(f"the function raised {_type_name(error)}: {_text(error)}", trace)
    return Outcome(Status.EXCEPTION, pickled)


def pack_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """Put the outcomes of a batch together, in the order of its calls."""
    parts: list[Buffer] = [_COUNT.pack(len(outcomes))]
    parts += [_ENTRY.pack(status, len(pickled)) for status, pickled in outcomes]
    parts += [pickled for _, pickled in outcomes]
    return b"".join(parts)


def unpack_outcomes(payload: Buffer, expected: int) -> list[Outcome]:
    """Take a batch of outcomes apart without unpickling anything.

    Raises `RemoteProtocolError` if it does not have `expected` outcomes of the sizes it claims.
    """
    view = memoryview(payload)
    head = _COUNT.size + expected * _ENTRY.size
    if len(view) < head or _COUNT.unpack_from(view)[0] != expected:
        raise RemoteProtocolError(f"a result is not a batch of {expected} outcomes")
    return list(_outcomes(view, expected, head))


def _outcomes(view: memoryview, count: int, start: int) -> Iterator[Outcome]:
    for status, size in _ENTRY.iter_unpack(view[_COUNT.size : _COUNT.size + count * _ENTRY.size]):
        if status > Status.TEXT or start + size > len(view):
            raise RemoteProtocolError("an outcome of a result has a wrong size or status")
        yield Outcome(status, view[start : start + size])
        start += size
    if start != len(view):
        raise RemoteProtocolError(f"a result has {len(view) - start} bytes too many")


def open_outcome(outcome: Outcome) -> Any:
    """Unpickle an outcome: give the value, or raise the exception as the function raised it.

    The remote traceback is the exception's cause. Runs code that the agent chose: only for agents
    that the grid vouches for, in the thread that asks for the result.
    """
    if outcome.status == Status.TEXT:
        headline, _, trace = str(outcome.pickled, "utf-8", "replace").partition("\0")
        cause = RemoteTraceback(trace) if trace else None
        raise TaskFailed(headline, remote_traceback=trace) from cause
    opened = pickle.loads(outcome.pickled)
    if outcome.status == Status.VALUE:
        return opened
    error, text = opened
    error.__cause__ = RemoteTraceback(text)
    raise error


def _dumps(value: object) -> bytes:
    try:
        return pickle.dumps(value, pickling.PROTOCOL)
    except Exception:  # noqa: BLE001 - whatever it is, cloudpickle may still manage
        return pickling.dumps(value)[0]


def _is_plain(call: Call) -> bool:
    args, kwargs = call
    return all(map(pickling.is_plain, args)) and all(map(pickling.is_plain, kwargs.values()))


def _as_text(headline: str, trace: str) -> Outcome:
    text = f"{headline}\0{trace}"
    return Outcome(Status.TEXT, text.encode(errors="replace"))


def _trace(error: BaseException) -> str:
    """Format a traceback that begins at the function, not at what called it."""
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))


def _trace_beyond_pickling(error: BaseException) -> str:
    """Format the part of a traceback that is code of the value's own class; "" if there is none."""
    frames = error.__traceback__
    while frames is not None and _package(frames) in _PICKLERS:
        frames = frames.tb_next
    if frames is None:
        return ""
    return "".join(traceback.format_exception(type(error), error, frames, chain=False))


def _package(frames: TracebackType) -> str:
    return str(frames.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _text(error: BaseException) -> str:
    """Return the text of an exception, whose own code may be broken too."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - nothing more can be learnt from it
        return type(error).__name__


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
