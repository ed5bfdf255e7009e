"""Functions: what an id in ATTEMPTS stands for, and whether its files are here.

FETCHING until every blob is in the store and the files stand in the session's folder, then READY.
What cannot run on this computer is REFUSED (another agent may take it); what nobody can run,
because its files are missing or malformed, is UNUSABLE. Offering a function again starts it over
unless it is the same offer and still good.
"""

from __future__ import annotations

from typing import Final

from hxgrid.wire.messages import FunctionOffer
from hxgrid_agent.core.actions import LayOutFunction
from hxgrid_agent.core.admission import Admission
from hxgrid_agent.core.attempt import Function, FunctionState
from hxgrid_agent.core.blobs import BlobDesk
from hxgrid_agent.core.events import FunctionLaidOut
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import MAX_FUNCTIONS, CoreSettings
from hxgrid_agent.core.table import Table


class Functions:
    """Makes offered functions callable."""

    def __init__(self, table: Table, blobs: BlobDesk, admission: Admission) -> None:
        self._table = table
        self._blobs = blobs
        self._admission = admission

    def offered(self, session: Session, offer: FunctionOffer) -> None:
        """Learn what an id stands for from now on."""
        known = session.functions.get(offer.function)
        if known is not None and known.offer == offer and known.state in _GOOD:
            return
        if known is None and len(session.functions) >= MAX_FUNCTIONS:
            self._table.dropped += 1
            return
        function = session.functions[offer.function] = Function(offer)
        if known is not None:
            self._replace(session, known, function)
        problem = _objection(offer, self._table.settings)
        if problem:
            self._settle(session, function, FunctionState.REFUSED, problem)
            return
        if offer.kind == "native":
            function.put_into(session.native.find(offer.files))
            self._table.wants_hosts = True
        function.lacking = {entry.digest for entry in offer.files}
        for entry in offer.files:
            self._blobs.want(session, entry.digest, entry.bytes, function)
        self._lay_out_if_complete(session, function)

    def blob_here(self, session: Session, function: Function, digest: str) -> None:
        """Note that one of the files has arrived."""
        function.lacking.discard(digest)
        self._lay_out_if_complete(session, function)

    def blob_missing(
        self, session: Session, function: Function, text: str, *, is_refusal: bool
    ) -> None:
        """Give up a function one of whose files cannot be had."""
        state = FunctionState.REFUSED if is_refusal else FunctionState.UNUSABLE
        label = function.offer.label or function.offer.entry
        self._settle(session, function, state, f"files of function {label!r}: {text}")

    def laid_out(self, session: Session, event: FunctionLaidOut) -> None:
        """Let the attempts go that waited for it."""
        function = session.functions.get(event.function)
        if function is None or function.state is not FunctionState.FETCHING:
            return
        function.folder = event.folder
        function.paths = event.paths
        state = FunctionState.UNUSABLE if event.problem else FunctionState.READY
        self._settle(session, function, state, event.problem)

    def _lay_out_if_complete(self, session: Session, function: Function) -> None:
        if function.lacking or function.state is not FunctionState.FETCHING:
            return
        if function.offer.files:
            self._table.out.append(LayOutFunction(session, function))
        else:
            self._settle(session, function, FunctionState.READY, "")

    def _settle(
        self, session: Session, function: Function, state: FunctionState, problem: str
    ) -> None:
        function.state = state
        function.problem = problem
        self._admission.function_settled(session, function)

    def _replace(self, session: Session, known: Function, function: Function) -> None:
        function.pending, known.pending = known.pending, []
        for attempt in function.pending:
            attempt.function = function
        self._blobs.drop_waiter(session, known)
        for process in session.processes.values():
            process.functions.discard(function.id)


_GOOD: Final = (FunctionState.FETCHING, FunctionState.READY)


def _objection(offer: FunctionOffer, settings: CoreSettings) -> str:
    """Say why this computer cannot run it, if so."""
    if offer.kind == "native":
        return _native_objection(offer, settings)
    here = settings.capabilities
    wanted = offer.python_implementation
    if wanted and wanted != here.python_implementation:
        return f"{offer.label!r} needs {wanted}, this agent runs {here.python_implementation}"
    version = ".".join(here.python_version.split(".")[:2])
    if offer.python_version and offer.python_version != version:
        return f"{offer.label!r} needs Python {offer.python_version}, this agent runs {version}"
    return ""


def _native_objection(offer: FunctionOffer, settings: CoreSettings) -> str:
    if settings.native_problem:
        return f"agent {settings.name} cannot run {offer.label!r}: {settings.native_problem}"
    return "" if offer.files else f"{offer.label!r} is a native function without a file"
