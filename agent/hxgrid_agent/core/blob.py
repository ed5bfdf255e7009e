"""One blob that somebody on this agent wants: where it stands and who uses it.

Its life: FINDING (is it in the store?), FETCHING (asked from somebody who has it), WRITING (all of
it is here and being checked), HERE (pinned once in the store for all users).
"""

from __future__ import annotations

import base64
import enum
from typing import NamedTuple

from hxgrid.blobs.fetch import Fetch
from hxgrid.streams.digests import CHUNK_DIGEST_BYTES, chunk_count, digest_of_chunks
from hxgrid.wire.messages import BlobAnswer, Neighbour
from hxgrid_agent.core.attempt import Function
from hxgrid_agent.core.dataentry import DataEntry
from hxgrid_agent.core.session import Session

Waiter = Function | DataEntry


class BlobState(enum.Enum):
    """Where a blob stands."""

    FINDING = "finding"
    FETCHING = "fetching"
    WRITING = "writing"
    """All pieces are here; the store checks the digest."""
    HERE = "here"


class Blob:
    """One digest that somebody wants."""

    __slots__ = (
        "available_bytes",
        "digest",
        "fetch",
        "path",
        "referrals",
        "size",
        "state",
        "users",
        "waiters",
    )

    def __init__(self, digest: str, size: int) -> None:
        self.digest = digest
        self.size = size
        self.state = BlobState.FINDING
        self.path = ""
        """Where its bytes are, as far as they are here."""
        self.available_bytes = 0
        """From the beginning, checked."""
        self.fetch: Fetch | None = None
        self.referrals: dict[str, tuple[Session, Neighbour]] = {}
        """Neighbours that were named for it, and by whose user."""
        self.users: dict[int, dict[int, Waiter]] = {}
        """Whoever uses it, by session handle and the waiter's identity."""
        self.waiters: list[tuple[Session, Waiter]] = []
        """Of the users, those that have not been told yet."""


class Settled(NamedTuple):
    """What a waiter is to be told: the blob's path, or why there is none."""

    session: Session
    waiter: Waiter
    digest: str
    path: str
    problem: str = ""
    is_refusal: bool = False
    """The problem is this computer's: another agent may do better."""


def chunks_of(blob: Blob, answer: BlobAnswer) -> tuple[bytes, ...]:
    """Return the digests of a blob's chunks if they are what its own digest says."""
    try:
        listed = base64.b64decode(answer.chunks, validate=True)
    except ValueError:
        return ()
    if len(listed) != chunk_count(blob.size) * CHUNK_DIGEST_BYTES:
        return ()
    chunks = tuple(
        listed[start : start + CHUNK_DIGEST_BYTES]
        for start in range(0, len(listed), CHUNK_DIGEST_BYTES)
    )
    return chunks if digest_of_chunks(chunks, blob.size) == blob.digest else ()
