"""A pair of sockets that ends a wait for sockets, where the system has nothing better."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence


class Bell:
    """Rung by any thread, heard by the one that waits for `handle` among others."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self.handle = self._receiver.fileno()
        """Readable from `ring` until it is hushed."""

    def ring(self) -> None:
        """Make `handle` readable. From any thread or signal handler; too late is harmless."""
        with contextlib.suppress(OSError):  # full: it has been rung often enough
            self._sender.send(b"\0")

    def hush_if_in(self, ready: Sequence[tuple[int, int]]) -> None:
        """Take in all that has been rung, if `handle` is among what is ready."""
        if not any(handle == self.handle for handle, _ in ready):
            return
        with contextlib.suppress(BlockingIOError):
            while len(self._receiver.recv(4096)) == 4096:
                pass

    def close(self) -> None:
        """Close both ends. Twice is harmless."""
        self._receiver.close()
        self._sender.close()
