"""Waiting for many handles at once, on Linux."""

from __future__ import annotations

import contextlib
import select

READABLE = select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP
WRITABLE = select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP


class Waiter:
    """Waits for what `watch` was told, at a cost that does not grow with what is watched."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

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
        """Return what is ready: handles, with READABLE and WRITABLE to test for."""
        return self._epoll.poll(timeout_s)

    def close(self) -> None:
        """Let go of it. Twice is harmless."""
        self._epoll.close()
