"""Global data: which blob a name stands for, asked once however many slots wait.

Failures are not kept: the next `get_data` asks again. A name whose copy was freed keeps its blob's
digest unless it is volatile, so that it costs no second question to the application.

Processes keep what they were given by name too. So when a name is freed or forgotten, those that
may have it are told, and ask again; what their tasks hold stays valid.

The awkward case is a name that the user forgets while somebody waits for it. Whoever waits gets the
answer that is on its way, but nobody keeps it, and whoever asks later asks anew. If the user has
let go of that answer's bytes already, those who wait ask anew as well.
"""

from __future__ import annotations

from hxgrid.wire.messages import DataAnswer, DataRequest, ForgetData
from hxgrid_agent.core.actions import AnswerData, ForgetInProcess
from hxgrid_agent.core.blobs import BlobDesk
from hxgrid_agent.core.dataentry import DataEntry, DataState
from hxgrid_agent.core.events import DataFreed, DataWanted
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import MAX_DATA_NAMES
from hxgrid_agent.core.table import Table

Waiter = tuple[int, int]
"""A process that waits for an answer, and its own request number."""


class DataDesk:
    """Answers the processes' wishes for global data."""

    def __init__(self, table: Table, blobs: BlobDesk) -> None:
        self._table = table
        self._blobs = blobs
        self._by_request: dict[int, tuple[Session, DataEntry]] = {}

    def wanted(self, session: Session, event: DataWanted) -> None:
        """Answer at once, or let the process wait for the answer."""
        self._ask_for(session, event.name, (event.process, event.request))

    def _ask_for(self, session: Session, name: str, waiter: Waiter) -> None:
        if process := self._table.processes.get(waiter[0]):
            process.data.add(name)
        entry = session.data.get(name)
        if entry is not None and entry.state is DataState.HERE:
            self._answer(name, waiter, entry.path)
        elif entry is not None:
            entry.waiters.append(waiter)
            if entry.state is DataState.FREED:
                self._fetch(session, entry)
        elif len(session.data) >= MAX_DATA_NAMES:
            text = f"the session holds {MAX_DATA_NAMES} names of global data, the limit"
            self._answer(name, waiter, None, text)
        else:
            entry = session.data[name] = DataEntry(name, self._table.next_number())
            entry.waiters.append(waiter)
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
        for waiter in waiters:
            self._answer(entry.name, waiter, path)

    def blob_missing(self, session: Session, entry: DataEntry, text: str) -> None:
        """Tell everybody who waits for a name why there is nothing."""
        if not entry.is_forgotten:
            self._fail(session, entry, text)
            return
        session.forgotten_data.remove(entry)
        for waiter in entry.waiters:
            self._ask_for(session, entry.name, waiter)

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
        if process := self._table.processes.get(event.process):
            process.forget_data(event.name)  # it has done so before it said this
        self._tell_processes(session, None if event.name is None else (event.name,))

    def forgotten(self, session: Session, message: ForgetData) -> None:
        """Ask the application again for these names when they are next wanted."""
        self._drop_late(session)
        for name in list(session.data) if message.names is None else message.names:
            entry = session.data.pop(name, None)
            if entry is None:
                continue
            if any(number in self._table.processes for number, _ in entry.waiters):
                entry.is_forgotten = True
                session.forgotten_data.append(entry)
            else:
                self._give_up(session, entry)
        self._tell_processes(session, message.names)

    def resumed(self, session: Session) -> None:
        """Ask again what may have been lost with the old connection."""
        for asked, entry in self._by_request.values():
            if asked is session:
                self._ask(session, entry)

    def session_ended(self, session: Session) -> None:
        """Forget the questions of a session."""
        for entry in (*session.data.values(), *session.forgotten_data):
            self._by_request.pop(entry.request, None)
        session.data.clear()
        session.forgotten_data.clear()

    def check(self) -> None:
        """Assert what must always hold."""
        for request, (session, entry) in self._by_request.items():
            assert entry.request == request, "a data request has two numbers"
            known = entry in session.forgotten_data or session.data.get(entry.name) is entry
            assert known, f"{entry.name!r} is asked but not known"

    def _ask(self, session: Session, entry: DataEntry) -> None:
        self._table.send(session.peer, DataRequest(request=entry.request, name=entry.name))

    def _fetch(self, session: Session, entry: DataEntry) -> None:
        entry.state = DataState.FETCHING
        self._blobs.want(session, entry.digest, entry.size, entry)

    def _fail(self, session: Session, entry: DataEntry, text: str) -> None:
        if entry.is_forgotten:
            session.forgotten_data.remove(entry)
        elif session.data.get(entry.name) is entry:
            del session.data[entry.name]
        waiters, entry.waiters = entry.waiters, []
        for waiter in waiters:
            self._answer(entry.name, waiter, None, text)

    def _answer(self, name: str, waiter: Waiter, path: str | None, text: str = "") -> None:
        number, request = waiter
        process = self._table.processes.get(number)
        if process is None:
            return
        self._table.out.append(AnswerData(process, request, path, text))
        if path is None:
            process.data.discard(name)
        else:
            process.data.add(name)  # also if it has freed it while it waited

    def _tell_processes(self, session: Session, names: tuple[str, ...] | None) -> None:
        """Have processes ask again that may have been given these names."""
        for process in session.processes.values():
            held = process.data if names is None else process.data.intersection(names)
            if held:
                process.data -= held
                self._table.out.append(ForgetInProcess(process, names))

    def _drop_late(self, session: Session) -> None:
        """Let go of what came after it had been forgotten; whoever waited has long opened it."""
        for entry in [one for one in session.forgotten_data if one.state is DataState.HERE]:
            session.forgotten_data.remove(entry)
            self._blobs.drop_waiter(session, entry)

    def _give_up(self, session: Session, entry: DataEntry) -> None:
        """Want a name no more for which nobody waits."""
        self._by_request.pop(entry.request, None)
        if entry.state in {DataState.FETCHING, DataState.HERE}:
            self._blobs.drop_waiter(session, entry)
