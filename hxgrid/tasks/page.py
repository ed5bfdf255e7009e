"""The page of memory that an agent shares with one task process, so that neither need ask.

The agent writes whether the process is suspended and one flag per attempt; the process writes what
it runs, since when, how far it is, and a beat. What changes often is one aligned machine word,
which no processor writes in two halves. Layout, in bytes::

       0  u64  1 while the process is suspended, else 0 (agent)
       8  u64  serial of the running attempt, 0 while there is none (process)
      16  f64  when it began, monotonic seconds (process)
      24  u64  beats since the start (process)
      32  u64  size of the captured output when the attempt began (process)
      40  u64  serial of the attempt that last reported, 0 while a report is being written (process)
      48  f64  the fraction it reported (process)
      56  u64  bytes of text it reported (process)
      64       the text (process)
    1024  u8   cancel flags, one per serial modulo `RING` (agent)

The page of a host process begins alike and goes on with what `hxgrid.tasks.hostpage` describes.

Serials number the attempts of one process from 1, in the order in which it runs them. They are
given so that no two attempts that have not ended share a flag; that is why cancelling one can never
hit the next, however late the flag is raised.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

RING: Final = 4096
"""Attempts that one process can hold; a power of two."""
FLAGS_AT: Final = 1024
_TEXT_AT: Final = 64
_MAX_TEXT_BYTES: Final = FLAGS_AT - _TEXT_AT
PAGE_BYTES: Final = FLAGS_AT + RING

# Words by their place in the page, counted in eights of bytes.
_SUSPENDED, _SERIAL, _STARTED, _BEATS, _OUTPUT, _REPORTER, _FRACTION, _TEXT_BYTES = range(8)


class Report(NamedTuple):
    """What a task last said of itself."""

    serial: int
    fraction: float
    text: str


class SharedPage:
    """Both ends' view of the page. Without a file it serves a task in the caller's own process."""

    __slots__ = ("_floats", "_mapping", "_words", "flags")

    BYTES: ClassVar[int] = PAGE_BYTES

    def __init__(self, mapping: mmap.mmap | None = None) -> None:
        self._mapping = mapping
        self.flags: memoryview = memoryview(bytearray(self.BYTES) if mapping is None else mapping)
        """All bytes of the page; `flags[0]` says whether it is suspended, see `flag_of` for the
        others."""
        self._words = self.flags[:_TEXT_AT].cast("Q")
        self._floats = self.flags[:_TEXT_AT].cast("d")

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make the file, which must not exist, and map it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Written, not only sized: a full disk must show here and not as a signal later.
            os.write(descriptor, bytes(cls.BYTES))
            return cls(mmap.mmap(descriptor, cls.BYTES))
        finally:
            os.close(descriptor)

    @classmethod
    def open(cls, path: str) -> Self:
        """Map a file that `create` made."""
        descriptor = os.open(path, os.O_RDWR)
        try:
            return cls(mmap.mmap(descriptor, cls.BYTES))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Unmap the file; nothing of this object may be used afterwards."""
        self._words.release()
        self._floats.release()
        self.flags.release()
        if self._mapping is not None:
            self._mapping.close()

    # -- the agent's side

    def suspend(self, is_suspended: bool) -> None:
        """Say whether tasks shall wait, in case the system has not stopped their process."""
        self._words[_SUSPENDED] = is_suspended

    def cancel(self, serial: int) -> None:
        """Tell an attempt to stop; harmless if it has ended or not begun.

        The flag is lowered by whoever hands over the next attempt with it.
        """
        self.flags[flag_of(serial)] = 1

    @property
    def running(self) -> tuple[int, float]:
        """Serial of the running attempt (0: none) and when it began."""
        return self._words[_SERIAL], self._floats[_STARTED]

    @property
    def beats(self) -> int:
        """How often the process has shown that it is alive."""
        return self._words[_BEATS]

    @property
    def output_mark(self) -> int:
        """Where in the captured output the running attempt begins."""
        return self._words[_OUTPUT]

    def report(self) -> Report | None:
        """Return what a task last reported; None if nothing, or if it is just being written."""
        words = self._words
        serial = words[_REPORTER]
        fraction = self._floats[_FRACTION]
        size = min(words[_TEXT_BYTES], _MAX_TEXT_BYTES)
        text = bytes(self.flags[_TEXT_AT : _TEXT_AT + size]).decode("utf-8", "replace")
        if serial == 0 or words[_REPORTER] != serial:
            return None
        return Report(serial, fraction, text)

    # -- the process's side

    def begin(self, serial: int, now: float) -> None:
        """Say which attempt runs from now on; 0: none."""
        self._words[_SERIAL] = serial
        self._floats[_STARTED] = now

    def beat(self) -> None:
        """Show that the process is alive."""
        self._words[_BEATS] += 1

    def mark_output(self, size: int) -> None:
        """Say where the output of the next attempt begins."""
        self._words[_OUTPUT] = size

    def write_report(self, serial: int, fraction: float, text: str) -> None:
        """Leave a report for the agent to find; what does not fit of `text` is cut off."""
        words = self._words
        data = text.encode("utf-8", "replace")[:_MAX_TEXT_BYTES]
        words[_REPORTER] = 0
        self._floats[_FRACTION] = fraction
        self.flags[_TEXT_AT : _TEXT_AT + len(data)] = data
        words[_TEXT_BYTES] = len(data)
        words[_REPORTER] = serial


def flag_of(serial: int) -> int:
    """Return the place of an attempt's cancel flag in the page."""
    return FLAGS_AT + serial % RING
