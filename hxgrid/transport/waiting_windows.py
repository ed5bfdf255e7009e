"""Waiting for many handles at once, on Windows.

Python's own `select` takes 512 sockets there; libzmq's takes as many as it may have.
"""

from __future__ import annotations

import math
from typing import Final

import zmq

from hxgrid.transport.bell import Bell

READABLE: Final = int(zmq.POLLIN | zmq.POLLERR)
WRITABLE: Final = int(zmq.POLLOUT | zmq.POLLERR)


class Waiter:
    """Waits for what `watch` was told."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._bell = Bell()
        self._poller.register(self._bell.handle, zmq.POLLIN)

    def watch(self, handle: int, *, readable: bool, writable: bool) -> None:
        """Wait for this from now on, and no more for what was said before."""
        wanted = (zmq.POLLIN if readable else 0) | (zmq.POLLOUT if writable else 0)
        self._poller.register(handle, wanted)

    def forget(self, handle: int) -> None:
        """Wait for it no more; harmless if it is closed or was never watched, and after `close`."""
        if handle in self._poller:
            self._poller.unregister(handle)

    def wait(self, timeout_s: float) -> list[tuple[int, int]]:
        """Return what is ready: handles, with READABLE and WRITABLE to test for.

        Some may never have been watched.
        """
        # Rounded up: waking a moment early would mean turning until the deadline is there.
        ready: list[tuple[int, int]] = self._poller.poll(math.ceil(timeout_s * 1000))
        self._bell.hush_if_in(ready)
        return ready

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""
        self._bell.ring()

    def close(self) -> None:
        """Let go of it. Twice is harmless."""
        self._bell.close()
