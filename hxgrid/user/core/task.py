"""One task and its attempts, as the user core keeps them.

The application's thread fills in what the task *is*; from `TasksSubmitted` on, only the core
changes what has *become* of it. Other threads may read single attributes at any time.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final


class TaskState(enum.Enum):
    """Where a task stands. The last three are final."""

    WAITING = "waiting"
    RUNNING = "running"
    FINALIZING = "finalizing"
    """A good result is there; its finalize callback has not returned yet."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Say whether nothing will change any more."""
        return self in _FINAL


_FINAL: Final = frozenset({TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED})


class AttemptState(enum.Enum):
    """Where an attempt stands, as seen by the user side."""

    SENT = "sent"
    """On its way to the agent or in its queue or running there: not told apart."""
    RECALLED = "recalled"
    """A recall is under way."""
    STOPPING = "stopping"
    """A cancel is under way; its result is no longer wanted."""
    ENDED = "ended"


class Attempt:
    """One numbered placement of a task on an agent."""

    __slots__ = (
        "agent",
        "begun_at",
        "ended_at",
        "is_duplicate",
        "number",
        "outcome",
        "placed_at",
        "reason",
        "slot",
        "started_at",
        "state",
    )

    def __init__(self, number: int, agent: str, placed_at: float, is_duplicate: bool) -> None:
        self.number = number
        self.agent = agent
        """Boot id of the agent."""
        self.placed_at = placed_at
        """Monotonic seconds of the user's computer."""
        self.is_duplicate = is_duplicate
        self.state = AttemptState.SENT
        self.begun_at: float = 0.0
        """When a slot was free for it, as far as the user side can tell; 0 while unknown."""
        self.outcome: str = ""
        """Name of the wire's `Outcome`, or "lost", once ended."""
        self.reason: Any = None
        """The wire's `Reason` or a sentence; None after a good result."""
        self.slot: int = -1
        self.started_at: float = 0.0
        """Seconds on the agent's clock, from its stamps; 0 if it never started."""
        self.ended_at: float = 0.0


class Proof:
    """What is known of a task that is verified; see `verification`."""

    __slots__ = ("checks", "good", "is_compared", "is_disputed", "patience_s", "wanted")

    def __init__(self) -> None:
        self.good: list[tuple[str, Any]] = []
        """Good results (the wire's `ResultRecord`) with the agents that gave them, first first."""
        self.wanted = 2
        """Good results that are needed."""
        self.checks = 0
        """Attempts that were sent for the proof alone."""
        self.is_compared = False
        """The results are being compared at the moment."""
        self.is_disputed = False
        """Two results differ, and a third is wanted."""
        self.patience_s = 0.0
        """How long the first good result is held; known when it is there."""


class TaskRecord:
    """A unit of work whose result reaches the application once."""

    __slots__ = (
        "attempts",
        "cost",
        "failures",
        "flags",
        "front",
        "function",
        "id",
        "idempotent",
        "journal",
        "lane",
        "payload",
        "proof",
        "raw_bytes",
        "requires",
        "state",
        "stored_bytes",
        "submitted_at",
        "trouble",
        "unfit_reason",
    )

    def __init__(
        self,
        task_id: int,
        function: int,
        payload: Any,
        *,
        stored_bytes: int,
        raw_bytes: int,
        flags: int = 0,
        idempotent: bool = True,
        requires: Any = None,
        cost: float | None = None,
        front: Any = None,
        journal: Any = None,
    ) -> None:
        self.id = task_id
        self.function = function
        """Id of its `FunctionOffer`; tasks of one id are expected to take similar time."""
        self.payload = payload
        """The input as it travels, or the driver's token for a spilled one; opaque to the core."""
        self.stored_bytes = stored_bytes
        self.raw_bytes = raw_bytes
        self.flags = flags
        """The wire's `AttemptFlag` bits of the input."""
        self.idempotent = idempotent
        self.requires = requires
        """A `Requirements`, or None: any agent will do."""
        self.cost = cost
        """Expected duration, relative to that of other tasks of the function; None: unknown."""
        self.front = front
        """The application-side object (callback, future); opaque to the core."""
        self.journal = journal
        """Under which key its result is written down, or None; opaque to the core."""
        self.state = TaskState.WAITING
        self.attempts: Sequence[Attempt] = ()
        """Oldest first. No list before there is one: each costs the garbage collector time for as
        long as the task waits, which is felt when very many do."""
        self.failures = 0
        """Attempts that count against `max_attempts`."""
        self.submitted_at = 0.0
        self.unfit_reason = ""
        """Why no agent takes it at the moment, for `why()`."""
        self.proof: Any = None
        """The core's: a `Proof` if the task is verified."""
        self.lane: Any = None
        """The core's: where it waits; None while it does not."""
        self.trouble: Any = None
        """The core's: what went wrong so far; None while nothing did."""
