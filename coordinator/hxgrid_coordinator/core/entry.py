"""One agent in the registry, and who may see which of its addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from hxgrid.wire.messages import AgentStatus, NetworkAddress, RosterEntry


@dataclass(slots=True)
class AgentEntry:
    """What is known of one agent. Addresses are worked out once, when they change."""

    status: AgentStatus
    """The last one, whole."""
    heard_at: float
    seen_host: str
    size_bytes: int
    shown: RosterEntry
    """As users on other computers see it."""
    shown_locally: RosterEntry
    """As users on the agent's own computer see it: with the loopback addresses."""
    hosts: frozenset[str]
    """Where the agent is, as far as can be told: who asks from there is on the same computer."""

    @classmethod
    def make(cls, status: AgentStatus, seen_host: str, size_bytes: int, now: float) -> AgentEntry:
        """Work out everything from a status."""
        every = _with_seen(status.addresses, seen_host)
        distant = tuple(a for a in every if not is_loopback(a.host))
        return cls(
            status=status,
            heard_at=now,
            seen_host=seen_host,
            size_bytes=size_bytes,
            shown=_entry(status, distant),
            shown_locally=_entry(status, every),
            hosts=frozenset({seen_host, *(a.host for a in distant)}),
        )

    def is_changed_by(self, status: AgentStatus, seen_host: str) -> bool:
        """Tell whether users must hear of this status; load alone is no reason."""
        old = self.status
        return not (
            seen_host == self.seen_host
            and status.addresses == old.addresses
            and status.slots == old.slots
            and status.name == old.name
            and status.public_key == old.public_key
            and status.capabilities == old.capabilities
        )

    def as_seen_from(self, host: str) -> RosterEntry | None:
        """Return what a user at `host` may know; None if there is no way from there."""
        entry = self.shown_locally if host in self.hosts else self.shown
        return entry if entry.addresses else None

    @property
    def place(self) -> tuple[object, ...]:
        """Where it listens: two agents cannot have the same place at the same time."""
        if not self.status.addresses:
            return (self.status.agent,)
        return self.seen_host, self.status.addresses


def is_loopback(host: str) -> bool:
    """Tell whether an address is good on one computer only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_seen(addresses: tuple[NetworkAddress, ...], seen_host: str) -> tuple[NetworkAddress, ...]:
    """Add the address that the coordinator saw: behind a translator it is the only good one."""
    if not addresses or not seen_host or any(a.host == seen_host for a in addresses):
        return addresses
    return (*addresses, NetworkAddress(host=seen_host, port=addresses[0].port))


def _entry(status: AgentStatus, addresses: tuple[NetworkAddress, ...]) -> RosterEntry:
    return RosterEntry(
        agent=status.agent,
        name=status.name,
        addresses=addresses,
        public_key=status.public_key,
        slots=status.slots,
        capabilities=status.capabilities,
    )
