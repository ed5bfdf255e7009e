"""Blobs on their way: who waits for which, whom to ask, and how long they are kept.

One `Blob` per digest, however many sessions and names want it, so simultaneous wishes cost one
transfer. Its life: FINDING (is it in the store?), FETCHING (asked from the user of a session that
wants it), HERE (pinned once in the store for all users). It leaves the books, and its pin goes,
when the last session that uses it gives it up.

Whoever waits is a `Function` or a `DataEntry`; the desk reports by `settled`, which the core passes
on, so that it needs to know neither.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from hxgrid.blobs.fetch import Fetch
from hxgrid.wire.batches import Buffer
from hxgrid.wire.messages import BlobAnswer
from hxgrid_agent.core.actions import DropFetch, FindBlob, RequestBlob, UnpinBlob, WriteBlob
from hxgrid_agent.core.attempt import Function
from hxgrid_agent.core.dataentry import DataEntry
from hxgrid_agent.core.events import BlobBroken, BlobChunkReceived, BlobFound, BlobStored
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import FETCH_STALL_S
from hxgrid_agent.core.table import Table

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

    __slots__ = ("digest", "fetch", "path", "size", "state", "users", "waiters")

    def __init__(self, digest: str, size: int) -> None:
        self.digest = digest
        self.size = size
        self.state = BlobState.FINDING
        self.path = ""
        self.fetch: Fetch | None = None
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


class BlobDesk:
    """Gets blobs for sessions."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._blobs: dict[str, Blob] = {}
        self._by_request: dict[int, Blob] = {}
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
            return
        blob.waiters.append((session, waiter))
        if blob.fetch is not None:
            blob.fetch.add_sources([str(session.handle)])

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
                if blob.fetch is not None and blob.fetch.source == str(session.handle):
                    self._forget_request(blob.fetch)
                    blob.fetch.source = None
                self._drop_if_unused(blob)

    def resumed(self, session: Session, now: float) -> None:
        """Ask again for what may have been lost with a session's old connection."""
        for blob in self._blobs.values():
            fetch = blob.fetch
            if fetch is not None and fetch.source == str(session.handle):
                self._forget_request(fetch)
                fetch.source = None
                fetch.pause_until = now
        self.tick(now)

    def found(self, event: BlobFound, now: float) -> None:
        """Go on with a blob after the look into the store."""
        blob = self._blobs.get(event.digest)
        if blob is None or blob.state is not BlobState.FINDING:
            # Looked for twice, because it was given up and wanted again while the disk was slow.
            if event.path is not None:
                self._table.out.append(UnpinBlob(event.digest))
        elif event.path is not None:
            self._arrived(blob, event.path)
        else:
            sources = [str(handle) for handle in blob.users]
            blob.fetch = Fetch(blob.digest, blob.size, sources, stall_after_s=FETCH_STALL_S)
            blob.state = BlobState.FETCHING
            self._ask(blob, now)

    def answered(self, session: Session, answer: BlobAnswer, now: float) -> None:
        """Hear from a user whether it serves a blob."""
        blob = self._by_request.get(answer.request)
        if blob is None or blob.fetch is None or blob.fetch.source != str(session.handle):
            self._table.dropped += 1
            return
        if answer.found and answer.bytes == blob.size:
            if blob.fetch.is_complete:
                self._write(blob, blob.size, b"")
            return
        text = answer.text or "the application does not have them any more"
        if answer.found:
            text = f"announced as {blob.size} bytes, but there are {answer.bytes}"
        self._forget_request(blob.fetch)
        blob.fetch.failed(now)
        self._give_up(blob, session, text, is_refusal=False)

    def chunk(self, session: Session, event: BlobChunkReceived, now: float) -> None:
        """Take the next piece of a blob."""
        blob = self._by_request.get(event.request)
        count = len(event.payload)
        if blob is None or blob.fetch is None or blob.fetch.source != str(session.handle):
            self._table.dropped += 1
        elif blob.fetch.take(event.request, event.offset, count, now):
            self._write(blob, event.offset, event.payload)
        else:
            self._forget_request(blob.fetch)
            blob.fetch.failed(now)

    def stored(self, event: BlobStored) -> None:
        """Tell whoever waits that a blob is here."""
        blob = self._blobs.get(event.digest)
        if blob is None or blob.state is not BlobState.WRITING:
            self._table.out.append(UnpinBlob(event.digest))
        else:
            self._arrived(blob, event.path)

    def broken(self, event: BlobBroken, now: float) -> None:
        """Ask again for what arrived damaged; give up what this disk does not take."""
        blob = self._blobs.get(event.digest)
        if blob is None or blob.fetch is None:
            return
        self._forget_request(blob.fetch)
        if event.is_damaged:
            blob.state = BlobState.FETCHING
            blob.fetch.start_again(now)
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
                self._forget_request(fetch)
                fetch.failed(now)
            self._ask(blob, now)

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
        for request, blob in self._by_request.items():
            assert blob.fetch is not None, f"request {request} for a blob that is not fetched"
            assert blob.fetch.request == request, f"request {request} is not under way"
        for blob in self._blobs.values():
            assert blob.users, f"blob {blob.digest} has no user"
            assert not (blob.state is BlobState.HERE and blob.waiters), "told nobody of a blob"

    def _ask(self, blob: Blob, now: float) -> None:
        fetch = blob.fetch
        assert fetch is not None
        source = fetch.next_source(now)
        if source is None:
            return
        session = self._table.sessions.get(int(source))
        if session is None or session.handle not in blob.users:
            fetch.failed(now)
            return
        request = self._table.next_number()
        fetch.asked(request, now)
        self._by_request[request] = blob
        order = RequestBlob(session, request, blob.digest, blob.size, fetch.offset)
        self._table.out.append(order)

    def _write(self, blob: Blob, offset: int, payload: Buffer) -> None:
        assert blob.fetch is not None
        self._table.out.append(WriteBlob(blob.digest, blob.size, offset, payload))
        if blob.fetch.is_complete:
            self._forget_request(blob.fetch)
            blob.state = BlobState.WRITING

    def _arrived(self, blob: Blob, path: str) -> None:
        blob.state = BlobState.HERE
        blob.path = path
        blob.fetch = None
        waiters, blob.waiters = blob.waiters, []
        self.settled += [Settled(session, waiter, blob.digest, path) for session, waiter in waiters]

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
        if blob.fetch is not None:
            self._forget_request(blob.fetch)
            self._table.out.append(DropFetch(blob.digest))
        elif blob.state is BlobState.HERE:
            self._table.out.append(UnpinBlob(blob.digest))

    def _forget_request(self, fetch: Fetch) -> None:
        self._by_request.pop(fetch.request, None)
