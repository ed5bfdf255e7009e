"""The users' JSON messages, each led to the part that it concerns."""

from __future__ import annotations

from typing import assert_never

from hxgrid.wire import messages as wire
from hxgrid_agent.core.blobs import BlobDesk
from hxgrid_agent.core.data import DataDesk
from hxgrid_agent.core.functions import Functions
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.sessions import Sessions
from hxgrid_agent.core.table import Table
from hxgrid_agent.core.uploads import Uploads


class Documents:
    """Takes the messages of users and of strangers."""

    def __init__(
        self,
        table: Table,
        sessions: Sessions,
        functions: Functions,
        blobs: BlobDesk,
        data: DataDesk,
        uploads: Uploads,
    ) -> None:
        self._table = table
        self._sessions = sessions
        self._functions = functions
        self._blobs = blobs
        self._data = data
        self._uploads = uploads

    def take(self, peer: bytes, document: wire.ToAgent, now: float) -> None:
        """Take one message; of a stranger's few mean anything: it may be a user, or an agent."""
        session = self._table.by_peer.get(peer)
        if isinstance(document, wire.Hello):
            self._sessions.hello(peer, document, now)
        elif isinstance(document, wire.Goodbye):
            self._sessions.goodbye(peer, document, now)
        elif isinstance(document, wire.NeighbourRequest):
            self._blobs.requested(peer, document, now)
        elif isinstance(document, wire.NeighbourDone):
            self._uploads.done(peer, document)
        elif session is None:
            self._sessions.stranger(peer)
        elif isinstance(document, wire.CancelAll):
            session.heard_at = now
            self._sessions.cancel_all(peer, document, now)
        elif session.is_ending:
            self._table.dropped += 1
        else:
            session.heard_at = now
            self._take_from(session, document, now)

    def _take_from(
        self,
        session: Session,
        document: (
            wire.FunctionOffer
            | wire.BlobAnswer
            | wire.DataAnswer
            | wire.ForgetData
            | wire.ExpectNeighbour
        ),
        now: float,
    ) -> None:
        match document:
            case wire.FunctionOffer():
                self._functions.offered(session, document)
            case wire.BlobAnswer():
                self._blobs.answered(session, document, now)
            case wire.DataAnswer():
                self._data.answered(session, document)
            case wire.ForgetData():
                self._data.forgotten(session, document)
            case wire.ExpectNeighbour():
                self._uploads.expect(session, document)
            case _:
                assert_never(document)
