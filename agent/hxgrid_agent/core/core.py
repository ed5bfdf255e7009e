"""The agent's decisions in one object: facts in, orders out.

    core = AgentCore(settings)
    for action in core.handle(event, now): ...      # the driver carries them out, in this order
    for action in core.tick(now): ...               # when next_deadline() has passed

It admits attempts, gets what their functions need, deals slots to sessions, watches the processes,
stands back for the owner, and tells the users. Each of these is a part of its own that works on
the common `Table`; here they are only joined, and events are led to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from hxgrid_agent.core import events as ev
from hxgrid_agent.core.actions import Action
from hxgrid_agent.core.admission import Admission
from hxgrid_agent.core.attempt import Function
from hxgrid_agent.core.blobs import BlobDesk
from hxgrid_agent.core.check import check_books
from hxgrid_agent.core.data import DataDesk
from hxgrid_agent.core.documents import Documents
from hxgrid_agent.core.endings import Endings
from hxgrid_agent.core.functions import Functions
from hxgrid_agent.core.memory import MemoryGuard
from hxgrid_agent.core.pool import Pool
from hxgrid_agent.core.process import SlotProcess
from hxgrid_agent.core.reports import Reports, Summary
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.sessions import Sessions
from hxgrid_agent.core.settings import CoreSettings
from hxgrid_agent.core.sharing import Dealer
from hxgrid_agent.core.suspension import Suspension
from hxgrid_agent.core.table import Table
from hxgrid_agent.core.uploads import Uploads
from hxgrid_agent.core.watch import Watch


class AgentCore:
    """Decides everything that an agent does. No sockets, threads, clock or files."""

    def __init__(self, settings: CoreSettings) -> None:
        table = self.table = Table(settings)
        self._endings = Endings(table)
        self._pool = Pool(table, self._endings)
        self._dealer = Dealer(table, self._pool)
        self._admission = Admission(table)
        self._uploads = Uploads(table)
        self._blobs = BlobDesk(table, self._uploads)
        self._data = DataDesk(table, self._blobs)
        self._functions = Functions(table, self._blobs, self._admission)
        self._watch = Watch(table, self._pool)
        self._suspension = Suspension(table, self._endings, self._watch)
        self._memory = MemoryGuard(table, self._pool)
        self._reports = Reports(table, self._suspension)
        self._sessions = Sessions(
            table,
            self._pool,
            self._endings,
            blobs=self._blobs,
            data=self._data,
            reports=self._reports,
            uploads=self._uploads,
        )
        self._documents = Documents(
            table, self._sessions, self._functions, self._blobs, self._data, self._uploads
        )
        self._deadlines: tuple[Callable[[], float | None], ...] = (
            self._sessions.next_deadline,
            self._pool.next_deadline,
            self._watch.next_deadline,
            self._blobs.next_deadline,
            self._uploads.next_deadline,
            self._suspension.next_deadline,
            self._reports.next_deadline,
        )

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is left: no session and no process."""
        return not self.table.sessions and not self.table.processes

    def handle(self, event: ev.Event, now: float) -> list[Action]:
        """Take in one fact; return what is to be done about it."""
        match event:
            case ev.AttemptsEnded():
                self._attempts_ended(event, now)
            case ev.AttemptsReceived(peer, handle, records):
                if session := self._spoken_for(peer, handle, now):
                    self._admission.receive(session, records)
            case ev.ResultsAcknowledged(peer, handle, keys):
                if session := self._spoken_for(peer, handle, now):
                    self._endings.acknowledge(session, keys)
            case ev.PeersHeard(peers):
                self._sessions.heard(self._uploads.heard(peers, now), now)
            case _:
                self._handle_other(event, now)
        return self._finish(now)

    def tick(self, now: float) -> list[Action]:
        """Do what time alone makes due."""
        self._sessions.tick(now)
        self._pool.tick(now)
        self._watch.tick(now)
        self._blobs.tick(now)
        self._uploads.tick(now)
        self._suspension.tick(now)
        self._reports.tick(now)
        return self._finish(now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do if nothing else happens."""
        deadline: float | None = None
        for ask in self._deadlines:
            at = ask()
            if at is not None and (deadline is None or at < deadline):
                deadline = at
        return deadline

    def summary(self) -> Summary:
        """Describe the agent for the coordinator and for people."""
        return self._reports.summary(self._pool.problem)

    def check(self) -> None:
        """Assert every invariant; tests call it after each step."""
        check_books(self.table)
        self._pool.check()
        self._blobs.check()
        self._uploads.check()
        self._data.check()

    def _handle_other(
        self,
        event: (
            ev.SessionEvent | ev.BlobEvent | ev.NeighbourEvent | ev.ProcessEvent | ev.HostEvent
        ),
        now: float,
    ) -> None:
        """Lead the rarer events to their parts."""
        if isinstance(event, ev.ProcessEvent):
            process = self.table.processes.get(event.process)
            if process is not None:
                self._about_process(event, process, now)
        elif isinstance(event, ev.BlobEvent):
            self._about_blob(event, now)
        elif isinstance(event, ev.NeighbourEvent):
            self._about_neighbour(event, now)
        elif isinstance(event, ev.HostEvent):
            self._about_host(event, now)
        else:
            self._about_session(event, now)

    def _about_session(self, event: ev.SessionEvent, now: float) -> None:
        match event:
            case ev.DocumentReceived(peer, document):
                self._documents.take(peer, document, now)
            case ev.CancelReceived(peer, handle, keys):
                if session := self._spoken_for(peer, handle, now):
                    self._endings.cancel(session, keys, now)
            case ev.RecallReceived(peer, handle, keys):
                if session := self._spoken_for(peer, handle, now):
                    self._endings.recall(session, keys)
            case ev.SessionFilesGone(handle):
                self._sessions.files_gone(handle)
            case ev.InputArrived() | ev.InputFailed() | ev.FunctionLaidOut():
                if session := self.table.sessions.get(event.handle):
                    self._about_files(event, session)
            case _:
                assert_never(event)

    def _about_files(
        self, event: ev.InputArrived | ev.InputFailed | ev.FunctionLaidOut, session: Session
    ) -> None:
        match event:
            case ev.InputArrived():
                self._admission.input_arrived(session, event.key, event.path)
            case ev.InputFailed():
                self._admission.input_failed(session, event.key, event.text)
            case ev.FunctionLaidOut():
                self._functions.laid_out(session, event)
            case _:
                assert_never(event)

    def _about_blob(self, event: ev.BlobEvent, now: float) -> None:
        match event:
            case ev.BlobChunkReceived(peer):
                if session := self.table.by_peer.get(peer):
                    session.heard_at = now
                    self._blobs.chunk(session, event, now)
            case ev.BlobFound():
                self._blobs.found(event, now)
            case ev.BlobGrown():
                self._blobs.grown(event, now)
            case ev.BlobStored():
                self._blobs.stored(event, now)
            case ev.BlobBroken():
                self._blobs.broken(event, now)
            case _:
                assert_never(event)

    def _about_neighbour(self, event: ev.NeighbourEvent, now: float) -> None:
        match event:
            case ev.NeighbourChunkReceived():
                self._blobs.neighbour_chunk(event, now)
            case ev.NeighbourAnswered():
                self._blobs.neighbour_answered(event, now)
            case ev.NeighbourLost():
                self._blobs.neighbour_lost(event, now)
            case ev.UploadEnded():
                self._uploads.ended(event)
            case _:
                assert_never(event)

    def _about_host(self, event: ev.HostEvent, now: float) -> None:
        match event:
            case ev.Sampled():
                self._suspension.sampled(event, now)
                self._memory.sampled(now)
            case ev.OwnerWishes():
                self._suspension.wishes(event, now)
            case ev.AgentLeaves():
                self._leave(now)
            case _:
                assert_never(event)

    def _about_process(self, event: ev.ProcessEvent, process: SlotProcess, now: float) -> None:
        match event:
            case ev.ProcessReady():
                self._pool.ready(process, now)
            case ev.ProcessSeen():
                self._watch.seen(event, now)
            case ev.ProcessDied():
                session = self.table.whose(process)
                self._pool.died(event, process, now)
                if session is not None:
                    self._sessions.settle(session)
                    self._sessions.process_gone(session)
            case ev.AttemptsReturned() | ev.ProgressReported() | ev.DataWanted() | ev.DataFreed():
                session = self.table.whose(process)
                if session is None:
                    self.table.dropped += 1
                else:
                    self._from_process(event, process, session, now)
            case _:
                assert_never(event)

    def _from_process(
        self,
        event: ev.AttemptsReturned | ev.ProgressReported | ev.DataWanted | ev.DataFreed,
        process: SlotProcess,
        session: Session,
        now: float,
    ) -> None:
        match event:
            case ev.AttemptsReturned():
                self._endings.returned(event, process, session)
                # Else it is stuck: what it gave back is for others.
                if len(process.handed) < len(process.slots):
                    self._dealer.refill(process, session, now)
                self._sessions.settle(session)
            case ev.ProgressReported():
                self._reports.progressed(session, event)
                self._watch.progressed(process, event.key, now)
            case ev.DataWanted():
                self._data.wanted(session, event)
            case ev.DataFreed():
                self._data.freed(session, event)
            case _:
                assert_never(event)

    def _attempts_ended(self, event: ev.AttemptsEnded, now: float) -> None:
        process = self.table.processes.get(event.process)
        session = self.table.whose(process) if process is not None else None
        if process is None or session is None:
            self.table.dropped += len(event.records)
            return
        self._endings.from_process(event, process, session, now)
        self._dealer.refill(process, session, now)
        if session.cancel_requests:
            self._sessions.settle(session)

    def _spoken_for(self, peer: bytes, handle: int, now: float) -> Session | None:
        session = self.table.session_of(peer, handle)
        if session is not None:
            session.heard_at = now
        elif peer in self.table.by_peer:
            self.table.dropped += 1  # an old handle, or a session that is ending
        else:
            self._sessions.stranger(peer)
        return session

    def _leave(self, now: float) -> None:
        table = self.table
        table.is_leaving = True
        table.reason = "the agent is ending"
        for session in table.sessions.values():
            if not session.is_ending:
                self._endings.give_back_waiting(session)
        self._reports.tell_now(now)
        self._sessions.end_all(now)
        self._pool.drop_unassigned(now)

    def _finish(self, now: float) -> list[Action]:
        """Do what an event has made possible, and hand over the orders."""
        table = self.table
        while self._blobs.settled:
            self._pass_on_blobs()
        if table.hungry:
            self._dealer.deal(now)
        else:
            table.unmet = table.unmet_hosts = 0
        self._pool.replenish(now)
        if table.is_load_due:
            self._reports.tick(now)
        out, table.out = table.out, []
        return out

    def _pass_on_blobs(self) -> None:
        news, self._blobs.settled = self._blobs.settled, []
        for session, waiter, digest, path, problem, is_refusal in news:
            if session.is_ending:
                continue
            if isinstance(waiter, Function):
                if problem:
                    self._functions.blob_missing(session, waiter, problem, is_refusal=is_refusal)
                else:
                    self._functions.blob_here(session, waiter, digest)
            elif problem:
                self._data.blob_missing(session, waiter, problem)
            else:
                self._data.blob_here(waiter, path)
