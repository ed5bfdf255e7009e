"""Carrying out what the core orders: each action goes to the part that can do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from hxgrid.logs import get_logger
from hxgrid.transport.security import AllowList
from hxgrid.wire.messages import BlobRequest
from hxgrid_agent.blob_work import BlobWork
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.session import Session
from hxgrid_agent.folders import SessionFolder, WorkFolder, remove_tree
from hxgrid_agent.neighbours import Neighbours
from hxgrid_agent.peers import Peers
from hxgrid_agent.processes import Processes
from hxgrid_agent.side_thread import SideThread
from hxgrid_agent.transfers import Transfers
from hxgrid_agent.uploads import Uploading


class Orders:
    """Carries out actions in their order. Belongs to the loop's thread."""

    def __init__(
        self,
        peers: Peers,
        transfers: Transfers,
        processes: Processes,
        blobs: BlobWork,
        neighbours: Neighbours,
        uploading: Uploading,
        *,
        allowed: AllowList,
        folder: WorkFolder,
        side: SideThread,
        on_event: Callable[[ev.Event], None],
    ) -> None:
        self._peers = peers
        self._transfers = transfers
        self._processes = processes
        self._blobs = blobs
        self._neighbours = neighbours
        self._uploading = uploading
        self._allowed = allowed
        self._folder = folder
        self._side = side
        self._on_event = on_event
        self._folders: dict[int, SessionFolder] = {}
        """By session handle."""
        self.error_count = 0
        """Orders that could not be carried out for a reason that nobody foresaw."""
        self._log = get_logger("agent")

    def carry_out(self, actions: Sequence[act.Action]) -> None:
        """Do what the core orders. One order that fails must not stop the others."""
        for action in actions:
            try:
                self._carry_out(action)
            except Exception:  # noqa: BLE001 - said in the log, counted, and the loop goes on
                self.error_count += 1
                self._log.exception("order failed", order=type(action).__name__)

    def _carry_out(self, action: act.Action) -> None:
        match action:
            case act.SendResults(session, attempts):
                self._peers.add_results(session, attempts)
            case act.RunAttempts():
                self._processes.run(action)
            case act.SendDocument(peer, document):
                self._peers.send_document(peer, document)
            case act.SendHoldings(session, keys):
                self._peers.send_holdings(session, keys)
            case act.StartProcess(process):
                self._processes.start(process)
            case act.AssignProcess():
                self._assign(action)
            case act.FreezeProcesses(processes):
                self._processes.freeze(processes)
            case act.ThawProcesses(processes):
                self._processes.thaw(processes)
            case _:
                self._carry_out_other(action)

    def _carry_out_other(self, action: act.Action) -> None:
        if isinstance(action, act.ProcessOrder):
            self._processes.order(action)
        elif isinstance(action, act.BlobOrder):
            self._blobs.order(action)
        elif isinstance(action, act.SessionOrder):
            self._about_session(action)
        elif isinstance(action, act.NeighbourOrder):
            self._about_neighbour(action)
        else:
            raise AssertionError(f"nobody carries out {type(action).__name__}")

    def _about_session(self, action: act.SessionOrder) -> None:
        session = action.session
        match action:
            case act.OpenSession():
                self._open(session)
            case act.MoveSession(_, old_peer):
                self._peers.forget(session)
                self._transfers.move(session, old_peer)
            case act.CloseSession():
                self._close(session)
            case act.ExpectInput(_, attempt):
                folder = self._folders[session.handle]
                self._transfers.expect_input(session, attempt, folder.exchange)
            case act.DropInput(_, attempt):
                self._transfers.drop_input(session, attempt)
            case act.DropResult(_, key, path):
                self._transfers.drop_result(session, key, path)
            case act.RequestBlob(_, request, digest, _, offset, failed):
                message = BlobRequest(
                    request=request,
                    digest=digest,
                    offset=offset,
                    ticket=session.hello.ticket,
                    failed=failed,
                )
                self._peers.send_document(session.peer, message)
            case act.LayOutFunction():
                self._blobs.lay_out(action, self._folders[session.handle])
            case _:
                assert_never(action)

    def _about_neighbour(self, action: act.NeighbourOrder) -> None:
        match action:
            case act.AskNeighbour():
                self._neighbours.ask(action)
            case act.LeaveNeighbour():
                self._neighbours.leave(action)
            case act.OpenUpload():
                self._uploading.open(action)
            case act.ExtendUpload():
                self._uploading.extend(action)
            case act.CloseUpload():
                self._uploading.close(action)
            case act.LetNeighbourIn(key):
                self._allowed.let_neighbour_in(key)
            case act.ForbidNeighbour(key):
                self._allowed.forbid_neighbour(key)
            case _:
                assert_never(action)

    def _assign(self, action: act.AssignProcess) -> None:
        session = action.session
        folder = self._folders[session.handle]
        threshold = session.hello.compress_threshold_bytes
        self._processes.assign(action.process, session.id, threshold, folder)

    def _open(self, session: Session) -> None:
        folder = self._folders[session.handle] = self._folder.session(session.handle)
        self._transfers.open(session)
        try:
            folder.make()
        except OSError as error:
            # What needs the folder will say so; what does not, works.
            self._log.error("a session has no folder", session=session.id, why=error)
        self._log.info("session opened", session=session.id, user=session.who)

    def _close(self, session: Session) -> None:
        self._peers.forget(session)
        self._transfers.close(session)
        folder = self._folders.pop(session.handle)
        handle = session.handle

        def tell(_: None, problem: Exception | None) -> None:
            if problem is not None:
                self._log.warning("files of a session stay", folder=folder.path, why=problem)
            self._log.info("session closed", session=session.id, user=session.who)
            self._on_event(ev.SessionFilesGone(handle))

        self._side.run(lambda: remove_tree(folder.path), tell)
