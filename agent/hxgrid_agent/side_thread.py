"""One thread for what waits for a disk; its results come back to the loop as events.

Jobs run in the order in which they were given. What a job returns, or the exception that it
raised, is handed to `then` on the loop's thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from hxgrid.transport.loop import Loop

T = TypeVar("T")

_Job = tuple[Callable[[], Any], Callable[[Any, Exception | None], None]]

_JOIN_LIMIT_S = 1.0


class SideThread:
    """Runs jobs one after the other. Started by `start`, ended by `close`."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # A daemon: a disk that never answers must not keep the agent from ending.
        self._thread = threading.Thread(target=self._run, name=f"hxgrid-{name}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def run(self, job: Callable[[], T], then: Callable[[T | None, Exception | None], None]) -> None:
        """Run `job` here, then `then(result, None)` or `then(None, exception)` on the loop."""
        self._jobs.put((job, then))

    def close(self) -> None:
        """Let the jobs given so far be done, for a moment, and end."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join(_JOIN_LIMIT_S)

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, then = item
            result, problem = None, None
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                problem = error
            self._loop.call_soon_threadsafe(_Answer(then, result, problem))


class _Answer:
    """A call with its arguments; the loop's variables must not be captured by reference."""

    __slots__ = ("problem", "result", "then")

    def __init__(
        self,
        then: Callable[[Any, Exception | None], None],
        result: object,
        problem: Exception | None,
    ) -> None:
        self.then = then
        self.result = result
        self.problem = problem

    def __call__(self) -> None:
        self.then(self.result, self.problem)
