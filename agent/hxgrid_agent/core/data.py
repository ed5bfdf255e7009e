"""Global data: which blob a name stands for, asked once however many slots wait.

Failures are not kept: the next `get_data` asks again. A name whose copy was freed keeps its blob's
digest unless it is volatile, so that it costs no second question to the application.
"""

from __future__ import annotations

from hxgrid.wire.messages import DataAnswer, DataRequest, ForgetData
from hxgrid_agent.core.actions import AnswerData
from hxgrid_agent.core.blobs import BlobDesk
from hxgrid_agent.core.dataentry import DataEntry, DataState
from hxgrid_agent.core.events import DataFreed, DataWanted
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import MAX_DATA_NAMES
from hxgrid_agent.core.table import Table


class DataDesk:
    """Answers the processes' wishes for global data."""

    def __init__(self, table: Table, blobs: BlobDesk) -> None:
        self._table = table
        self._blobs = blobs
        self._by_request: dict[int, tuple[Session, DataEntry]] = {}

    def wanted(self, session: Session, event: DataWanted) -> None:
        """Answer at once, or let the process wait for the answer."""
        entry = session.data.get(event.name)
        if entry is not None and entry.state is DataState.HERE:
            self._answer(event.process, event.request, entry.path)
        elif entry is not None:
            entry.waiters.append((event.process, event.request))
            if entry.state is DataState.FREED:
                self._fetch(session, entry)
        elif len(session.data) >= MAX_DATA_NAMES:
            text = f"the session holds {MAX_DATA_NAMES} names of global data, the limit"
            self._answer(event.process, event.request, None, text)
        else:
            entry = session.data[event.name] = DataEntry(event.name, self._table.next_number())
            entry.waiters.append((event.process, event.request))
            self._by_request[entry.request] = (session, entry)
            self._ask(session, entry)

    def answered(self, session: Session, answer: DataAnswer) -> None:
        """Hear from the user which blob a name stands for."""
        asked = self._by_request.get(answer.request)
        if asked is None or asked[0] is not session:
            self._table.dropped += 1
            return
        del self._by_request[answer.request]
        entry = asked[1]
        if not answer.found or answer.digest is None:
            self._fail(session, entry, answer.text or "the application has no data of this name")
            return
        entry.digest = answer.digest
        entry.size = answer.bytes
        entry.is_volatile = answer.volatile
        self._fetch(session, entry)

    def blob_here(self, entry: DataEntry, path: str) -> None:
        """Answer everybody who waits for a name."""
        entry.state = DataState.HERE
        entry.path = path
        waiters, entry.waiters = entry.waiters, []
        for process, request in waiters:
            self._answer(process, request, path)

    def blob_missing(self, session: Session, entry: DataEntry, text: str) -> None:
        """Tell everybody who waits for a name why there is nothing."""
        self._fail(session, entry, text)

    def freed(self, session: Session, event: DataFreed) -> None:
        """Give this agent's copy up, of one name or of all."""
        names = list(session.data) if event.name is None else [event.name]
        for name in names:
            entry = session.data.get(name)
            if entry is None or entry.state is not DataState.HERE:
                continue
            self._blobs.drop_waiter(session, entry)
            entry.state = DataState.FREED
            entry.path = ""
            if entry.is_volatile:
                del session.data[name]

    def forgotten(self, session: Session, message: ForgetData) -> None:
        """Ask the application again for these names when they are next wanted."""
        names = list(session.data) if message.names is None else message.names
        for name in names:
            entry = session.data.get(name)
            # The answer to a question under way comes after this message, and is a new one.
            if entry is None or entry.state is DataState.ASKING:
                continue
            del session.data[name]
            if entry.state is not DataState.FETCHING:  # whoever waits gets what it asked for
                self._blobs.drop_waiter(session, entry)

    def resumed(self, session: Session) -> None:
        """Ask again what may have been lost with the old connection."""
        for asked, entry in self._by_request.values():
            if asked is session:
                self._ask(session, entry)

    def session_ended(self, session: Session) -> None:
        """Forget the questions of a session."""
        for entry in session.data.values():
            self._by_request.pop(entry.request, None)
        session.data.clear()

    def check(self) -> None:
        """Assert what must always hold."""
        for request, (session, entry) in self._by_request.items():
            assert entry.request == request, "a data request has two numbers"
            assert session.data.get(entry.name) is entry, f"{entry.name!r} is asked but not known"

    def _ask(self, session: Session, entry: DataEntry) -> None:
        self._table.send(session.peer, DataRequest(request=entry.request, name=entry.name))

    def _fetch(self, session: Session, entry: DataEntry) -> None:
        entry.state = DataState.FETCHING
        self._blobs.want(session, entry.digest, entry.size, entry)

    def _fail(self, session: Session, entry: DataEntry, text: str) -> None:
        if session.data.get(entry.name) is entry:
            del session.data[entry.name]
        waiters, entry.waiters = entry.waiters, []
        for process, request in waiters:
            self._answer(process, request, None, text)

    def _answer(self, process: int, request: int, path: str | None, text: str = "") -> None:
        known = self._table.processes.get(process)
        if known is not None:
            self._table.out.append(AnswerData(known, request, path, text))
