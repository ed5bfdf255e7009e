"""What tasks write to standard output and error, kept per attempt and bounded.

Both descriptors are one file, opened for appending, that the agent made and reads if the process
dies. So everything is caught alike: `print`, native code, programs that a task starts. Nothing here
costs a system call while nothing is asked: where an attempt's output begins is looked up after
attempts that took long enough for that not to matter, and whenever results are sent.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable

from hxgrid.tasks.page import SharedPage
from hxgrid.tasks.reasons import OUTPUT_BYTES

_MAX_FILE_BYTES = 16 * OUTPUT_BYTES
"""The file is cut when it is larger: between attempts, or in the midst of a talkative one."""


class OutputCapture:
    """The captured output of this process."""

    def __init__(self, page: SharedPage, flush_native: Callable[[], None]) -> None:
        self._page = page
        self._flush_native = flush_native
        # A task may close or redirect 1 and 2; this one stays.
        self._descriptor = os.dup(1)
        self._mark = 0
        self._lock = threading.Lock()

    def install(self) -> None:
        """Let every line reach the file at once: after a crash, the last ones matter most."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def mark(self) -> None:
        """Let the next attempt's output begin here."""
        with self._lock:
            size = os.lseek(self._descriptor, 0, os.SEEK_END)
            if size == self._mark:
                return
            if size > _MAX_FILE_BYTES:
                os.ftruncate(self._descriptor, 0)
                size = os.lseek(self._descriptor, 0, os.SEEK_END)
            self._mark = size
            self._page.mark_output(size)

    def tail(self) -> bytes:
        """Return the end of what the running attempt has written."""
        self._flush()
        with self._lock:
            return self._read_tail()

    def bound(self) -> None:
        """Cut the file down to its end if one attempt writes without limit."""
        with self._lock:
            if os.lseek(self._descriptor, 0, os.SEEK_END) - self._mark > _MAX_FILE_BYTES:
                # What is written between these lines is lost, of megabytes.
                end = self._read_tail()
                os.ftruncate(self._descriptor, 0)
                self._mark = 0
                self._page.mark_output(0)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                os.write(self._descriptor, end)

    def _read_tail(self) -> bytes:
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        start = max(self._mark, size - OUTPUT_BYTES)
        os.lseek(self._descriptor, start, os.SEEK_SET)
        data = os.read(self._descriptor, OUTPUT_BYTES) if size > start else b""
        os.lseek(self._descriptor, 0, os.SEEK_END)
        return data

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A task may have closed or replaced them.
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        self._flush_native()
