"""Waiting for many handles at once, on Linux."""

from __future__ import annotations

import contextlib
import os
import select
from typing import Final

READABLE: Final = select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP
WRITABLE: Final = select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP


class Waiter:
    """Waits for what `watch` was told, at a cost that does not grow with what is watched."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        # Edge-triggered: each call of `wake` ends one wait, and nobody has to read it away.
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN | select.EPOLLET)

    def watch(self, handle: int, *, readable: bool, writable: bool) -> None:
        """Wait for this from now on, and no more for what was said before."""
        wanted = (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if writable else 0)
        if not wanted:
            self.forget(handle)
            return
        try:
            self._epoll.register(handle, wanted)
        except FileExistsError:
            self._epoll.modify(handle, wanted)

    def forget(self, handle: int) -> None:
        """Wait for it no more; harmless if it is closed or was never watched, and after `close`."""
        if not self._epoll.closed:
            with contextlib.suppress(OSError):
                self._epoll.unregister(handle)

    def wait(self, timeout_s: float) -> list[tuple[int, int]]:
        """Return what is ready: handles, with READABLE and WRITABLE to test for.

        Some may never have been watched.
        """
        return self._epoll.poll(timeout_s)

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""
        # Closed, there is nobody left to wake.
        with contextlib.suppress(OSError, ValueError):
            os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Let go of it. Twice is harmless."""
        self._epoll.close()
        bell, self._bell = self._bell, -1
        if bell >= 0:
            os.close(bell)
