"""With the coordinator: agents say that they are there, users ask who is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxgrid.wire.messages.doors import Proof
from hxgrid.wire.messages.parts import (
    AgentState,
    Capabilities,
    Document,
    Identity,
    NetworkAddress,
    Protocol,
    Size,
)


class AgentStatus(Document):
    """48, agent to coordinator: each `status_s`; renews the registry lease."""

    number: Literal[48] = 48
    protocol: Protocol = Protocol()
    proof: Proof | None = None
    """As in `Hello`."""
    agent: Identity
    """Boot id of the agent."""
    name: str = Field(max_length=256)
    addresses: tuple[NetworkAddress, ...] = Field(max_length=64)
    """Every interface's address; the coordinator adds the one it saw."""
    public_key: str = Field(default="", max_length=64)
    slots: Annotated[int, Field(ge=1, le=65536)]
    free_cpu: Annotated[float, Field(ge=0)]
    own_cpu: Annotated[float, Field(ge=0)]
    """Processors' worth of time used by this agent's task processes."""
    free_memory_bytes: Size
    running: Annotated[int, Field(ge=0)] = 0
    waiting: Annotated[int, Field(ge=0)] = 0
    state: AgentState = AgentState.ACTIVE
    reason: str = Field(default="", max_length=1024)
    sessions: tuple[str, ...] = Field(default=(), max_length=1000)
    """For people: `user@host program` of each session."""
    capabilities: Capabilities
    leaving: bool = False
    """The last message of an agent that ends: take it off the roster now."""


class StatusReceived(Document):
    """49, coordinator to agent: the status arrived; a sign of life."""

    number: Literal[49] = 49
    protocol: Protocol = Protocol()
    boot_id: Identity
    grid: str = Field(default="", max_length=256)


class RosterRequest(Document):
    """50, user to coordinator: each `poll_s`; what has changed since `version`?"""

    number: Literal[50] = 50
    protocol: Protocol = Protocol()
    proof: Proof | None = None
    """As in `Hello`."""
    boot_id: str = Field(default="", max_length=32)
    """Coordinator that `version` belongs to; of another one, the whole roster is sent."""
    version: Annotated[int, Field(ge=0)] = 0
    detailed: bool = False
    """Send everything known of each agent, as `hxgrid agents` shows it."""


class RosterEntry(Document):
    """One agent as users see it."""

    agent: Identity
    name: str
    addresses: tuple[NetworkAddress, ...]
    public_key: str = ""
    slots: int
    capabilities: Capabilities
    status: AgentStatus | None = None
    """Only when `detailed` was asked for."""
    age_s: float = 0.0
    """Seconds since its last status."""


class Roster(Document):
    """51, coordinator to user: agents that joined or changed, and boot ids that left."""

    number: Literal[51] = 51
    protocol: Protocol = Protocol()
    boot_id: Identity
    grid: str = Field(default="", max_length=256)
    version: int
    whole: bool
    """Replace what is known instead of changing it."""
    more: bool = False
    """Further parts of the same version follow."""
    agents: tuple[RosterEntry, ...] = ()
    left: tuple[Identity, ...] = ()
