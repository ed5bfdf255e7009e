"""The list of agents: who is in it, what has changed, who may know what. Pure.

Theory
------
An agent is in the registry while its *registry lease* lasts: every status renews it, silence or a
status that says `leaving` ends it. Its key is its boot id, never an address, so an agent that
reconnects, or that has several network cards, is listed once. An agent that was started again has
another boot id; it *replaces* the one that listened at the same place, instead of standing beside
it until that one's lease ends.

Every change that users must hear of (joined, left, address, capabilities; never load) raises the
*version*. The registry remembers at which version each agent changed last, newest at the end, so
the answer to "what is new since version v?" is a walk from the end: its cost is the number of
changes, and for most questions nothing. Those that left are remembered likewise, up to a bound; a
user who has slept longer, or who knows another coordinator's versions, gets the whole roster.

A roster too big for one message is sent in parts of the same version; all but the last say `more`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import assert_never

from hxgrid.wire.limits import MAX_JSON_BYTES
from hxgrid.wire.messages import (
    AgentStatus,
    Refusal,
    Roster,
    RosterEntry,
    RosterRequest,
    StatusReceived,
)
from hxgrid_coordinator.core.actions import Action, Announce, Change, Send
from hxgrid_coordinator.core.entry import AgentEntry
from hxgrid_coordinator.core.events import AgentReported, Event, RosterAsked

MAX_REMEMBERED_LEFT = 10_000
"""Boot ids of agents that left, kept for users who have not heard of it."""

MAX_STATUS_BYTES = 128 * 1024
"""A status that is larger is nonsense; it would also not fit into a roster beside others."""

_ENTRY_OVERHEAD_BYTES = 512
_LEFT_BYTES = 40


class Registry:
    """Keeps the roster of one grid."""

    def __init__(self, boot_id: str, grid: str, lease_s: float, max_agents: int) -> None:
        self.version = 1
        self.refused_count = 0
        self._boot_id = boot_id
        self._grid = grid
        self._lease_s = lease_s
        self._max_agents = max_agents
        self._agents: OrderedDict[str, AgentEntry] = OrderedDict()  # the longest silent first
        self._changed: OrderedDict[str, int] = OrderedDict()  # agent -> version, rising
        self._left: OrderedDict[str, int] = OrderedDict()  # likewise, of those that are gone
        self._places: dict[object, str] = {}  # place -> agent
        self._complete_since = 1  # changes after this version are all remembered

    def __len__(self) -> int:
        return len(self._agents)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one message."""
        match event:
            case AgentReported():
                return self._take_status(event, now)
            case RosterAsked():
                return self._answer(event, now)
            case _:
                assert_never(event)

    def tick(self, now: float) -> list[Action]:
        """Drop the agents whose lease has ended."""
        actions: list[Action] = []
        while self._agents:
            agent, entry = next(iter(self._agents.items()))
            if entry.heard_at + self._lease_s > now:
                break
            actions.append(self._remove(agent, Change.SILENT))
        return actions

    def next_deadline(self) -> float | None:
        """Return when the next lease ends."""
        if not self._agents:
            return None
        return next(iter(self._agents.values())).heard_at + self._lease_s

    def entries(self) -> Iterator[AgentEntry]:
        """Walk over what is known, for the people at the coordinator."""
        return iter(self._agents.values())

    def check(self) -> None:
        """Assert what must always hold."""
        assert self._agents.keys() == self._changed.keys()
        assert not self._agents.keys() & self._left.keys()
        assert len(self._left) <= MAX_REMEMBERED_LEFT
        assert len(self._agents) <= self._max_agents
        assert sorted(self._places.values()) == sorted(self._agents)
        for record in (self._changed, self._left):
            versions = list(record.values())
            assert versions == sorted(versions)
            assert all(version <= self.version for version in versions)
        heard = [entry.heard_at for entry in self._agents.values()]
        assert heard == sorted(heard)

    # -------------------------------------------------------------- agents

    def _take_status(self, event: AgentReported, now: float) -> list[Action]:
        status, agent = event.status, event.status.agent
        refusal = self._why_refused(event)
        if refusal is not None:
            self.refused_count += 1
            return [Send(event.connection, refusal)]
        actions: list[Action] = []
        if status.leaving:
            if agent in self._agents:
                actions.append(self._remove(agent, Change.LEFT))
        else:
            actions += self._renew(event, now)
        received = StatusReceived(boot_id=self._boot_id, grid=self._grid)
        return [*actions, Send(event.connection, received)]

    def _why_refused(self, event: AgentReported) -> Refusal | None:
        status = event.status
        if event.size_bytes > MAX_STATUS_BYTES:
            text = f"a status of {event.size_bytes} bytes is over {MAX_STATUS_BYTES}"
            return Refusal(code="malformed", text=text)
        if event.key and status.public_key != event.key:
            # Else one agent could speak for another.
            return Refusal(code="role", text="the status names another key than the connection")
        known = self._agents.get(status.agent)
        if event.key and known is not None and known.status.public_key != event.key:
            return Refusal(code="role", text="this agent is known with another key")
        if status.agent not in self._agents and len(self._agents) >= self._max_agents:
            return Refusal(code="busy", text=f"the roster is full with {self._max_agents} agents")
        return None

    def _renew(self, event: AgentReported, now: float) -> list[Action]:
        status, agent = event.status, event.status.agent
        known = self._agents.get(agent)
        if known is not None and not known.is_changed_by(status, event.seen_host):
            known.status = status
            known.heard_at = now
            known.size_bytes = event.size_bytes
            self._agents.move_to_end(agent)
            return []
        entry = AgentEntry.make(status, event.seen_host, event.size_bytes, now)
        actions: list[Action] = []
        if known is not None:
            self._places.pop(known.place, None)
        before = self._places.get(entry.place)
        if before is not None:
            actions.append(self._remove(before, Change.REPLACED))
        self._agents[agent] = entry
        self._agents.move_to_end(agent)
        self._places[entry.place] = agent
        self._left.pop(agent, None)
        self.version += 1
        self._changed[agent] = self.version
        self._changed.move_to_end(agent)
        if known is None:
            actions.append(Announce(Change.JOINED, agent, status.name, event.seen_host))
        return actions

    def _remove(self, agent: str, change: Change) -> Announce:
        entry = self._agents.pop(agent)
        del self._changed[agent]
        del self._places[entry.place]
        self.version += 1
        self._left[agent] = self.version
        if len(self._left) > MAX_REMEMBERED_LEFT:
            self._complete_since = self._left.popitem(last=False)[1]
        return Announce(change, agent, entry.status.name, entry.seen_host)

    # -------------------------------------------------------------- users

    def _answer(self, event: RosterAsked, now: float) -> list[Action]:
        request = event.request
        is_whole = request.detailed or self._must_be_whole(request)
        left = [] if is_whole else self._left_since(request.version)
        parts = list(self._parts(event, left, is_whole, now))
        last = len(parts) - 1
        return [
            Send(
                event.connection,
                Roster(
                    boot_id=self._boot_id,
                    grid=self._grid,
                    version=self.version,
                    whole=is_whole,
                    more=index < last,
                    agents=tuple(entries),
                    left=tuple(gone),
                ),
            )
            for index, (entries, gone) in enumerate(parts)
        ]

    def _must_be_whole(self, request: RosterRequest) -> bool:
        is_ours = request.boot_id == self._boot_id
        return not is_ours or not self._complete_since <= request.version <= self.version

    def _left_since(self, version: int) -> list[str]:
        return list(_newer(self._left, version))

    def _parts(
        self, event: RosterAsked, left: list[str], is_whole: bool, now: float
    ) -> Iterator[tuple[list[RosterEntry], list[str]]]:
        since = 0 if is_whole else event.request.version
        entries: list[RosterEntry] = []
        room = MAX_JSON_BYTES - _ENTRY_OVERHEAD_BYTES - len(left) * _LEFT_BYTES
        for agent in _newer(self._changed, since) if since else self._changed:
            known = self._agents[agent]
            entry = known.as_seen_from(event.seen_host)
            if entry is None:  # no way from there, perhaps not any more
                left += [] if is_whole else [agent]
                continue
            size = known.size_bytes + _ENTRY_OVERHEAD_BYTES
            if event.request.detailed:
                entry, size = _detailed(entry, known, now), 2 * size
            if size > room:
                yield entries, left
                entries, left, room = [], [], MAX_JSON_BYTES - _ENTRY_OVERHEAD_BYTES
            entries.append(entry)
            room -= size
        yield entries, left


def _newer(record: OrderedDict[str, int], version: int) -> Iterator[str]:
    """Walk back from the newest to the oldest that is newer than `version`."""
    for agent in reversed(record):
        if record[agent] <= version:
            return
        yield agent


def _detailed(entry: RosterEntry, known: AgentEntry, now: float) -> RosterEntry:
    # What an agent shows the coordinator to be let in is nobody else's business.
    status: AgentStatus = known.status.model_copy(update={"proof": None})
    return entry.model_copy(update={"status": status, "age_s": max(0.0, now - known.heard_at)})
