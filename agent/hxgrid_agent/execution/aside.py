"""What a host's loop does not do itself: compressing, expanding and copying megabytes.

The loop must go on beating, and passing small results on, while hundreds of megabytes of one
attempt are on their way. Such work runs on threads that are made when there is some, one per
processor at most; what is to be done afterwards is done in the loop, which is woken for it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

LONG_BYTES = 256 * 1024
"""Less is dealt with in the loop: it takes less time than handing it to another thread costs."""

Then = Callable[[], None]


class Aside:
    """Work beside the loop. All methods belong to the loop's thread."""

    def __init__(self, waker: socket.socket) -> None:
        self._waker = waker  # a byte sent here wakes the loop
        self._pool: ThreadPoolExecutor | None = None
        self._done: deque[Future[Then]] = deque()
        self.count = 0
        """Pieces of work that have not been followed up."""

    def do(self, work: Callable[[], Then]) -> None:
        """Have `work` done elsewhere; what it returns is called by `follow_up`."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # slow to import, and seldom needed

            self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "hxgrid-aside")
        self.count += 1
        self._pool.submit(work).add_done_callback(self._tell)

    def follow_up(self) -> None:
        """Do what is due after work that is done; raises what the work has raised."""
        while self._done:
            future = self._done.popleft()
            self.count -= 1
            future.result()()

    def _tell(self, future: Future[Then]) -> None:
        """Runs on the thread that did the work."""
        self._done.append(future)
        # If there is no room, bytes enough are on their way.
        with contextlib.suppress(BlockingIOError):
            self._waker.send(b"!")
