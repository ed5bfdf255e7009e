"""One agent as the dispatcher sees it: how it is reached, what it holds, what may be sent there.

Contact goes ABSENT -> CONNECTING -> OPEN, or over RECONCILING when the agent still knows the
session: nothing is sent until its holdings have been compared with ours. An open agent that is
silent becomes SUSPECTED and is OPEN again with the first sign of life, or ABSENT when it is given
up. Attempts stay with an agent whatever its contact, until it is lost.
"""

from __future__ import annotations

import enum
from itertools import islice
from typing import Final

from hxgrid.user.core.estimates import Estimate
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.core.task import Attempt, TaskRecord
from hxgrid.wire.messages import AgentState, Capabilities, Load, RosterEntry

FIRST_ROUND_TRIP_S: Final = 0.001
UNKNOWN_S: Final = 1.0
"""What an attempt is taken to last before anything was measured."""


class Contact(enum.Enum):
    """How an agent is reached at the moment."""

    ABSENT = "absent"
    CONNECTING = "connecting"
    RECONCILING = "reconciling"
    OPEN = "open"
    SUSPECTED = "suspected"


CONNECTED: Final = frozenset({Contact.RECONCILING, Contact.OPEN, Contact.SUSPECTED})


class AgentView:
    """State and history of one agent; compared by identity."""

    __slots__ = (
        "agent",
        "asked_about",
        "busy_at",
        "capabilities",
        "connect_tries",
        "contact",
        "cooling_count",
        "cooling_reason",
        "cooling_until",
        "counted_free",
        "doubtful",
        "entry",
        "estimates",
        "heard_at",
        "held",
        "in_roster",
        "index",
        "is_fit",
        "last_end_at",
        "load",
        "min_free_cpu",
        "must_prove",
        "on_parole",
        "pending_bytes",
        "pinged_at",
        "reason",
        "refused_for_good",
        "round_trip_s",
        "slots",
        "speed",
        "troubled",
        "typical_s",
        "unmet",
        "window",
    )

    def __init__(  # noqa: PLR0915 - one line for each attribute
        self, agent: str, index: int, entry: RosterEntry | None
    ) -> None:
        self.agent = agent  # boot id
        self.index = index  # order in which agents became known: breaks ties
        self.entry = entry
        self.in_roster = entry is not None
        self.contact = Contact.ABSENT
        self.reason = ""  # why there is no contact, for people
        self.refused_for_good = False
        """It will not let us in before its roster entry changes."""
        self.connect_tries = 0
        """Attempts to connect since it was last welcome."""
        self.capabilities: Capabilities | None = entry.capabilities if entry else None
        self.slots = entry.slots if entry else 1
        self.load: Load | None = None
        self.min_free_cpu = 0.0
        """With fewer processors free it is sent nothing."""
        self.heard_at = self.pinged_at = 0.0
        self.busy_at = 0.0  # when it last had something to do, or was connected to
        self.round_trip_s = FIRST_ROUND_TRIP_S
        self.held: dict[Attempt, TaskRecord] = {}
        """Live attempts there, oldest first, also those that are to stop."""
        self.asked_about: dict[Attempt, None] = {}
        """What it held when the last `Hello` was said: its holdings tell of these, and not of what
        was sent afterwards."""
        self.troubled: dict[Attempt, None] = {}
        """Attempts in slots that do not answer."""
        self.pending_bytes = 0
        """Input sent since the agent told its free memory, less what has ended."""
        self.counted_free = 0  # its part of the free slots of all
        self.window = 1
        """Attempts that it may hold."""
        self.speed = 1.0
        """Time it takes, relative to all agents: 2 is half as fast."""
        self.typical_s = 0.0
        """What an attempt takes there, by the last results; 0 while unknown."""
        self.estimates: dict[int, Estimate] = {}
        """What was measured there, by function."""
        self.last_end_at = 0.0
        self.cooling_until = 0.0
        self.cooling_count = 0
        """Pauses since it last did well; each is twice as long as the one before."""
        self.cooling_reason = ""
        """What it did to be left alone."""
        self.must_prove = False
        """It was wrong: each of its tasks is verified, until one is right."""
        self.on_parole = False
        """After a pause: one task at a time, until one is good."""
        self.is_fit = False
        """Something may be sent there: open, active, not cooling, with processors to spare (kept
        by `update_fitness`)."""
        self.doubtful = True
        """What it holds may take for ever (likewise)."""
        self.unmet: dict[Requirements, str] = {}
        """Answers of `Requirements.unmet_by`, remembered."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.entry.name if self.entry is not None else self.agent[:8]

    @property
    def is_connected(self) -> bool:
        """Say whether there is a connection, however silent."""
        return self.contact in CONNECTED

    @property
    def usable_slots(self) -> int:
        """Slots without those that do not answer."""
        return self.slots - len(self.troubled) if self.troubled else self.slots

    @property
    def room(self) -> int:
        """Attempts that it may still be given."""
        return self.window - len(self.held)

    @property
    def free_slots(self) -> int:
        """Slots that nothing was sent for; an attempt in a slot that is stuck still fills it."""
        return self.slots - len(self.held)

    @property
    def can_give_back(self) -> bool:
        """Say whether attempts there can be recalled; a suspended agent gives them back itself."""
        return self.contact is Contact.OPEN and not (
            self.load is not None and self.load.state is AgentState.SUSPENDED
        )

    @property
    def backlog_s(self) -> float:
        """How long a slot is expected to be busy with what waits there."""
        typical_s = self.typical_s or UNKNOWN_S
        return typical_s * (len(self.held) - self.slots) / self.slots

    def mark_begun(self, now: float) -> None:
        """Note for which attempts a slot has become free.

        Skipped where so many wait that it would cost more than it tells: `began_at` then has a
        coarser answer.
        """
        if len(self.held) > 4 * self.slots + 4:
            return
        for attempt in islice(self.held, self.slots):
            if not attempt.begun_at:
                attempt.begun_at = now

    def began_at(self, attempt: Attempt) -> float:
        """Return a moment at which an attempt had certainly got a slot, if it has one at all."""
        return attempt.begun_at or max(attempt.placed_at, self.last_end_at)

    def update_fitness(self) -> None:
        """Derive `is_fit` and `doubtful` after any change of contact, load or cooling."""
        state = self.load.state if self.load is not None else AgentState.ACTIVE
        cooling = self.cooling_until > 0.0
        self.is_fit = (
            self.contact is Contact.OPEN
            and state is AgentState.ACTIVE
            and not cooling
            and self.usable_slots > 0
            and self.has_free_cpu
        )
        self.doubtful = (
            self.contact not in (Contact.OPEN, Contact.RECONCILING)
            or state is AgentState.SUSPENDED
            or cooling
        )

    @property
    def has_free_cpu(self) -> bool:
        """Say whether other programs leave it as much processor time as is wanted."""
        return self.load is None or self.load.free_cpu >= self.min_free_cpu

    def has_memory_for(self, needed_bytes: float, reserve_bytes: int) -> bool:
        """Say whether a task that needs so much fits beside what is on its way."""
        if self.load is None:
            return True
        available = self.load.free_memory_bytes - self.pending_bytes
        return available >= reserve_bytes and available >= needed_bytes

    def lacks(self, requirements: Requirements) -> str:
        """Say what it lacks for these requirements; empty if nothing."""
        known = self.unmet.get(requirements)
        if known is None:
            known = requirements.unmet_by(self.capabilities) if self.capabilities else ""
            self.unmet[requirements] = known
        return known

    def estimate_of(self, function: int) -> Estimate:
        """Return what was measured there of a function."""
        estimate = self.estimates.get(function)
        if estimate is None:
            estimate = self.estimates[function] = Estimate()
        return estimate

    def measured(self, own: Estimate, shared: Estimate) -> None:
        """Compare its time for a function with everybody's.

        Differences below a fifth are noise: it would only change places with its equals.
        """
        self.typical_s = own.mean_s
        mine_s, theirs_s = own.mean_s, shared.mean_s
        if own.per_cost_s > 0.0:
            # Who was given the larger tasks is not the slower one.
            mine_s, theirs_s = own.per_cost_s, shared.per_cost_s
        if mine_s > 0.0 and theirs_s > 0.0:
            ratio = mine_s / theirs_s
            if not 0.8 * self.speed < ratio < 1.25 * self.speed:
                self.speed = ratio

    def why_unfit(self, now: float) -> str:
        """Say why nothing is sent there, as the end of "it ..."; empty if something is."""
        if self.contact is not Contact.OPEN:
            because = f": {self.reason}" if self.reason else ""
            return f"{_CONTACT_TEXTS[self.contact]}{because}"
        if self.load is not None and self.load.state is not AgentState.ACTIVE:
            because = f": {self.load.reason}" if self.load.reason else ""
            return f"is {self.load.state.value}{because}"
        if self.cooling_until > 0.0:
            left_s = max(self.cooling_until - now, 0.0)
            return f"{self.cooling_reason} and is left alone for {left_s:.1f} s more"
        if self.usable_slots <= 0:
            return "has only slots that do not answer"
        if self.load is not None and not self.has_free_cpu:
            free, wanted = self.load.free_cpu, self.min_free_cpu
            return f"has {free:.1f} free processors, and agent_min_free_cpu is {wanted:g}"
        return ""


_CONTACT_TEXTS: Final = {
    Contact.ABSENT: "is not connected",
    Contact.CONNECTING: "is being connected to",
    Contact.RECONCILING: "is telling what it still holds",
    Contact.SUSPECTED: "does not answer",
}
