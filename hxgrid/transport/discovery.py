"""How agents and users find their coordinator, and find it again. Pure: facts in, orders out.

Theory
------
Two settings make four modes: an address is set or not, and it may be discarded or not.

====== =========== =====================================================================
address discard    meaning
====== =========== =====================================================================
no      yes        ask by broadcast; the answer is remembered for the next start
yes     yes        try the address; if it is silent ask by broadcast, remember the answer
yes     no         this address only, for ever (fixed addresses, no broadcast wanted)
no      no         ask until one is found, then keep it until the program ends
====== =========== =====================================================================

A remembered address is tried first, as if it had been set; it is used only where addresses may
be discarded. Where the original forgot a silent address, we try it again after each fruitless
question: the programs of a grid start in any order, and a broadcast does not cross a router.

There are three states. TRYING: connected to an address, nothing heard from it yet. LINKED: the
coordinator answers. ASKING: a question has gone out, answers are gathered until the round ends.
Whichever state it is, a coordinator that answers over the connection (`Linked`) settles the matter:
one that was lost and comes back at the same address needs no discovery at all.

With a grid name, the first answer under that name is taken at once. Without one, all answers of a
round are gathered: the only grid is taken; of several none, they are reported (`SeveralGrids`) and
asked for again, because somebody has to give a name. Two coordinators under one name are a mistake
of the same kind.

A name that means no address (`NameLookedUp`) changes none of this, since it may mean one later: a
computer that starts says its own. It only changes what is said of the address, which would else be
no more than silent.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from hxgrid.transport.beacon import Answer
from hxgrid.wire.versions import is_compatible, mismatch_text

QUICK_ROUNDS = 10
"""Rounds of questions without a pause; after them the grid is switched off, and there is time."""
PAUSE_S = 3.0
JITTER_S = 0.3
"""Added by chance to each round: the agents of a LAN that lost one coordinator ask apart."""

SILENT = "no answer"
"""Why of a `LinkLost` that says no more than that."""

MAX_ANSWERS = 64
"""More coordinators than this on one LAN are not a grid but a flood."""


class DiscoverySettings(NamedTuple):
    """What the machine must know; from the settings of the role."""

    address: tuple[str, int] | None
    """The coordinator that was set."""
    remembered: tuple[str, int] | None
    """The one that was found the last time."""
    may_discard: bool
    grid: str
    """Name of the grid that is wanted; empty: the only one."""
    collect_s: float = 1.0
    """Length of a round."""
    try_s: float = 2.0
    """How long an address may stay silent."""


class DiscoveryState(enum.Enum):
    """See the module's theory."""

    TRYING = "trying"
    LINKED = "linked"
    ASKING = "asking"


# ------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Started:
    """The program has started."""


@dataclass(frozen=True, slots=True)
class AnswerHeard:
    """A coordinator answered the question; `host` is where it can be reached."""

    answer: Answer
    host: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The coordinator answered over the connection."""

    grid: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The coordinator has been silent for too long, or has refused us; `why` says which."""

    why: str


@dataclass(frozen=True, slots=True)
class NameLookedUp:
    """The name of a host was looked up; without `trouble` it means an address."""

    host: str
    trouble: str


Event = Started | AnswerHeard | Linked | LinkLost | NameLookedUp


# ------------------------------------------------------------------ actions


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the question on every interface."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to this coordinator instead of the one before, and talk to it."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep this address for the next start."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ReportSeveral:
    """More than one coordinator fits; nothing happens until somebody gives a name."""

    grids: tuple[str, ...]
    """`name at host:port` of each, sorted."""


@dataclass(frozen=True, slots=True)
class ReportTrouble:
    """One sentence for people: what stands in the way."""

    text: str


Action = Ask | Connect | Remember | ReportSeveral | ReportTrouble


class Discovery:
    """The state machine; one per program that looks for a coordinator."""

    def __init__(self, settings: DiscoverySettings, seed: int) -> None:
        self._settings = settings
        self._chance = random.Random(seed)
        self.state = DiscoveryState.ASKING
        self.connected_to: tuple[str, int] | None = None
        """Where the driver is connected (or tries to be)."""
        self._known = settings.address or (settings.remembered if settings.may_discard else None)
        self._deadline: float | None = None  # end of the round, of the pause, or of the try
        self._is_pausing = False
        self._found: dict[str, tuple[Answer, str]] = {}  # boot id -> first answer of this round
        self._fruitless_rounds = 0
        self._tried: dict[str, str] = {}  # what -> how that ended
        self._unknown: dict[str, str] = {}  # host whose name means no address -> why

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one fact."""
        match event:
            case Started():
                return self._try(self._known, now) if self._known else self._begin_round(now)
            case AnswerHeard():
                return self._take_answer(event, now)
            case Linked():
                return self._take_link(event, now)
            case LinkLost():
                return self._take_loss(event, now)
            case NameLookedUp():
                return self._take_name(event)
            case _:
                assert_never(event)

    def tick(self, now: float) -> list[Action]:
        """Do what is due."""
        if self._deadline is None or now < self._deadline:
            return []
        if self.state is DiscoveryState.TRYING or self._is_pausing:
            return self._begin_round(now)
        return self._end_round(now)

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next."""
        return self._deadline

    def tried(self) -> tuple[str, ...]:
        """Return what was tried and how it ended, for the error of who gives up."""
        return tuple(f"{what}: {end}" for what, end in self._tried.items())

    @property
    def is_fixed(self) -> bool:
        """Whether the address is final: nothing is asked for any more."""
        return not self._settings.may_discard and self._known is not None

    # -------------------------------------------------------------- trying an address

    def _try(self, address: tuple[str, int], now: float) -> list[Action]:
        self.state = DiscoveryState.TRYING
        self.connected_to = address
        self._deadline = None if self.is_fixed else now + self._settings.try_s
        self._tried[_shown(address)] = self._silence_of(address)
        return [Connect(*address)]

    def _silence_of(self, address: tuple[str, int]) -> str:
        return self._unknown.get(address[0], SILENT)

    def _take_name(self, event: NameLookedUp) -> list[Action]:
        address = self.connected_to
        if address is None or address[0] != event.host:
            return []
        where, before = _shown(address), self._silence_of(address)
        if event.trouble:
            self._unknown[event.host] = event.trouble
        else:
            self._unknown.pop(event.host, None)
        if self.state is DiscoveryState.LINKED or self._tried.get(where, before) != before:
            return []  # more is known than that
        self._tried[where] = self._silence_of(address)
        is_news = bool(event.trouble) and event.trouble != before
        return [ReportTrouble(f"{where}: {event.trouble}")] if is_news else []

    # -------------------------------------------------------------- the connection

    def _take_link(self, event: Linked, now: float) -> list[Action]:
        wanted = self._settings.grid
        if wanted and event.grid != wanted:
            text = f"it is the coordinator of grid {event.grid!r}, not {wanted!r}"
            return self._take_loss(LinkLost(text), now)
        if self.state is DiscoveryState.LINKED or self.connected_to is None:
            return []
        self.state = DiscoveryState.LINKED
        self._deadline = None
        self._fruitless_rounds = 0
        self._unknown.clear()
        was_known, self._known = self._known, self.connected_to
        if self._settings.may_discard and was_known != self._known:
            return [Remember(*self._known)]
        return []

    def _take_loss(self, event: LinkLost, now: float) -> list[Action]:
        where = _shown(self.connected_to) if self.connected_to else "the coordinator"
        why = event.why
        if why == SILENT and self.connected_to is not None:
            why = self._silence_of(self.connected_to)
        is_news = self._tried.get(where) != why
        self._tried[where] = why
        actions: list[Action] = [ReportTrouble(f"{where}: {why}")] if is_news else []
        if self.is_fixed:
            self.state = DiscoveryState.TRYING
            return actions
        if self.state is DiscoveryState.LINKED:
            actions += self._begin_round(now)
        elif self.state is DiscoveryState.TRYING:
            # Refused: the same coordinator would answer at once, and refuse at once, for ever.
            actions += self._rest(now)
        return actions

    # -------------------------------------------------------------- asking

    def _begin_round(self, now: float) -> list[Action]:
        self.state = DiscoveryState.ASKING
        self._is_pausing = False
        self._found.clear()
        if len(self._tried) >= MAX_ANSWERS:
            self._tried.clear()
        self._deadline = now + self._settings.collect_s + self._chance.uniform(0, JITTER_S)
        self._tried.setdefault("broadcast", SILENT)
        return [Ask()]

    def _take_answer(self, event: AnswerHeard, now: float) -> list[Action]:
        answer, where = event.answer, f"{event.host}:{event.answer.port}"
        if len(self._found) >= MAX_ANSWERS or len(self._tried) >= MAX_ANSWERS:
            return []
        if self.state is not DiscoveryState.ASKING:
            return self._look_at_late_answer(event)
        if not is_compatible(answer.major):
            self._tried[where] = mismatch_text("the coordinator", answer.major, answer.minor)
            return []
        wanted = self._settings.grid
        if wanted and answer.grid != wanted:
            self._tried[where] = f"is the coordinator of grid {answer.grid!r}, not {wanted!r}"
            return []
        self._found.setdefault(answer.boot_id, (answer, event.host))
        return self._choose(now) if wanted else []

    def _look_at_late_answer(self, event: AnswerHeard) -> list[Action]:
        answer = event.answer
        is_namesake = answer.grid == self._settings.grid and answer.boot_id not in self._found
        if not is_namesake or not self._found:
            return []
        self._found[answer.boot_id] = (answer, event.host)
        where = f"{event.host}:{answer.port}"
        return [ReportTrouble(f"another coordinator is named {answer.grid!r} too, at {where}")]

    def _end_round(self, now: float) -> list[Action]:
        if self._found:
            return self._choose(now)
        self._fruitless_rounds += 1
        # The address that is known gets a turn between the questions.
        if self._known is not None and self._settings.may_discard:
            return self._try(self._known, now)
        return self._begin_round(now) if self._fruitless_rounds < QUICK_ROUNDS else self._rest(now)

    def _choose(self, now: float) -> list[Action]:
        if len(self._found) > 1:
            shown = sorted(
                f"{answer.grid!r} at {host}:{answer.port}" for answer, host in self._found.values()
            )
            self._tried["broadcast"] = "several answered: " + ", ".join(shown)
            return [ReportSeveral(tuple(shown)), *self._rest(now)]
        ((answer, host),) = self._found.values()
        return self._try((host, answer.port), now)

    def _rest(self, now: float) -> list[Action]:
        self.state = DiscoveryState.ASKING
        self._is_pausing = True
        self._deadline = now + PAUSE_S + self._chance.uniform(0, JITTER_S)
        return []


def _shown(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
