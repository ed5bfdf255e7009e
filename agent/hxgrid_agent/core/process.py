"""A task process as the core knows it: a number, whose it is, and what it has been given.

There are two kinds. A slot process runs Python functions, one attempt at a time, with one slot. A
host process runs native functions in threads: it has as many slots as its session is dealt. Both
take attempts in the order in which they were handed over, so the first ones of `handed`, as many as
there are slots, are those that run.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from itertools import islice

from hxgrid.wire.batches import Key
from hxgrid_agent.core.attempt import Attempt
from hxgrid_agent.core.place import ANYWHERE, Place


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
        "began",
        "cpu_for",
        "cpu_s",
        "data",
        "end_by",
        "functions",
        "handed",
        "handle",
        "head_since",
        "heard_at",
        "is_draining",
        "is_host",
        "is_suspected",
        "look_at",
        "number",
        "parked_at",
        "place",
        "slots",
        "started_at",
        "state",
        "take_back_asked",
    )

    def __init__(self, number: int, now: float, *, is_host: bool = False) -> None:
        self.number = number
        self.is_host = is_host
        self.place: Place = ANYWHERE
        """Which functions of its session run here; known when it gets a session."""
        self.state = ProcessState.STARTING
        self.handle: int | None = None
        """Of the session that it belongs to, until it dies; none: to nobody."""
        self.slots: dict[int, float] = {}
        """The permissions that it holds, and when it got each; sharing counts from there."""
        self.handed: dict[Key, Attempt] = {}
        """Attempts it has, in the order in which it runs them: the first one is running."""
        self.data: set[str] = set()
        """Names of global data that it asked for and has not freed, or been told to forget."""
        self.functions: set[int] = set()
        """Functions that it has been told."""
        self.started_at = now
        self.began: dict[Key, float] = {}
        """Of a host: since when each of the attempts runs that do."""
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
        self.is_draining = False
        """Nothing new runs in this host: an attempt in it ignores that it was cancelled."""
        self.take_back_asked = False
        self.end_by: float | None = None
        """When it is killed if it has not ended by itself."""

    @property
    def slot(self) -> int | None:
        """The first permission that it holds."""
        return next(iter(self.slots), None)

    @property
    def head(self) -> Attempt | None:
        """The attempt that has run longest, or the next one to."""
        for attempt in self.handed.values():
            return attempt
        return None

    def runners(self) -> Sequence[Attempt]:
        """The attempts that run."""
        return list(islice(self.handed.values(), max(1, len(self.slots))))

    def waiting_keys(self) -> list[Key]:
        """The attempts that it has and that have not begun."""
        return list(self.handed)[max(1, len(self.slots)) :]

    def forget_data(self, name: str | None) -> None:
        """Note that it has this global data no more; None: none at all."""
        if name is None:
            self.data.clear()
        else:
            self.data.discard(name)

    def note_runners(self, now: float) -> None:
        """Remember since when attempts run in a host, after a change of `handed` or `slots`."""
        began = self.began
        self.began = {key: began.get(key, now) for key in islice(self.handed, len(self.slots))}

    def began_at(self, attempt: Attempt) -> float:
        """When an attempt began, nearly."""
        return self.began.get(attempt.key, self.head_since)
