"""The page of memory that an agent shares with a host process.

It begins like every task process's page (`hxgrid.tasks.page`): suspension, beats and cancel flags
mean the same. What follows is written by C code, and `hxg_host.h` is where the layout is defined; a
test holds the numbers below against it. In bytes::

    5120  128  who ended the process, written by the dying thread: u32 kind (0: nobody yet), u32
               signal or exception number, u64 serial of the attempt that it ran, u32 its function,
               u32 phase, u64 the address that the fault was about
    5248  64   for each of 1024 threads: u64 serial of the attempt that it runs (0: none), f64 when
               that began, u32 phase, u32 function, u64 how many it has run
"""

from __future__ import annotations

import enum
import struct
from typing import ClassVar, Final, NamedTuple

from hxgrid.tasks.page import SharedPage

CRASH_AT: Final = 5120
THREADS_AT: Final = 5248
THREADS: Final = 1024
_STAMP: Final = struct.Struct("<QdIIQ32x")
_CRASH: Final = struct.Struct("<IIQIIQ")
STAMP_BYTES: Final = _STAMP.size
HOST_PAGE_BYTES: Final = THREADS_AT + THREADS * STAMP_BYTES


class Phase(enum.IntEnum):
    """What a thread was busy with."""

    IDLE = 0
    LOADING = 1
    START_SESSION = 2
    TASK = 3
    END_SESSION = 4


class CrashKind(enum.IntEnum):
    """How a thread ended its process."""

    SIGNAL = 1
    EXCEPTION = 2
    """One of Windows."""
    EXIT = 3
    """It called exit()."""


class Stamp(NamedTuple):
    """What one thread says of itself."""

    thread: int
    """Its place among the threads, from 0."""
    serial: int
    started_at: float
    phase: int
    function: int
    finished: int


class Crash(NamedTuple):
    """What a dying thread says of itself."""

    kind: CrashKind
    code: int
    serial: int
    """0: it was no thread that ran attempts, but one that a task has made."""
    function: int
    phase: int
    address: int


class HostPage(SharedPage):
    """Both ends' view of a host's page."""

    __slots__ = ()

    BYTES: ClassVar[int] = HOST_PAGE_BYTES

    def stamps(self) -> list[Stamp]:
        """Return the stamps of all threads that run an attempt."""
        raw = self.flags[THREADS_AT : THREADS_AT + THREADS * STAMP_BYTES]
        each = enumerate(_STAMP.iter_unpack(raw))
        return [Stamp(thread, *fields) for thread, fields in each if fields[0]]

    def crash(self) -> Crash | None:
        """Return the dying thread's words; None if there are none."""
        kind, *others = _CRASH.unpack_from(self.flags, CRASH_AT)
        return Crash(CrashKind(kind), *others) if kind in _KINDS else None


_KINDS: Final = frozenset(CrashKind)
