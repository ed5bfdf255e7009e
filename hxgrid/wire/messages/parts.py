"""What documents of several conversations are made of: checked texts, numbers and addresses."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hxgrid.wire.limits import MAX_NAME_CHARS, MAX_PAYLOAD_BYTES, MAX_TEXT_CHARS
from hxgrid.wire.versions import PROTOCOL_MAJOR, PROTOCOL_MINOR

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes of chance, or of a keyed hash."""
Size = Annotated[int, Field(ge=0, le=MAX_PAYLOAD_BYTES)]
Handle = Annotated[int, Field(ge=0, lt=1 << 32)]
TaskNumber = Annotated[int, Field(ge=0, lt=1 << 64)]
Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, Field(min_length=1, max_length=255)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Document(BaseModel):
    """Base of all JSON messages: frozen, unknown fields ignored."""

    # Values of peers are not kept to be found again: they are ids and digests, no two alike.
    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, cache_strings="keys"
    )


class Protocol(Document):
    """A protocol version, first thing that two programs tell each other."""

    major: int = PROTOCOL_MAJOR
    minor: int = PROTOCOL_MINOR


class Capabilities(Document):
    """What a computer offers; compared with a task's requirements."""

    platform: str = Field(max_length=64)
    """`sys.platform` of the agent."""
    machine: str = Field(max_length=64)
    """Processor architecture as the system names it, such as x86_64."""
    python_implementation: str = Field(max_length=64)
    python_version: str = Field(max_length=64)
    processors: Annotated[int, Field(ge=1)]
    memory_bytes: Size
    labels: tuple[str, ...] = ()


class AgentState(enum.StrEnum):
    """What an agent does at the moment, as shown to people."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DRAINING = "draining"


class NetworkAddress(Document):
    """One way to reach an agent."""

    host: Address
    port: Port


class Neighbour(Document):
    """An agent as another agent must know it to fetch blobs there."""

    agent: Identity
    """Boot id."""
    addresses: tuple[NetworkAddress, ...] = Field(max_length=64)
    public_key: str = Field(default="", max_length=64)
