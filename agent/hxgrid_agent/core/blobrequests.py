"""What is asked of whom: for each blob on its way at most one request, of one source.

A source is the user of a session that wants the blob, named by the session's handle, or a neighbour
that such a user has named, which is asked in that user's name. Which of them comes next is for the
blob's `Fetch` to say; here are the numbers of the requests that are under way, and the words to
whom is asked, and to whom is asked no more. Only a source that was asked may answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from hxgrid.blobs.fetch import Fetch
from hxgrid.wire.limits import MAX_NEIGHBOURS
from hxgrid.wire.messages import BlobDone, Neighbour
from hxgrid_agent.core.actions import AskNeighbour, LeaveNeighbour, RequestBlob
from hxgrid_agent.core.blob import Blob
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.table import Table


class BlobRequests:
    """The requests under way."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._by_number: dict[int, Blob] = {}

    def find(self, number: int, source: str) -> tuple[Blob, Fetch] | None:
        """Return what this source was asked for by this number, if it still is."""
        blob = self._by_number.get(number)
        if blob is None or blob.fetch is None or blob.fetch.source != source:
            return None
        return blob, blob.fetch

    def asks_for(self, blob: Blob) -> Session | None:
        """Return the session in whose name a blob is asked for at the moment."""
        fetch = blob.fetch
        if fetch is None or fetch.source is None:
            return None
        if fetch.asks_neighbour:
            return blob.referrals[fetch.source][0]
        return self._table.sessions.get(int(fetch.source))

    def ask(self, blob: Blob, now: float) -> None:
        """Ask the next source; those that are of no use any more are passed over."""
        fetch = blob.fetch
        assert fetch is not None
        while (source := fetch.next_source(now)) is not None:
            number = self._table.next_number()
            fetch.asked(number, now)
            find = self._neighbour_order if fetch.asks_neighbour else self._user_order
            order = find(blob, source, number)
            if order is not None:
                self._by_number[number] = blob
                self._table.out.append(order)
                return
            fetch.failed(now)

    def refer(
        self, blob: Blob, session: Session, neighbours: Sequence[Neighbour], now: float
    ) -> None:
        """Ask those whom the session's user has named in its stead."""
        assert blob.fetch is not None
        self.forget(blob.fetch)
        own = self._table.settings.boot_id
        others = [each for each in neighbours if each.agent != own]
        blob.referrals.update((each.agent, (session, each)) for each in others)
        blob.fetch.refer([each.agent for each in others], now)
        self.ask(blob, now)

    def leave(self, blob: Blob, now: float) -> None:
        """Give the source under way up, and ask the next one."""
        assert blob.fetch is not None
        self.end(blob)
        blob.fetch.failed(now)
        self.ask(blob, now)

    def end(self, blob: Blob) -> None:
        """Want no more of the request under way, and say so to who would send it."""
        fetch = blob.fetch
        assert fetch is not None
        if self._by_number.get(fetch.request) is not blob:
            return  # there is none, or it was said before
        if fetch.source is not None and fetch.asks_neighbour:
            self._table.out.append(LeaveNeighbour(fetch.source, fetch.request))
        elif fetch.source is not None and not fetch.is_complete:
            session = self._table.sessions.get(int(fetch.source))
            if session is not None and not session.is_ending:
                self._table.send(session.peer, BlobDone(request=fetch.request))
        self.forget(fetch)

    def forget(self, fetch: Fetch) -> None:
        """Expect no more of the request under way; who was asked knows."""
        self._by_number.pop(fetch.request, None)

    def check(self) -> None:
        """Assert what must always hold."""
        for number, blob in self._by_number.items():
            assert blob.fetch is not None, f"request {number} for a blob that is not fetched"
            assert blob.fetch.request == number, f"request {number} is not under way"

    def _user_order(self, blob: Blob, source: str, number: int) -> RequestBlob | None:
        session = self._table.sessions.get(int(source))
        fetch = blob.fetch
        if fetch is None or session is None or session.handle not in blob.users:
            return None
        failed = tuple(fetch.failed_neighbours[-MAX_NEIGHBOURS:])
        return RequestBlob(session, number, blob.digest, blob.size, fetch.offset, failed)

    def _neighbour_order(self, blob: Blob, source: str, number: int) -> AskNeighbour | None:
        session, neighbour = blob.referrals[source]
        if blob.fetch is None or session.is_ending or session.handle not in blob.users:
            return None
        return AskNeighbour(session, neighbour, number, blob.digest, blob.fetch.offset)
