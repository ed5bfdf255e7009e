"""Modules, files and global data: asked for by digest or by name, of the user or of a neighbour."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hxgrid.wire.limits import MAX_CHUNK_DIGESTS, MAX_NAME_CHARS, MAX_NEIGHBOURS
from hxgrid.wire.messages.parts import (
    Digest,
    Document,
    Identity,
    Neighbour,
    Size,
    TaskNumber,
    Text,
)


class BlobRequest(Document):
    """41, agent to user: send this blob from an offset on, or say who else has it."""

    number: Literal[41] = 41
    request: TaskNumber
    """Chosen by the asker; CHUNKs of kind BLOB carry it as their id."""
    digest: Digest
    offset: Size = 0
    ticket: Identity
    failed: tuple[Identity, ...] = Field(default=(), max_length=MAX_NEIGHBOURS)
    """Neighbours that were named for this blob and did not serve it."""


class BlobAnswer(Document):
    """42, answer to `BlobRequest` and `NeighbourRequest`: its size, or why not, or who has it.

    `found` and nobody elsewhere: CHUNKs follow, sooner or later. Until they do it is said again
    now and then, as a sign of life.
    """

    number: Literal[42] = 42
    request: TaskNumber
    found: bool
    bytes: Size = 0
    text: Text = ""
    elsewhere: tuple[Neighbour, ...] = Field(default=(), max_length=MAX_NEIGHBOURS)
    """Agents to ask instead; no CHUNKs follow from here."""
    chunks: str = Field(default="", max_length=MAX_CHUNK_DIGESTS * 44)
    """The digests of the blob's chunks one after the other, in base64; empty: not told."""


class DataRequest(Document):
    """43, agent to user: which blob is the global data of this name?"""

    number: Literal[43] = 43
    request: TaskNumber
    name: Annotated[str, Field(max_length=MAX_NAME_CHARS)]


class DataAnswer(Document):
    """44, user to agent: answer to `DataRequest`."""

    number: Literal[44] = 44
    request: TaskNumber
    found: bool
    digest: Digest | None = None
    bytes: Size = 0
    volatile: bool = False
    """Ask again after the agent's copy was freed, instead of taking the same blob."""
    text: Text = ""


class ForgetData(Document):
    """45, user to agent: names whose global data must be asked for again (none: all)."""

    number: Literal[45] = 45
    names: tuple[str, ...] | None = None


class BlobHeld(Document):
    """70, agent to user: this blob is here whole, and neighbours may fetch it."""

    number: Literal[70] = 70
    digest: Digest


class ExpectNeighbour(Document):
    """71, user to agent: let this agent in, it will come for blobs of the session."""

    number: Literal[71] = 71
    agent: Identity
    public_key: str = Field(default="", max_length=64)


class NeighbourRequest(Document):
    """72, agent to agent: send this blob of a session from an offset on.

    Whoever asks need not be known: the proof shows that it has the session's ticket, which is
    itself not shown, because nobody knows yet who answers at that address.
    """

    number: Literal[72] = 72
    request: TaskNumber
    session: Identity
    digest: Digest
    offset: Size = 0
    proof: Digest
    """HMAC-SHA256 with the ticket as key, see `hxgrid.blobs.proof`."""


class NeighbourDone(Document):
    """73, agent to agent: send no more of this blob."""

    number: Literal[73] = 73
    request: TaskNumber


class BlobDone(Document):
    """74, agent to user, since 1.2: send no more of this blob."""

    number: Literal[74] = 74
    request: TaskNumber
