"""How many agents a session is connected to: as many as its queue needs, and some to spare.

The first `spare_agents` of the roster are always connected, so that a job finds them ready; a grid
that is not larger is connected to as a whole, and nothing of what follows happens there. Beyond
them, one more is connected to while

* the others have fewer slots than there are unfinished tasks (looked at when tasks come), or
* tasks wait although there seem to be slots enough (the agents are suspended, do not suit, have no
  memory). Then some more that suit are tried with every sweep.

What has had nothing to do for `idle_connection_s` is closed again, as long as nothing waits and the
others are enough. Agents that nothing is done with *sleep*: they are known, and take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hxgrid.user.core.agentview import AgentView, Contact
from hxgrid.user.core.state import DispatchState

MAX_CONNECTING: Final = 64
"""Connections that are made at the same time: each takes several sockets until it is open."""

MORE_PER_SWEEP: Final = 8
"""Agents that are tried when tasks wait for a reason that slots do not explain."""

NOT_NEEDED: Final = "the agents that are connected are enough for what there is to do"
NO_CONNECTION_LEFT: Final = "the session has as many connections as it may have"
NOT_YET: Final = "others are being connected to first"


class Demand:
    """Counts connections and says which agent gets one."""

    __slots__ = ("_connecting", "_connections", "_slots", "_state", "sleeping")

    def __init__(self, state: DispatchState) -> None:
        self._state = state
        self._connections = 0
        """Open or being made."""
        self._connecting = 0
        self._slots = 0
        """Of these agents, as far as is known."""
        self.sleeping: dict[str, None] = {}
        """Agents of the roster that would be connected to if they were needed."""

    def note(self, agent: AgentView, contact: Contact) -> None:
        """Count the contact that an agent is about to have."""
        self._connections += (contact is not Contact.ABSENT) - (agent.contact is not Contact.ABSENT)
        if (contact is Contact.ABSENT) is not (agent.contact is Contact.ABSENT):
            self._slots += -agent.slots if contact is Contact.ABSENT else agent.slots
        was_connecting = agent.contact is Contact.CONNECTING
        self._connecting += (contact is Contact.CONNECTING) - was_connecting

    def note_slots(self, agent: AgentView, slots: int) -> None:
        """Count the slots that a connected agent turns out to have."""
        if agent.contact is not Contact.ABSENT:
            self._slots += slots - agent.slots

    def check(self) -> None:
        """Assert that what is counted is there."""
        agents = self._state.agents.values()
        connected = [agent for agent in agents if agent.contact is not Contact.ABSENT]
        assert self._connections == len(connected)
        assert self._slots == sum(agent.slots for agent in connected)
        assert self._connecting == sum(a.contact is Contact.CONNECTING for a in connected)
        for name in self.sleeping:
            assert self._state.agents[name].contact is Contact.ABSENT

    def why_not(self) -> str:
        """Say why no further agent is connected to; empty: one is wanted."""
        if self._connections >= self._state.settings.max_connections:
            return NO_CONNECTION_LEFT
        if self._connecting >= MAX_CONNECTING:
            return NOT_YET
        return NOT_NEEDED if self._is_enough(self._connections, self._slots) else ""

    def wake(self, connect: Callable[[AgentView], None]) -> None:
        """Connect to those who sleep, in order, as long as one more is wanted."""
        while self.sleeping and not self.why_not():
            self._wake_one(next(iter(self.sleeping)), connect)

    def wake_suiting(self, connect: Callable[[AgentView], None]) -> None:
        """Connect to some who may take what waits, however many slots there seem to be."""
        names = [name for name, _ in zip(self._suiting(), range(MORE_PER_SWEEP), strict=False)]
        for name in names:
            if self.why_not() not in ("", NOT_NEEDED):
                return
            self._wake_one(name, connect)

    def idle(self, now: float) -> Iterator[AgentView]:
        """Give the agents whose connections are of no use, one at a time."""
        state = self._state
        if self._connections <= state.settings.spare_agents:
            return
        if len(state.lanes) or state.looked_up:
            return
        since = now - state.settings.idle_connection_s
        for agent in reversed(list(state.agents.values())):
            if not self._is_enough(self._connections - 1, self._slots - agent.slots):
                return
            if agent.contact is Contact.OPEN and not agent.held and agent.busy_at <= since:
                yield agent

    def _wake_one(self, name: str, connect: Callable[[AgentView], None]) -> None:
        del self.sleeping[name]
        agent = self._state.agents.get(name)
        if agent is not None:
            connect(agent)

    def _suiting(self) -> Iterator[str]:
        wanted = [lane.requires for lane in self._state.lanes.lanes if lane.count]
        for name in self.sleeping:
            agent = self._state.agents.get(name)
            if agent is not None and any(
                requires is None or not agent.lacks(requires) for requires in wanted
            ):
                yield name

    def _is_enough(self, connections: int, slots: int) -> bool:
        """Say whether so many agents, without the spare ones, have a slot for each task."""
        beyond = connections - self._state.settings.spare_agents
        tally = self._state.tally
        needed = tally.unfinished - tally.finalizing
        return beyond >= 0 and beyond * slots >= needed * connections
