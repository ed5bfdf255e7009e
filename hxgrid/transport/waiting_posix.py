"""Waiting for many handles at once, on systems like POSIX that are not Linux."""

from __future__ import annotations

import contextlib
import math
import select

READABLE = select.POLLIN | select.POLLERR | select.POLLHUP | select.POLLNVAL
WRITABLE = select.POLLOUT | select.POLLERR | select.POLLHUP


class Waiter:
    """Waits for what `watch` was told."""

    def __init__(self) -> None:
        self._poll = select.poll()

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
        """Return what is ready: handles, with READABLE and WRITABLE to test for."""
        # Rounded up: waking a moment early would mean turning until the deadline is there.
        return self._poll.poll(math.ceil(timeout_s * 1000))

    def close(self) -> None:
        """Let go of it. Twice is harmless."""
