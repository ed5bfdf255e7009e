"""Blobs on their way: who waits for which, whom to ask, and how long they are kept.

One `Blob` per digest, however many sessions and names want it, so simultaneous wishes cost one
transfer. It leaves the books, and its pin goes, when the last session that uses it gives it up.

The user of a large blob may name a neighbour that has it; that one is asked in the user's stead,
and the user again if it does not serve. The user also tells the digests of the blob's chunks, so
that nobody's word is taken for any of them: a wrong one costs that chunk, and the neighbour that
sent it is not asked for this blob any more.

Whoever waits is a `Function` or a `DataEntry`; the desk reports by `settled`, which the core passes
on, so that it needs to know neither.
"""

from __future__ import annotations

from hxgrid.blobs.fetch import Fetch
from hxgrid.blobs.spread import SPREAD_FROM_BYTES
from hxgrid.streams.digests import CHUNK_BYTES
from hxgrid.wire.batches import Buffer
from hxgrid.wire.messages import BlobAnswer, BlobHeld, NeighbourRequest
from hxgrid_agent.core.actions import DropFetch, FindBlob, UnpinBlob, WriteBlob
from hxgrid_agent.core.blob import Blob, BlobState, Settled, Waiter, chunks_of
from hxgrid_agent.core.blobrequests import BlobRequests
from hxgrid_agent.core.events import (
    BlobBroken,
    BlobChunkReceived,
    BlobFound,
    BlobGrown,
    BlobStored,
    NeighbourAnswered,
    NeighbourChunkReceived,
    NeighbourLost,
)
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import FETCH_STALL_S
from hxgrid_agent.core.table import Table
from hxgrid_agent.core.uploads import Uploads


class BlobDesk:
    """Gets blobs for sessions."""

    def __init__(self, table: Table, uploads: Uploads) -> None:
        self._table = table
        self._uploads = uploads
        self._blobs: dict[str, Blob] = {}
        self._requests = BlobRequests(table)
        self.settled: list[Settled] = []
        """News for the core to pass on; it empties the list."""

    def want(self, session: Session, digest: str, size: int, waiter: Waiter) -> None:
        """Get a blob for a waiter, or tell it at once if it is here."""
        blob = self._blobs.get(digest)
        if blob is None:
            blob = self._blobs[digest] = Blob(digest, size)
            self._table.out.append(FindBlob(digest))
        blob.users.setdefault(session.handle, {})[id(waiter)] = waiter
        if blob.state is BlobState.HERE:
            self.settled.append(Settled(session, waiter, digest, blob.path))
            self._tell_held(blob, session)
            return
        blob.waiters.append((session, waiter))
        if blob.fetch is not None:
            blob.fetch.add_users([str(session.handle)])

    def drop_waiter(self, session: Session, waiter: Waiter) -> None:
        """Give up whatever this waiter uses."""
        for blob in list(self._blobs.values()):
            used = blob.users.get(session.handle)
            if used is not None and used.pop(id(waiter), None) is not None:
                blob.waiters = [pair for pair in blob.waiters if pair[1] is not waiter]
                if not used:
                    del blob.users[session.handle]
                    self._drop_if_unused(blob)

    def session_ended(self, session: Session) -> None:
        """Give up whatever a session uses."""
        for blob in list(self._blobs.values()):
            if blob.users.pop(session.handle, None) is not None:
                blob.waiters = [pair for pair in blob.waiters if pair[0] is not session]
                fetch = blob.fetch
                if fetch is not None and self._requests.asks_for(blob) is session:
                    self._requests.end(blob)
                    fetch.source = None
                self._drop_if_unused(blob)

    def resumed(self, session: Session, now: float) -> None:
        """Ask again for what may have been lost with a session's old connection."""
        for blob in self._blobs.values():
            fetch = blob.fetch
            if fetch is not None and fetch.source == str(session.handle):
                self._requests.forget(fetch)
                fetch.interrupted(now)
            elif blob.state is BlobState.HERE and session.handle in blob.users:
                self._tell_held(blob, session)
        self.tick(now)

    def found(self, event: BlobFound, now: float) -> None:
        """Go on with a blob after the look into the store."""
        blob = self._blobs.get(event.digest)
        if blob is None or blob.state is not BlobState.FINDING:
            # Looked for twice, because it was given up and wanted again while the disk was slow.
            if event.path is not None:
                self._table.out.append(UnpinBlob(event.digest))
        elif event.path is not None:
            self._arrived(blob, event.path, now)
        else:
            sources = [str(handle) for handle in blob.users]
            blob.fetch = Fetch(blob.digest, blob.size, sources, stall_after_s=FETCH_STALL_S)
            blob.state = BlobState.FETCHING
            self._requests.ask(blob, now)

    def answered(self, session: Session, answer: BlobAnswer, now: float) -> None:
        """Hear from a user whether it serves a blob, or who does."""
        asked = self._requests.find(answer.request, str(session.handle))
        if asked is None:
            self._table.dropped += 1
            return
        blob, fetch = asked
        if answer.found and answer.bytes == blob.size:
            fetch.chunks = fetch.chunks or chunks_of(blob, answer)
            if answer.elsewhere:
                self._requests.refer(blob, session, answer.elsewhere, now)
                return
            fetch.heard(now)
            if fetch.is_complete:
                self._write(blob, blob.size, b"")
            return
        text = answer.text or "the application does not have them any more"
        if answer.found:
            text = f"announced as {blob.size} bytes, but there are {answer.bytes}"
        self._requests.forget(fetch)
        fetch.failed(now)
        self._give_up(blob, session, text, is_refusal=False)

    def chunk(self, session: Session, event: BlobChunkReceived, now: float) -> None:
        """Take the next piece of a blob from a user."""
        self._take_piece(str(session.handle), event.request, event.offset, event.payload, now)

    # -- neighbours

    def neighbour_answered(self, event: NeighbourAnswered, now: float) -> None:
        """Hear from another agent whether it serves a blob."""
        asked = self._requests.find(event.answer.request, event.agent)
        if asked is None:
            return  # left in the meantime
        blob, fetch = asked
        if event.answer.found:
            fetch.heard(now)
        else:
            self._requests.leave(blob, now)

    def neighbour_chunk(self, event: NeighbourChunkReceived, now: float) -> None:
        """Take the next piece of a blob from another agent."""
        self._take_piece(event.agent, event.request, event.offset, event.payload, now)

    def neighbour_lost(self, event: NeighbourLost, now: float) -> None:
        """Ask somebody else for what a neighbour was asked for."""
        for blob in list(self._blobs.values()):
            if blob.fetch is not None and blob.fetch.source == event.agent:
                self._requests.leave(blob, now)

    def requested(self, peer: bytes, message: NeighbourRequest, now: float) -> None:
        """Hear from another agent that it wants a blob."""
        session = self._table.by_id.get(message.session)
        blob = self._blobs.get(message.digest)
        if blob is not None and (session is None or session.handle not in blob.users):
            blob = None
        self._uploads.requested(peer, message, blob, now)

    def grown(self, event: BlobGrown, now: float) -> None:
        """Pass on what has been checked."""
        blob = self._blobs.get(event.digest)
        if blob is not None and blob.fetch is not None:
            blob.path = event.path
            blob.available_bytes = event.checked_bytes
            self._uploads.supplied(blob.digest, blob, now)

    # -- what the disk says

    def stored(self, event: BlobStored, now: float) -> None:
        """Tell whoever waits that a blob is here."""
        blob = self._blobs.get(event.digest)
        if blob is None or blob.state is not BlobState.WRITING:
            self._table.out.append(UnpinBlob(event.digest))
        else:
            self._arrived(blob, event.path, now)

    def broken(self, event: BlobBroken, now: float) -> None:
        """Ask again for what arrived damaged; give up what this disk does not take."""
        blob = self._blobs.get(event.digest)
        if blob is None or blob.fetch is None:
            return
        self._requests.end(blob)
        if event.is_damaged:
            blob.state = BlobState.FETCHING
            until = event.good_bytes + CHUNK_BYTES if blob.fetch.chunks else blob.size
            blob.fetch.start_again(now, event.good_bytes, until)
            if event.good_bytes < blob.available_bytes:
                blob.path, blob.available_bytes = "", 0
                self._uploads.withdrawn(blob.digest)
            return
        for session, _ in list(blob.waiters):
            self._give_up(blob, session, event.text, is_refusal=True)

    def tick(self, now: float) -> None:
        """Ask where nothing is under way, and elsewhere where nothing comes."""
        for blob in list(self._blobs.values()):
            fetch = blob.fetch
            if fetch is None or blob.state is not BlobState.FETCHING:
                continue
            if fetch.is_stalled(now):
                self._requests.leave(blob, now)
            self._requests.ask(blob, now)

    def next_deadline(self) -> float | None:
        """When somebody must be asked."""
        deadline: float | None = None
        for blob in self._blobs.values():
            if blob.fetch is not None and blob.state is BlobState.FETCHING:
                at = blob.fetch.next_deadline()
                if at is not None and (deadline is None or at < deadline):
                    deadline = at
        return deadline

    def check(self) -> None:
        """Assert what must always hold."""
        self._requests.check()
        for blob in self._blobs.values():
            assert blob.users, f"blob {blob.digest} has no user"
            assert not (blob.state is BlobState.HERE and blob.waiters), "told nobody of a blob"

    def _take_piece(
        self, source: str, request: int, offset: int, payload: Buffer, now: float
    ) -> None:
        asked = self._requests.find(request, source)
        if asked is None:
            self._table.dropped += 1
            return
        blob, fetch = asked
        if fetch.take(request, offset, len(payload), now):
            self._write(blob, offset, payload)
        else:
            self._requests.leave(blob, now)

    def _write(self, blob: Blob, offset: int, payload: Buffer) -> None:
        fetch = blob.fetch
        assert fetch is not None
        self._table.out.append(WriteBlob(blob.digest, blob.size, offset, payload, fetch.chunks))
        if fetch.is_complete:
            self._requests.end(blob)
            blob.state = BlobState.WRITING

    def _arrived(self, blob: Blob, path: str, now: float) -> None:
        blob.state = BlobState.HERE
        blob.path = path
        blob.available_bytes = blob.size
        blob.fetch = None
        blob.referrals.clear()
        waiters, blob.waiters = blob.waiters, []
        self.settled += [Settled(session, waiter, blob.digest, path) for session, waiter in waiters]
        self._uploads.supplied(blob.digest, blob, now)
        for handle in blob.users:
            self._tell_held(blob, self._table.sessions[handle])

    def _tell_held(self, blob: Blob, session: Session) -> None:
        if blob.size >= SPREAD_FROM_BYTES and self._table.settings.neighbours_served:
            self._table.send(session.peer, BlobHeld(digest=blob.digest))

    def _give_up(self, blob: Blob, session: Session, text: str, *, is_refusal: bool) -> None:
        told = [waiter for one, waiter in blob.waiters if one is session]
        blob.waiters = [pair for pair in blob.waiters if pair[0] is not session]
        for waiter in told:
            self.settled.append(
                Settled(session, waiter, blob.digest, "", text, is_refusal=is_refusal)
            )
        blob.users.pop(session.handle, None)
        self._drop_if_unused(blob)

    def _drop_if_unused(self, blob: Blob) -> None:
        if blob.users:
            return
        del self._blobs[blob.digest]
        self._uploads.withdrawn(blob.digest)
        if blob.fetch is not None:
            self._requests.end(blob)
            self._table.out.append(DropFetch(blob.digest))
        elif blob.state is BlobState.HERE:
            self._table.out.append(UnpinBlob(blob.digest))
