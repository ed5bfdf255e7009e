"""Who gets a blob from whom: the user's side of spreading large blobs from agent to agent. Pure.

Whoever needs a blob asks the user. The first is served by the user; the next ones are referred to
an agent that has the blob or is just getting it, and passes on what has arrived and been checked.
So a line forms, the user's network card sends the blob about once, and all have it a moment after
the first, because each link carries it in and out at the same time. While the line is not longer
than the blob has chunks, a longer line costs less than a second one; from then on, whoever is near
its head gets a second neighbour, and a third, so that many agents are a tree and not a line.

The user serves itself (*directly*) what is small, what nobody else can serve, and whoever has
failed with `MAX_FAILURES` neighbours. It sends to so few agents at a time that their windows
together do not fill its network card's queue; the others wait in order, and hear now and then that
they do.

Pairs of agents that could not reach each other are not tried again; an agent about whom several
others complain is not named any more. No agent is sent to one that gets the blob, by however many
steps, from itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from hxgrid.streams.digests import chunk_count

SPREAD_FROM_BYTES = 256 * 1024
"""Smaller blobs are sent before two agents could be brought together."""

MAX_DIRECT = 8
"""Transfers of blobs from the user at a time. Each may have 250 ms of a line under way."""

MAX_FAILURES = 3
"""Neighbours that an agent tries for one blob; and agents that may complain about another."""

MAX_BLOBS = 4096
"""Blobs whose members are remembered; of those before, the user has to serve again."""

REMIND_S = 2.0
"""Whoever waits for the user hears this often that it is not forgotten."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An agent wants a blob from an offset on."""

    agent: str
    request: int
    digest: str
    size: int
    offset: int = 0
    failed: Sequence[str] = ()
    """Neighbours that were named for it and did not serve."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Send the blob."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Refer:
    """Tell the agent to ask this neighbour, and the neighbour to expect it."""

    ask: Ask
    neighbour: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Tell the agent that its turn will come."""

    ask: Ask


Decision = Serve | Refer | Wait


class _Member:
    """An agent that has a blob, or is getting it."""

    __slots__ = ("children", "depth", "is_whole", "parent", "rank")

    def __init__(self) -> None:
        self.is_whole = False
        self.parent: str | None = None
        """The agent from which it gets the blob; None: from the user, or it has it."""
        self.children: dict[str, None] = {}
        self.depth = 0
        """Agents between it and the user when it was referred."""
        self.rank: _Rank | None = None
        """Its present entry in the heap."""


_Rank = tuple[int, bool, int, int, str]
"""Load, whether it is still getting the blob, depth, serial number, agent: smaller serves next."""


class _Members:
    """The members of one blob, and who of them should serve next."""

    def __init__(self, size: int) -> None:
        self.known: dict[str, _Member] = {}
        self._longest_line = chunk_count(size)
        self._heap: list[_Rank] = []
        self._serial = 0

    def of(self, agent: str) -> _Member:
        """Return an agent's entry, made if need be."""
        return self.known.setdefault(agent, _Member())

    def rank(self, agent: str, places: int) -> None:
        """Put an agent where it belongs after something about it has changed."""
        member = self.known[agent]
        served = len(member.children)
        if served >= places:
            member.rank = None
            return
        is_partial = not member.is_whole
        load = served + (is_partial and member.depth >= self._longest_line)
        self._serial += 1
        member.rank = (load, is_partial, member.depth, self._serial, agent)
        heappush(self._heap, member.rank)

    def best(self, suits: Callable[[str], bool]) -> tuple[str, int] | None:
        """Return the agent that should serve next, of those that suit, and its load."""
        heap, known = self._heap, self.known
        passed_over = []
        found = None
        while heap and found is None:
            entry = heap[0]
            member = known.get(entry[4])
            if member is None or member.rank is not entry:
                heappop(heap)
            elif suits(entry[4]):
                found = (entry[4], entry[0])
            else:
                passed_over.append(heappop(heap))
        for entry in passed_over:
            heappush(heap, entry)
        return found

    def attach(self, agent: str, parent: str) -> None:
        """Let an agent get the blob from another one."""
        member, above = self.known[agent], self.known[parent]
        member.parent = parent
        member.depth = 1 if above.is_whole else above.depth + 1
        above.children[agent] = None

    def detach(self, agent: str) -> str | None:
        """End that; returns who has a place more now."""
        member = self.known[agent]
        parent, member.parent = member.parent, None
        member.depth = 0
        if parent is None or parent not in self.known:
            return None
        self.known[parent].children.pop(agent, None)
        return parent

    def is_above(self, agent: str, other: str) -> bool:
        """Say whether `other` gets the blob, by however many steps, from `agent`."""
        above = self.known[other].parent
        while above is not None and above != agent:
            above = self.known[above].parent if above in self.known else None
        return above is not None


class Spread:
    """Decides who serves whom. Callers carry the decisions out, in their order."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        """Neighbours that each agent serves at once."""
        self._blobs: dict[str, _Members] = {}
        """By digest."""
        self._direct: dict[tuple[str, int], str] = {}
        """Transfers from the user that are under way: (agent, request) and the digest."""
        self._waiting: OrderedDict[tuple[str, str], Ask] = OrderedDict()
        """By agent and digest, in the order of their turns."""
        self._apart: set[tuple[str, str]] = set()
        """(asker, asked) that did not come together."""
        self._complaints: dict[str, set[str]] = {}
        """By agent: who complains about it, without anybody whom it has served since."""
        self._remind_at: float | None = None

    # -- what happens

    def joined(self, agent: str, places: int) -> None:
        """Note an agent of the session and how many neighbours it serves at once."""
        self._places[agent] = places

    def gone(self, agent: str) -> list[Decision]:
        """Note that an agent is no longer connected."""
        self._places.pop(agent, None)
        self._complaints.pop(agent, None)
        for digest, members in list(self._blobs.items()):
            member = members.known.get(agent)
            if member is not None:
                self._detach(members, agent)
                del members.known[agent]
                for child in member.children:
                    members.known[child].parent = None  # it will come and ask
                if not members.known:
                    del self._blobs[digest]
        self._apart = {pair for pair in self._apart if agent not in pair}
        self._forget_asks(agent)
        return self._start_waiting()

    def renewed(self, agent: str) -> list[Decision]:
        """Note that an agent's connection is a new one: what was under way is asked for again."""
        self._forget_asks(agent)
        return self._start_waiting()

    def asked(self, ask: Ask, now: float) -> list[Decision]:
        """Decide about a request."""
        decisions: list[Decision] = []
        if self._forget_asks(ask.agent, ask.digest):
            decisions += self._start_waiting()
        for neighbour in ask.failed:
            self._take_complaint(ask.agent, neighbour)
        if ask.size >= SPREAD_FROM_BYTES:
            parent = self._find_parent(ask)
            if parent is not None:
                return [*decisions, Refer(ask, parent)]
        if len(self._direct) < MAX_DIRECT:
            self._direct[ask.agent, ask.request] = ask.digest
            return [*decisions, Serve(ask)]
        self._waiting[ask.agent, ask.digest] = ask
        if self._remind_at is None:
            self._remind_at = now + REMIND_S
        return [*decisions, Wait(ask)]

    def held(self, agent: str, digest: str, size: int) -> None:
        """Note that an agent has a whole blob."""
        if agent not in self._places or size < SPREAD_FROM_BYTES:
            return
        members = self._members_of(digest, size)
        member = members.of(agent)
        if member.parent is not None:
            self._complaints.pop(member.parent, None)
        member.is_whole = True
        self._detach(members, agent)
        members.rank(agent, self._places[agent])

    def sent(self, agent: str, request: int) -> list[Decision]:
        """Note that a direct transfer has left; somebody else's turn."""
        if self._direct.pop((agent, request), None) is None:
            return []
        return self._start_waiting()

    def given_up(self, agent: str, request: int) -> list[Decision]:
        """Note that an agent wants no more of what it asked for, whether its turn came or not."""
        for key, ask in list(self._waiting.items()):
            if key[0] == agent and ask.request == request:
                del self._waiting[key]
        return self.sent(agent, request)

    def tick(self, now: float) -> list[Decision]:
        """Remind those who wait that they are not forgotten."""
        if self._remind_at is None or now < self._remind_at:
            return []
        self._remind_at = now + REMIND_S if self._waiting else None
        return [Wait(ask) for ask in self._waiting.values()]

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do."""
        return self._remind_at

    @property
    def waiting_count(self) -> int:
        """How many requests wait for the user."""
        return len(self._waiting)

    def check(self) -> None:
        """Assert what must always hold."""
        assert len(self._direct) <= MAX_DIRECT, "too many transfers at a time"
        assert not self._waiting or len(self._direct) == MAX_DIRECT, "somebody waits for nothing"
        for members in self._blobs.values():
            for agent, member in members.known.items():
                assert not members.is_above(agent, agent), f"{agent} waits for itself"
                assert len(member.children) <= self._places.get(agent, 0), "too many neighbours"
                for child in member.children:
                    assert members.known[child].parent == agent, f"{child} has another parent"

    # -- the choice

    def _find_parent(self, ask: Ask) -> str | None:
        """Choose who serves an agent, and note both; None: the user."""
        members = self._members_of(ask.digest, ask.size)
        member = members.of(ask.agent)
        member.is_whole = False
        self._detach(members, ask.agent)
        best = None
        if len(ask.failed) < MAX_FAILURES:
            member.rank = None  # not itself
            best = members.best(lambda agent: self._may_serve(agent, ask, members))
        # Else the user has more to give than any of them.
        if best is not None and best[1] <= len(self._direct):
            members.attach(ask.agent, best[0])
            members.rank(best[0], self._places[best[0]])
        members.rank(ask.agent, self._places.get(ask.agent, 0))
        return member.parent

    def _members_of(self, digest: str, size: int) -> _Members:
        members = self._blobs.get(digest)
        if members is None:
            members = self._blobs[digest] = _Members(size)
            if len(self._blobs) > MAX_BLOBS:
                del self._blobs[next(iter(self._blobs))]
        return members

    def _may_serve(self, agent: str, ask: Ask, members: _Members) -> bool:
        return (
            agent != ask.agent
            and (ask.agent, agent) not in self._apart
            and len(self._complaints.get(agent, ())) < MAX_FAILURES
            and not (members.known[ask.agent].children and members.is_above(ask.agent, agent))
        )

    def _take_complaint(self, agent: str, neighbour: str) -> None:
        if (agent, neighbour) not in self._apart and neighbour in self._places:
            self._apart.add((agent, neighbour))
            self._complaints.setdefault(neighbour, set()).add(agent)

    # -- the books

    def _start_waiting(self) -> list[Decision]:
        started: list[Decision] = []
        while self._waiting and len(self._direct) < MAX_DIRECT:
            _, ask = self._waiting.popitem(last=False)
            self._direct[ask.agent, ask.request] = ask.digest
            started.append(Serve(ask))
        return started

    def _forget_asks(self, agent: str, digest: str | None = None) -> bool:
        """Forget what an agent has asked for; say whether something was being sent to it."""
        ended = [
            key for key, what in self._direct.items() if key[0] == agent and digest in (None, what)
        ]
        for key in ended:
            del self._direct[key]
        if digest is not None:
            self._waiting.pop((agent, digest), None)
        else:
            for pair in [pair for pair in self._waiting if pair[0] == agent]:
                del self._waiting[pair]
        return bool(ended)

    def _detach(self, members: _Members, agent: str) -> None:
        freed = members.detach(agent)
        if freed is not None:
            members.rank(freed, self._places.get(freed, 0))
