"""What the loop needs of the application's end of a task: a `Task`, a future, a piece of a `map`.

The loop calls `end` once per task, on its own thread, so `end` must be quick and must not run code
of the application. What takes longer, or is the application's, goes into `call`, which runs on the
callback thread if `end` has asked for it. Only after that does the task count as complete.
"""

from __future__ import annotations

from typing import Protocol

from hxgrid.user.core.task import TaskRecord
from hxgrid.wire.batches import ResultRecord


class Front(Protocol):
    """The application's end of one task."""

    def end(self, record: TaskRecord, result: ResultRecord | None) -> bool:
        """Take note that the task has ended; return whether `call` has something to do.

        `result` is the good result, or None after a failure or a cancellation (`record.state` tells
        which). Runs on the loop's thread.
        """
        ...

    def call(self) -> None:
        """Do the rest, on a callback thread. What it raises is logged, counted and kept."""
        ...
