"""What the registry is told: facts about messages that have arrived."""

from __future__ import annotations

from dataclasses import dataclass

from hxgrid.wire.messages import AgentStatus, RosterRequest


@dataclass(frozen=True, slots=True)
class AgentReported:
    """An agent's status has arrived."""

    connection: bytes
    """Routing id of the connection, for the answer."""
    status: AgentStatus
    seen_host: str
    """The address that the coordinator sees the agent at; empty for one on its own computer."""
    size_bytes: int
    """Size of the status as it came: how much of a message its entry may fill."""
    key: str = ""
    """The public key that the connection has shown; empty without keys."""


@dataclass(frozen=True, slots=True)
class RosterAsked:
    """A user wants to know what has changed."""

    connection: bytes
    request: RosterRequest
    seen_host: str
    """As in `AgentReported`."""


Event = AgentReported | RosterAsked
