"""A task process as the core knows it: a number, whose it is, and what it has been given."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from hxgrid.wire.batches import Key

if TYPE_CHECKING:
    from hxgrid_agent.core.attempt import Attempt
    from hxgrid_agent.core.session import Session


class ProcessState(enum.Enum):
    """From start to death; the order is the only way through."""

    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"
    """Asked to end by itself, with its last task done."""
    KILLED = "killed"
    """Told to the system; its slot and attempts are already taken from it."""


class SlotProcess:
    """One task process. It belongs to one session at most and is never passed on."""

    __slots__ = (
        "cpu_for",
        "cpu_s",
        "dealt_at",
        "end_by",
        "functions",
        "handed",
        "head_since",
        "heard_at",
        "is_suspected",
        "look_at",
        "number",
        "parked_at",
        "session",
        "slot",
        "started_at",
        "state",
        "take_back_asked",
    )

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.state = ProcessState.STARTING
        self.session: Session | None = None
        self.slot: int | None = None
        """The permission that it holds."""
        self.handed: dict[Key, Attempt] = {}
        """Attempts it has, in the order in which it runs them: the first one is running."""
        self.functions: set[int] = set()
        """Functions that it has been told."""
        self.started_at = now
        self.dealt_at = 0.0
        """When it got its slot; sharing counts from here."""
        self.head_since = 0.0
        """Since when the first attempt of `handed` has been the first: when it began, nearly."""
        self.parked_at = 0.0
        self.heard_at = now
        """Last sign of life: a message, a beat, or processor time used."""
        self.cpu_s = 0.0
        """Processor time at the last look."""
        self.cpu_for = 0.0
        """What `heard_at` was then: the look counts only while it still is."""
        self.look_at = 0.0
        """Not looked at again before."""
        self.is_suspected = False
        self.take_back_asked = False
        self.end_by: float | None = None
        """When it is killed if it has not ended by itself."""

    @property
    def head(self) -> Attempt | None:
        """The attempt that runs, or the next one to."""
        for attempt in self.handed.values():
            return attempt
        return None
