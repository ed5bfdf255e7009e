"""`global_lock`: one lock for all tasks of a session on one computer.

Two locks in one. Threads of one process exclude each other by an `RLock`, because a file lock
belongs to the whole process; processes exclude each other by a locked file, because the system lets
go of it when its holder dies, however it dies.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

if sys.platform == "win32":
    from hxgrid.tasks.lock_windows import lock, try_lock, unlock
else:
    from hxgrid.tasks.lock_posix import lock, try_lock, unlock

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_POLL_S = 0.001
_LONGEST_POLL_S = 0.05


class GlobalLock:
    """Held by one thread of one process of the session at a time; that thread may take it again.

    Use it as `with agent.global_lock:`, or by `acquire` and `release` as a `threading.RLock`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.RLock()
        # Both written by the holder only.
        self._owner: int | None = None
        self._depth = 0
        self._descriptor: int | None = None
        self._never = threading.Event()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; False if it was not free at once (not blocking) or within `timeout`."""
        deadline = time.monotonic() + timeout if blocking and timeout >= 0 else None
        if not self._threads.acquire(blocking, timeout):
            return False
        is_held = False
        try:
            is_held = self._depth > 0 or self._acquire_file(blocking, deadline)
        finally:
            if not is_held:
                self._threads.release()
        if is_held:
            self._owner = threading.get_ident()
            self._depth += 1
        return is_held

    def release(self) -> None:
        """Give the lock back; `RuntimeError` if this thread does not hold it."""
        if self._owner != threading.get_ident():
            raise RuntimeError("global_lock was released by a thread that does not hold it")
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            if self._descriptor is not None:
                unlock(self._descriptor)
        self._threads.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def close(self) -> None:
        """Close the file, which frees the lock if this process holds it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _acquire_file(self, blocking: bool, deadline: float | None) -> bool:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if blocking and deadline is None:
            lock(self._descriptor)
            return True
        pause_s = _FIRST_POLL_S
        while not try_lock(self._descriptor):
            left_s = 0.0 if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._never.wait(min(pause_s, left_s))
            pause_s = min(pause_s * 2, _LONGEST_POLL_S)
        return True
