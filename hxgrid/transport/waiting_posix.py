"""Waiting for many handles at once, on systems like POSIX that are not Linux."""

from __future__ import annotations

import contextlib
import math
import select
from typing import Final

from hxgrid.transport.bell import Bell

READABLE: Final = select.POLLIN | select.POLLERR | select.POLLHUP | select.POLLNVAL
WRITABLE: Final = select.POLLOUT | select.POLLERR | select.POLLHUP


class Waiter:
    """Waits for what `watch` was told."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._bell = Bell()
        self._poll.register(self._bell.handle, select.POLLIN)

    def watch(self, handle: int, *, readable: bool, writable: bool) -> None:
        """Wait for this from now on, and no more for what was said before."""
        wanted = (select.POLLIN if readable else 0) | (select.POLLOUT if writable else 0)
        if wanted:
            self._poll.register(handle, wanted)
        else:
            self.forget(handle)

    def forget(self, handle: int) -> None:
        """Wait for it no more; harmless if it is closed or was never watched, and after `close`."""
        with contextlib.suppress(KeyError):
            self._poll.unregister(handle)

    def wait(self, timeout_s: float) -> list[tuple[int, int]]:
        """Return what is ready: handles, with READABLE and WRITABLE to test for.

        Some may never have been watched.
        """
        # Rounded up: waking a moment early would mean turning until the deadline is there.
        ready = self._poll.poll(math.ceil(timeout_s * 1000))
        self._bell.hush_if_in(ready)
        return ready

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""
        self._bell.ring()

    def close(self) -> None:
        """Let go of it. Twice is harmless."""
        self._bell.close()
