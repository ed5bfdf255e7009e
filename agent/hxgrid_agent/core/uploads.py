"""Blobs served to neighbours: other agents that a user has sent here.

A neighbour is a stranger but for one thing: it proves that it knows the ticket of a session that is
open here. It gets blobs that this session uses here, and nothing else. A blob that is itself still
on its way is passed on as far as its chunks have been checked; while there is nothing more to send,
the neighbour is told so now and then, or it would take us for dead.

The owner comes first: few neighbours at once, their rate limited by the driver, none while the
agent stands back. Whoever is turned away asks its user again, who can always serve.

With keys, a neighbour's key is let in when a session's user announces it, until that session ends,
and for nothing but asking for blobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from hxgrid.blobs.proof import is_proven
from hxgrid.wire.messages import BlobAnswer, ExpectNeighbour, NeighbourDone, NeighbourRequest
from hxgrid_agent.core.actions import (
    CloseUpload,
    ExtendUpload,
    ForbidNeighbour,
    LetNeighbourIn,
    OpenUpload,
)
from hxgrid_agent.core.events import UploadEnded
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.table import Table

MAX_UPLOADS_PER_PEER: Final = 4
"""Blobs that one neighbour fetches at once."""

MAX_KEYS: Final = 10_000
"""Of neighbours that one session's user may announce."""

SIGN_S: Final = 0.3
"""A neighbour that waits hears so often that we are there; it waits for a second."""

SILENT_S: Final = 10.0
"""A neighbour that takes in nothing for so long gets nothing more."""


class Source(Protocol):
    """A blob as far as it is here."""

    size: int
    path: str
    """Where its bytes are; empty: nowhere yet."""
    available_bytes: int
    """From the beginning, checked."""


class Upload:
    """One blob on its way to a neighbour."""

    __slots__ = (
        "digest",
        "heard_at",
        "is_open",
        "is_whole",
        "offset",
        "peer",
        "request",
        "sign_at",
    )

    def __init__(self, peer: bytes, message: NeighbourRequest, now: float) -> None:
        self.peer = peer
        self.request = message.request
        self.digest = message.digest
        self.offset = message.offset
        self.heard_at = now
        self.sign_at = now + SIGN_S
        self.is_open = False
        """The driver has it."""
        self.is_whole = False
        """All of it is here: nothing to wait for."""


class Uploads:
    """Decides who is served what."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._uploads: dict[tuple[bytes, int], Upload] = {}
        self._by_digest: dict[str, dict[tuple[bytes, int], Upload]] = {}
        self._keys: dict[str, set[int]] = {}
        """Handles of the sessions for which a key was let in."""

    # -- neighbours

    def expect(self, session: Session, message: ExpectNeighbour) -> None:
        """Let an agent in that a user has announced."""
        key = message.public_key
        if not key or self._table.settings.neighbours_served == 0:
            return
        if sum(session.handle in handles for handles in self._keys.values()) >= MAX_KEYS:
            self._table.dropped += 1
            return
        if key not in self._keys:
            self._table.out.append(LetNeighbourIn(key))
        self._keys.setdefault(key, set()).add(session.handle)

    def requested(
        self, peer: bytes, message: NeighbourRequest, source: Source | None, now: float
    ) -> None:
        """Serve a neighbour, or say why not; `source` is what its session has here."""
        self.done(peer, NeighbourDone(request=message.request))
        refusal = self._refusal(peer, message, source)
        if refusal or source is None:
            answer = BlobAnswer(request=message.request, found=False, text=refusal)
            self._table.send(peer, answer)
            return
        upload = Upload(peer, message, now)
        key = (peer, message.request)
        self._uploads[key] = upload
        self._by_digest.setdefault(message.digest, {})[key] = upload
        self._table.send(peer, BlobAnswer(request=message.request, found=True, bytes=source.size))
        self._supply(upload, source, now)

    def done(self, peer: bytes, message: NeighbourDone) -> None:
        """Stop, because the neighbour wants no more."""
        upload = self._forget(peer, message.request)
        if upload is not None and upload.is_open:
            self._table.out.append(CloseUpload(peer, upload.request))

    def ended(self, event: UploadEnded) -> None:
        """Everything has left, or the neighbour is gone."""
        self._forget(event.peer, event.request)

    def heard(self, peers: Sequence[bytes], now: float) -> list[bytes]:
        """Note signs of life; returns those that are not neighbours."""
        if not self._uploads:
            return list(peers)
        served = {upload.peer for upload in self._uploads.values()}
        for upload in self._uploads.values():
            if upload.peer in peers:
                upload.heard_at = now
        return [peer for peer in peers if peer not in served]

    # -- blobs

    def supplied(self, digest: str, source: Source, now: float) -> None:
        """More of a blob is here."""
        for upload in self._by_digest.get(digest, {}).values():
            self._supply(upload, source, now)

    def withdrawn(self, digest: str) -> None:
        """Nobody here uses a blob any more, or what was here of it turned out to be wrong."""
        for upload in list(self._by_digest.get(digest, {}).values()):
            self._turn_away(upload, "the blob is not here any more")

    def session_ended(self, session: Session) -> None:
        """Let the neighbours of a session in no longer; its blobs are withdrawn by themselves."""
        for key, handles in list(self._keys.items()):
            handles.discard(session.handle)
            if not handles:
                del self._keys[key]
                self._table.out.append(ForbidNeighbour(key))

    # -- time

    def tick(self, now: float) -> None:
        """Give signs of life, and notice who gives none; none is served while we stand back."""
        for upload in list(self._uploads.values()):
            if self._table.is_frozen:
                self._turn_away(upload, "the agent stands back for its owner")
            elif now >= upload.heard_at + SILENT_S:
                self._turn_away(upload, "nothing was heard")
            elif not upload.is_whole and now >= upload.sign_at:
                upload.sign_at = now + SIGN_S
                upload.heard_at = now  # it cannot take in what we do not send
                self._table.send(upload.peer, BlobAnswer(request=upload.request, found=True))

    def next_deadline(self) -> float | None:
        """When `tick` is wanted."""
        deadline: float | None = None
        for upload in self._uploads.values():
            at = upload.heard_at + SILENT_S if upload.is_whole else upload.sign_at
            if deadline is None or at < deadline:
                deadline = at
        return deadline

    def check(self) -> None:
        """Assert what must always hold."""
        served = {upload.peer for upload in self._uploads.values()}
        assert len(served) <= self._table.settings.neighbours_served, "too many neighbours"
        listed = sum(len(uploads) for uploads in self._by_digest.values())
        assert listed == len(self._uploads), "an upload is in one table only"

    # -- inside

    def _refusal(self, peer: bytes, message: NeighbourRequest, source: Source | None) -> str:
        table = self._table
        session = table.by_id.get(message.session)
        if session is None or session.is_ending:
            return "this session is not open here"
        ticket, boot_id = session.hello.ticket, table.settings.boot_id
        if not is_proven(message.proof, ticket, boot_id, message.digest, message.offset):
            return "the ticket is not of this session"
        if source is None or message.offset > source.size:
            return "this session does not use this blob here"
        if table.is_frozen or table.is_leaving:
            return "the agent stands back"
        peers = {upload.peer for upload in self._uploads.values()}
        if peer not in peers and len(peers) >= table.settings.neighbours_served:
            return "the agent serves as many neighbours as it may"
        mine = sum(upload.peer == peer for upload in self._uploads.values())
        if mine >= MAX_UPLOADS_PER_PEER:
            return f"{MAX_UPLOADS_PER_PEER} blobs are on their way to this agent, the limit"
        return ""

    def _supply(self, upload: Upload, source: Source, now: float) -> None:
        if not source.path:
            return
        upload.is_whole = source.available_bytes == source.size
        upload.sign_at = now + SIGN_S
        if upload.is_open:
            order = ExtendUpload(upload.peer, upload.request, source.available_bytes)
            self._table.out.append(order)
            return
        upload.is_open = True
        self._table.out.append(
            OpenUpload(
                upload.peer,
                upload.request,
                source.path,
                source.size,
                upload.offset,
                source.available_bytes,
            )
        )

    def _turn_away(self, upload: Upload, text: str) -> None:
        self.done(upload.peer, NeighbourDone(request=upload.request))
        answer = BlobAnswer(request=upload.request, found=False, text=text)
        self._table.send(upload.peer, answer)

    def _forget(self, peer: bytes, request: int) -> Upload | None:
        upload = self._uploads.pop((peer, request), None)
        if upload is not None:
            same = self._by_digest[upload.digest]
            del same[peer, request]
            if not same:
                del self._by_digest[upload.digest]
        return upload
