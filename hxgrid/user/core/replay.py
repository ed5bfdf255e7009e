"""Tasks whose result may be known from an earlier run.

Such a task is WAITING, in no lane but held here, until it is known whether there is a usable
result. If there is, the task is FINALIZING at once, with one attempt that never ran; else it waits
in a lane like any other, in its old place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.user.core.events import LookupsEnded
from hxgrid.user.core.lanes import NOBODY
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState
from hxgrid.user.core.verification import Verification

JOURNAL: Final = "journal"
"""What stands for the agent in the history of a task that did not run."""


class Replay:
    """Holds tasks, and lets them go one way or the other."""

    __slots__ = ("_state", "_verification")

    def __init__(self, state: DispatchState, verification: Verification) -> None:
        self._state = state
        self._verification = verification

    def hold(self, tasks: Sequence[TaskRecord], now: float) -> None:
        """Take new tasks in."""
        state = self._state
        for task in tasks:
            task.submitted_at = now
            state.tasks[task.id] = state.looked_up[task.id] = task
        state.tally.accepted += len(tasks)

    def end(self, event: LookupsEnded, now: float) -> None:
        """Complete what was found, and let the rest wait for agents."""
        state = self._state
        for record in event.found:
            task = state.looked_up.pop(record.task, None)
            if task is None:
                continue  # cancelled meanwhile
            attempt = Attempt(1, JOURNAL, now, is_duplicate=False)
            attempt.state = AttemptState.ENDED
            attempt.outcome = LookupsEnded.OUTCOME
            attempt.reason = "its result is that of an earlier run"
            task.attempts = [*task.attempts, attempt]
            task.state = TaskState.FINALIZING
            state.tally.finalizing += 1
            state.orders.completions.append((task, record))
        for task_id in event.missing:
            task = state.looked_up.pop(task_id, None)
            if task is not None:
                self._verification.choose((task,))
                state.lanes.put_back(task, NOBODY)
