"""The connections of a session: which agents are sought, greeted, linked, and lately lost.

An agent is sought at all its addresses, greeted on the first that answers, and linked from then on,
also while its connection is renewed. One that is given up may still hold tasks of ours until the
session's lease ends there; for that long its name is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from hxgrid.logs import get_logger
from hxgrid.transport.dialling import Proved
from hxgrid.transport.seeking import Seeker
from hxgrid.transport.sockets import is_loopback
from hxgrid.user.agent_link import AgentLink, LinkOwner
from hxgrid.user.core.actions import ConnectAgent, DisconnectAgent, PingAgents
from hxgrid.user.core.events import AgentUnreachable, Event
from hxgrid.user.failures import AgentNames
from hxgrid.user.network import Network
from hxgrid.user.results import ResultMemory
from hxgrid.wire.messages import Goodbye, Hello, RosterEntry

LEASE_PARTS: Final = 5
"""A session lease is renewed so often before it could end."""

SHORT_LEASE_S: Final = 5.0
"""An agent may grant a shorter lease than was asked for; nobody sets a shorter one than this."""

_log = get_logger("user")


class ConnectionsOwner(LinkOwner, Protocol):
    """The driver, which hears of what happens to connections."""

    def feed(self, event: Event) -> None:
        """Give the core a fact."""

    def on_dropped(self, agent: str, link: AgentLink | None) -> None:
        """An agent is connected no longer, if it ever was."""


class Connections:
    """Opens and closes links. Belongs to the loop's thread."""

    def __init__(
        self,
        owner: ConnectionsOwner,
        network: Network,
        hello: Callable[[], Hello],
        memory: ResultMemory,
        names: AgentNames,
    ) -> None:
        self.links: dict[str, AgentLink] = {}
        """By boot id; other threads may look at a copy."""
        self._owner = owner
        self._network = network
        self._clock = network.clock
        self._hello = hello
        self._memory = memory
        self._names = names
        self._seekers: dict[str, Seeker] = {}
        self._greeting: dict[str, AgentLink] = {}  # links that wait for Welcome
        self._lost_at: dict[str, float] = {}  # when we gave agents up that may still hold tasks
        self._renew_leases_at = 0.0

    def close(self) -> None:
        """Let go of all sockets. Twice is harmless."""
        for seeker in self._seekers.values():
            seeker.close()
        for link in self.links.values():
            link.close()
        self._seekers.clear()
        self.links.clear()

    def open_links(self) -> list[AgentLink]:
        """Return the links on which attempts may be sent."""
        return [link for link in self.links.values() if link.is_open]

    def lately_lost(self, now: float) -> list[str]:
        """Return the names of agents that we gave up, and that may not have given us up yet."""
        lease_s = self._hello().lease_s
        self._lost_at = {a: at for a, at in self._lost_at.items() if now - at <= lease_s}
        return [self._names.name(agent) for agent in self._lost_at if agent not in self.links]

    # -- time

    def tick(self, now: float) -> None:
        """Do what is due."""
        for seeker in list(self._seekers.values()):
            seeker.tick(now)
        for link in list(self._greeting.values()):
            if link.greet_deadline is not None and now >= link.greet_deadline:
                self._owner.on_broken(link, "no answer to Hello")
        if now >= self._renew_leases_at:
            self._renew_leases(now)

    def next_deadline(self) -> float:
        """Return when `tick` is wanted next."""
        if not self._seekers and not self._greeting:
            return self._renew_leases_at
        moments = [self._renew_leases_at]
        moments += [seeker.deadline for seeker in self._seekers.values()]
        moments += [link.greet_deadline or 0.0 for link in self._greeting.values()]
        return min(moments)

    def _renew_leases(self, now: float) -> None:
        """Let every agent hear from us in time, also one to which there is nothing to say."""
        self._renew_leases_at = now + min(self._hello().lease_s, SHORT_LEASE_S) / LEASE_PARTS
        for link in self.open_links():
            if not link.has_sent:
                link.ping(now)
            link.has_sent = False

    # -- orders of the core

    def connect(self, action: ConnectAgent) -> None:
        """Look for an agent at its addresses, and greet it."""
        entry = action.entry
        self._names.set_name(entry.agent, entry.name)
        self.drop(entry.agent)
        addresses = entry.addresses
        if self._network.security.is_loopback_only:
            # Without keys only what is on this computer can prove itself.
            addresses = tuple(a for a in addresses if is_loopback(a.host))
        seeker = Seeker(
            self._network.loop,
            entry,
            self._clock.now(),
            partial(self._found, entry),
            partial(self._not_found, entry.agent),
        )
        self._seekers[entry.agent] = seeker
        seeker.start(self._network.factory, addresses)

    def disconnect(self, action: DisconnectAgent) -> None:
        """Leave an agent alone."""
        link = self.links.get(action.agent)
        if link is not None and action.is_idle:
            _log.debug("agent not needed", agent=link.name)
            link.send(Goodbye(session=self._hello().session))
        elif link is not None:
            _log.info("agent left alone", agent=link.name, why=action.reason)
            self._lost_at[action.agent] = self._clock.now()
        self.drop(action.agent)

    def ping(self, action: PingAgents) -> None:
        """Ask agents for a sign of life."""
        now = self._clock.now()
        for agent in action.agents:
            link = self.links.get(agent)
            if link is not None:
                link.ping(now)

    # -- what becomes of a connection

    def welcome(self, link: AgentLink) -> None:
        """The session is open there."""
        self._lost_at.pop(link.agent, None)
        self._greeting.pop(link.agent, None)

    def renew(self, link: AgentLink) -> None:
        """A connection was lost, and `Hello` is being said again."""
        self._greeting[link.agent] = link

    def give_up(self, link: AgentLink) -> None:
        """Let go of a link that is of no use; its agent may still hold tasks of ours."""
        self._lost_at[link.agent] = self._clock.now()
        self.drop(link.agent)

    def drop(self, agent: str) -> None:
        """Let go of an agent, however far its connection is; unknown ones are ignored."""
        seeker = self._seekers.pop(agent, None)
        if seeker is not None:
            seeker.close()
        link = self.links.pop(agent, None)
        self._greeting.pop(agent, None)
        if link is not None:
            link.close()
        self._owner.on_dropped(agent, link)

    def _found(self, entry: RosterEntry, proved: Proved) -> None:
        self._seekers.pop(entry.agent, None)
        link = AgentLink(self._owner, self._network, proved, entry, self._hello(), self._memory)
        self.links[entry.agent] = self._greeting[entry.agent] = link
        link.start()

    def _not_found(self, agent: str, why: str) -> None:
        self._seekers.pop(agent, None)
        self._owner.feed(AgentUnreachable(agent, why))
