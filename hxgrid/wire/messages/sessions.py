"""Between a user and an agent: a session from `Hello` to `Ended`, and what the agent does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxgrid.wire.messages.doors import Proof
from hxgrid.wire.messages.parts import (
    AgentState,
    Capabilities,
    Document,
    Fraction,
    Handle,
    Identity,
    Protocol,
    Size,
    TaskNumber,
)


class Hello(Document):
    """32, user to agent: open or resume a session."""

    number: Literal[32] = 32
    protocol: Protocol = Protocol()
    session: Identity
    """The session's id, the same at all agents and over reconnects."""
    ticket: Identity
    """128-bit secret of the session; whoever shows it may fetch the session's blobs."""
    proof: Proof | None = None
    """Where no keys are used, that the user knows the loopback token; none under trust_network."""
    user_name: str = Field(default="", max_length=256)
    host: str = Field(default="", max_length=256)
    process_id: int = 0
    program: str = Field(default="", max_length=256)
    """What runs there, for the people who look at the agent: `host`, `process_id`, `program`."""
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    lease_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """The session ends on the agent when nothing was heard from the user for so long."""
    compress_threshold_bytes: Size = 65535
    cancel_grace_s: Annotated[float, Field(ge=0, le=3600)] = 0.5
    """How long a cancelled attempt may go on until its process is killed."""


class AttemptProgress(Document):
    """What a running task last reported of itself."""

    task: TaskNumber
    attempt: int
    fraction: Fraction
    text: str = Field(default="", max_length=1024)


class SlotTrouble(Document):
    """A running attempt whose process no longer answers (stopped, or dead without notice)."""

    task: TaskNumber
    attempt: int


class Load(Document):
    """34, agent to user: each `status_s`, and at once when the state changes."""

    number: Literal[34] = 34
    state: AgentState = AgentState.ACTIVE
    reason: str = Field(default="", max_length=1024)
    """One sentence: why the agent is suspended or draining."""
    free_cpu: Annotated[float, Field(ge=0)]
    """Processors' worth of time not used by others, 0 to `processors`."""
    free_memory_bytes: Size
    sessions: Annotated[int, Field(ge=0)] = 1
    """Sessions with work at this agent: the slots are shared among them by weight."""
    progress: tuple[AttemptProgress, ...] = ()
    suspected: tuple[SlotTrouble, ...] = ()


class Welcome(Document):
    """33, agent to user: the session is open."""

    number: Literal[33] = 33
    protocol: Protocol = Protocol()
    boot_id: Identity
    """New each time an agent process starts: tells a restarted agent from a reconnected one."""
    agent_name: str = Field(max_length=256)
    handle: Handle
    resumed: bool
    """The agent knew this session already; HOLDINGS follows."""
    slots: Annotated[int, Field(ge=1, le=65536)]
    capabilities: Capabilities
    load: Load
    neighbours_served: Annotated[int, Field(ge=0, le=65536)] = 0
    """Agents that may fetch blobs of the session here at once; 0: none may."""


class WhoAreYou(Document):
    """36, agent to user: this connection belongs to no session; say `Hello`."""

    number: Literal[36] = 36
    boot_id: Identity


class Goodbye(Document):
    """37, user to agent: the session is over."""

    number: Literal[37] = 37
    session: Identity


class CancelAll(Document):
    """38, user to agent: drop every attempt of the session, but keep it open."""

    number: Literal[38] = 38
    session: Identity
    request: int


class Ended(Document):
    """39, agent to user: nothing of the session runs any more (answers 37 and 38)."""

    number: Literal[39] = 39
    session: Identity
    request: int | None = None
    """The `CancelAll` that this answers; none after `Goodbye`."""
