"""Sessions: opened and resumed by `Hello`, kept by a lease, ended by `Goodbye` or silence.

A session survives its connection: ZeroMQ renews connections silently, and the new one has another
routing id, so a peer that speaks without `Hello` is asked who it is. A resumed session is told what
is held for it, and gets every result again that it has not acknowledged.

The end has three steps: processes end (idle ones by themselves, busy ones after the grace time),
then the files go, then the user is told. Whoever says `Hello` again in between is refused for the
moment: its old processes must not meet its new ones.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from hxgrid.wire.messages import (
    CancelAll,
    Ended,
    Goodbye,
    Hello,
    Protocol,
    Refusal,
    Welcome,
    WhoAreYou,
)
from hxgrid.wire.versions import is_compatible, mismatch_text
from hxgrid_agent.core.actions import (
    CloseSession,
    MoveSession,
    OpenSession,
    SendHoldings,
    SendResults,
)
from hxgrid_agent.core.attempt import Phase
from hxgrid_agent.core.blobs import BlobDesk
from hxgrid_agent.core.data import DataDesk
from hxgrid_agent.core.endings import Endings
from hxgrid_agent.core.pool import Pool
from hxgrid_agent.core.reports import Reports
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import END_GRACE_S
from hxgrid_agent.core.table import Table
from hxgrid_agent.core.uploads import Uploads

CLOSE_ANYWAY_S: Final = 1.5
"""A process that the system cannot kill (stuck in the kernel) does not hold its session longer."""


class Sessions:
    """Opens, resumes, renews and ends sessions."""

    def __init__(
        self,
        table: Table,
        pool: Pool,
        endings: Endings,
        *,
        blobs: BlobDesk,
        data: DataDesk,
        reports: Reports,
        uploads: Uploads,
    ) -> None:
        self._table = table
        self._pool = pool
        self._endings = endings
        self._blobs = blobs
        self._data = data
        self._reports = reports
        self._uploads = uploads
        self._handles = 0

    def hello(self, peer: bytes, hello: Hello, now: float) -> None:
        """Let a user in, or say why not."""
        hello = self._capped(hello)
        refusal = self._refusal(hello)
        session = self._table.by_id.get(hello.session)
        if refusal is not None:
            self._table.send(peer, refusal)
        elif session is None:
            self._open(peer, hello, now)
        elif not hmac.compare_digest(session.hello.ticket, hello.ticket):
            self._table.send(peer, Refusal(code="token", text="this session is somebody else's"))
        elif session.is_ending:
            self._table.send(peer, Refusal(code="busy", text="this session is ending here"))
        else:
            self._resume(peer, session, hello, now)

    def _capped(self, hello: Hello) -> Hello:
        """Grant no more time than the owner of this computer allows."""
        settings = self._table.settings
        granted = {
            "lease_s": min(hello.lease_s, settings.session_lease_s),
            "cancel_grace_s": min(hello.cancel_grace_s, settings.cancel_grace_s),
        }
        return hello.model_copy(update=granted)

    def heard(self, peers: Iterable[bytes], now: float) -> None:
        """Renew the leases of whoever gave a sign of life; ask strangers who they are.

        A user whose connection was renewed silently, and who waits for results, says nothing but
        PING: without the question it would take the answers for a sign that all is well.
        """
        by_peer = self._table.by_peer
        for peer in peers:
            session = by_peer.get(peer)
            if session is not None:
                session.heard_at = now
            else:
                self.stranger(peer)

    def stranger(self, peer: bytes) -> None:
        """Ask a peer that has no session who it is."""
        self._table.dropped += 1
        self._table.send(peer, WhoAreYou(boot_id=self._table.settings.boot_id))

    def goodbye(self, peer: bytes, message: Goodbye, now: float) -> None:
        """End a session because its user says so."""
        session = self._table.by_peer.get(peer)
        if session is None or session.id != message.session:
            # Said again after the session has ended: the answer got lost, not the session.
            self._end_for_stranger(peer, message.session, None)
            return
        session.says_ended = True
        if not session.is_ending:
            self._end(session, now)

    def cancel_all(self, peer: bytes, message: CancelAll, now: float) -> None:
        """Drop every attempt of a session, and say so when nothing of it runs any more."""
        session = self._table.by_peer.get(peer)
        if session is None or session.id != message.session:
            self._end_for_stranger(peer, message.session, message.request)
            return
        if session.is_ending:
            self._table.send(peer, Ended(session=message.session, request=message.request))
            return
        for attempt in session.attempts.values():
            attempt.is_cancelled = True  # what comes after this message is none of its business
        self._endings.cancel(session, list(session.attempts), now)
        session.cancel_requests.append(message.request)
        self.settle(session)

    def settle(self, session: Session) -> None:
        """Answer the `CancelAll`s of a session when nothing that they meant runs any more."""
        if not session.cancel_requests or any(
            attempt.is_cancelled
            for process in session.processes.values()
            for attempt in process.handed.values()
        ):
            return
        for request in session.cancel_requests:
            self._table.send(session.peer, Ended(session=session.id, request=request))
        session.cancel_requests.clear()
        # What has ended up to here was told before `Ended`, or is known by it.
        cancelled = [a.key for a in session.attempts.values() if a.is_cancelled]
        self._endings.forget(session, cancelled)

    def files_gone(self, handle: int) -> None:
        """The last step of the end."""
        session = self._table.sessions.pop(handle, None)
        if session is None:
            return
        del self._table.by_id[session.id]
        if self._table.by_peer.get(session.peer) is session:
            del self._table.by_peer[session.peer]
        if session.says_ended:
            self._table.send(session.peer, Ended(session=session.id))
        self._table.is_load_due = True

    def tick(self, now: float) -> None:
        """End the silent ones and close those whose processes are gone."""
        for session in list(self._table.sessions.values()):
            since = session.ending_since
            if since is None:
                if now >= session.heard_at + session.lease_s:
                    self._end(session, now)
            elif not session.processes or now >= since + CLOSE_ANYWAY_S:
                self._close(session)

    def next_deadline(self) -> float | None:
        """When a lease may end or an end must go on."""
        deadline: float | None = None
        for session in self._table.sessions.values():
            if session.is_closing:
                continue
            since = session.ending_since
            at = session.heard_at + session.lease_s if since is None else since + CLOSE_ANYWAY_S
            if deadline is None or at < deadline:
                deadline = at
        return deadline

    def end_all(self, now: float) -> None:
        """End every session, because the agent ends."""
        for session in list(self._table.sessions.values()):
            if not session.is_ending:
                self._end(session, now)

    def process_gone(self, session: Session) -> None:
        """Go on with the end of a session that has one process less."""
        if session.is_ending and not session.processes:
            self._close(session)

    def _end_for_stranger(self, peer: bytes, session: str, request: int | None) -> None:
        """Answer who has no session here: it is over, unless its connection was just renewed."""
        if session in self._table.by_id:
            self.stranger(peer)
        else:
            self._table.send(peer, Ended(session=session, request=request))

    def _refusal(self, hello: Hello) -> Refusal | None:
        settings = self._table.settings
        version = hello.protocol
        if not is_compatible(version.major):
            text = mismatch_text("the user program", version.major, version.minor)
            return Refusal(code="protocol", text=text)
        if self._table.is_leaving:
            return Refusal(code="draining", text=f"agent {settings.name} is ending")
        if len(self._table.sessions) >= settings.max_sessions and not self._knows(hello):
            text = f"agent {settings.name} has {settings.max_sessions} sessions, its limit"
            return Refusal(code="busy", text=text)
        return None

    def _knows(self, hello: Hello) -> bool:
        return hello.session in self._table.by_id

    def _open(self, peer: bytes, hello: Hello, now: float) -> None:
        table = self._table
        former = table.by_peer.pop(peer, None)
        if former is not None and not former.is_ending:
            self._end(former, now)  # one connection speaks for one session
        self._handles += 1
        session = Session(self._handles, hello, peer, now)
        table.sessions[session.handle] = session
        table.by_id[session.id] = session
        table.by_peer[peer] = session
        table.out.append(OpenSession(session))
        self._welcome(session, resumed=False)

    def _resume(self, peer: bytes, session: Session, hello: Hello, now: float) -> None:
        table = self._table
        old = session.peer
        if old != peer:
            if table.by_peer.get(old) is session:
                del table.by_peer[old]
            former = table.by_peer.get(peer)
            if former is not None and not former.is_ending:
                self._end(former, now)
            table.by_peer[peer] = session
            session.peer = peer
        # Over the same connection too: the user has begun anew, and so do we.
        table.out.append(MoveSession(session, old))
        session.hello = hello
        session.lease_s = hello.lease_s
        session.weight = hello.weight
        session.heard_at = now
        self._welcome(session, resumed=True)
        table.out.append(SendHoldings(session, list(session.attempts)))
        ended = [a for a in session.attempts.values() if a.phase is Phase.ENDED]
        if ended:
            table.out.append(SendResults(session, ended))
        self._data.resumed(session)
        self._blobs.resumed(session, now)

    def _welcome(self, session: Session, *, resumed: bool) -> None:
        settings = self._table.settings
        welcome = Welcome(
            protocol=Protocol(),
            boot_id=settings.boot_id,
            agent_name=settings.name,
            handle=session.handle,
            resumed=resumed,
            slots=settings.slots,
            capabilities=settings.capabilities,
            load=self._reports.load_of(session),
            neighbours_served=settings.neighbours_served,
        )
        self._table.send(session.peer, welcome)

    def _end(self, session: Session, now: float) -> None:
        session.ending_since = now
        self._endings.abandon(session)
        grace_s = min(session.hello.cancel_grace_s, END_GRACE_S)
        for process in list(session.processes.values()):
            self._pool.end_with_session(process, now, grace_s)
        self._data.session_ended(session)
        if not session.processes:
            self._close(session)

    def _close(self, session: Session) -> None:
        if session.is_closing:
            return
        session.is_closing = True
        self._blobs.session_ended(session)
        self._uploads.session_ended(session)
        self._table.out.append(CloseSession(session))
