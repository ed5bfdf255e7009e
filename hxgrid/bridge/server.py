"""Turns what a native application wants into calls of a `Session`.

One thread reads frames and acts on them in their order, so that a task sent after CANCEL_ALL is not
cancelled with those before. Nothing that it does waits for the application. The grid is looked for
on a thread of its own: tasks are accepted meanwhile, as soon as the settings have been read.

How much the application may have under way is told it (WINDOW) from the session's own settings, so
that accepting a task costs it no question; `Acceptance.add` then never refuses.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from typing import Final

from hxgrid.bridge import calls
from hxgrid.bridge.frames import (
    PROTOCOL_VERSION,
    Fields,
    Frame,
    Kind,
    OpenFlag,
    RunFlag,
    Source,
    Status,
    pack_text,
    read_frame,
)
from hxgrid.bridge.modules import find_modules
from hxgrid.bridge.opening import Opening, Wish, status_of
from hxgrid.bridge.packed import compress, expanded_or_same
from hxgrid.bridge.questions import Questions
from hxgrid.bridge.tasks import NativeTask, Ways
from hxgrid.bridge.writer import FrameWriter
from hxgrid.errors import HxGridError, RemoteProtocolError
from hxgrid.user.offers import Offered
from hxgrid.user.session import Session

_RUN: Final = struct.Struct("<III")
_CONSUMED: Final = struct.Struct("<QQ")
_WINDOW: Final = struct.Struct("<IQI")
_U32: Final = struct.Struct("<I")
# Asking an enumeration for a member costs as much as all else that is done with it.
_UNPACK: Final = int(RunFlag.UNPACK)
_ONCE: Final = int(RunFlag.ONCE)
_CLOSE: Final = Kind.CLOSE
_OPEN: Final = Kind.OPEN


class Server:
    """Serves the application at the other end of two pipes, until it closes or goes."""

    def __init__(self, source: Source, writer: FrameWriter) -> None:
        self._source = source
        self._writer = writer
        self._ways = Ways(writer)
        self._questions = Questions(writer)
        self._opening: Opening | None = None
        self._offers: list[Offered] = []
        self._offered: list[tuple[str, str, float | None]] = []
        self._actions: dict[Kind, Callable[[Frame], None]] = {
            Kind.RUN: self._run,
            Kind.CONSUMED: self._consumed,
            Kind.OFFER: self._offer,
            Kind.CANCEL: self._cancel,
            Kind.ANSWER: self._questions.take,
            Kind.BIND_DATA: self._bind_data,
            Kind.FORGET_DATA: self._forget_data,
            Kind.COMPRESS: self._compress,
            Kind.OPEN: self._open,
        }

    def serve(self) -> None:
        """Act on frames until there are no more; `RemoteProtocolError` for nonsense."""
        while (frame := read_frame(self._source)) is not None and frame.kind is not _CLOSE:
            if self._opening is None and frame.kind is not _OPEN:
                raise RemoteProtocolError(f"the application began with {frame.kind.name}")
            action = self._actions.get(frame.kind)
            if action is not None:
                action(frame)
            else:
                self._answer(frame)

    def close(self) -> None:
        """Cancel what is left and close the session; takes less than a second."""
        self._questions.end()
        self._ways.window.open()
        if self._opening is not None:
            self._opening.close()

    # -- opening

    def _open(self, frame: Frame) -> None:
        if self._opening is not None:
            raise RemoteProtocolError("the application opened twice")
        fields = Fields(frame.head)
        version, flags = fields.u32(), fields.u32()
        if version != PROTOCOL_VERSION:
            text = f"the library speaks version {version} and the bridge {PROTOCOL_VERSION}"
            raise RemoteProtocolError(f"library and bridge do not fit together: {text}")
        wish = Wish(
            keeps_looking=bool(flags & OpenFlag.KEEP_LOOKING),
            timeout_s=fields.f64(),
            agents=fields.u32(),
            slots=fields.u32(),
            address=fields.text(),
            settings=fields.text(),
            program_folder=fields.text(),
        )
        self._opening = Opening(wish, self._writer, self._tell_window)
        self._opening.start()

    @property
    def _open_one(self) -> Opening:
        assert self._opening is not None  # serve() has seen to it
        return self._opening

    def _session(self) -> Session:
        session = self._open_one.session()
        self._ways.session = session
        return session

    def _tell_window(self, session: Session) -> None:
        settings = session.settings
        # With spilling allowed the session makes room by itself.
        most = 0xFFFFFFFFFFFFFFFF if settings.allow_spill else settings.user_max_memory_bytes
        tasks = min(0xFFFFFFFF, settings.max_queued_tasks)
        self._writer.put(Kind.WINDOW, _WINDOW.pack(tasks, most, settings.finalize_threads))

    # -- tasks

    def _offer(self, frame: Frame) -> None:
        fields = Fields(frame.head)
        names, function, limit_s = fields.text(), fields.text(), fields.f64() or None
        try:
            offered = self._find(names, function, limit_s)
        except HxGridError as error:
            self._fail(frame, error)
            return
        self._offers.append(offered)
        self._offered.append((names, function, limit_s))
        self._reply(frame, _U32.pack(len(self._offers)))

    def _find(self, names: str, function: str, limit_s: float | None) -> Offered:
        modules = find_modules(names, self._open_one.wish.program_folder)
        return self._session().offer(modules, function, limit_s)

    def _run(self, frame: Frame) -> None:
        if len(frame.head) != _RUN.size:
            raise RemoteProtocolError("the application sent a task with the wrong fields")
        ways = self._ways
        function, number, flags = _RUN.unpack(frame.head)
        if not 1 <= function <= len(self._offers) or number in ways.tasks:
            raise RemoteProtocolError(f"the application sent task {number} wrongly")
        payload = expanded_or_same(frame.payload) if flags & _UNPACK else frame.payload
        task = NativeTask(ways, number)
        ways.tasks[number] = task
        try:
            session = self._open_one.ready or self._session()
            offered = self._offers[function - 1]
            task.record = session.acceptance.add(
                offered,
                payload,
                task,
                idempotent=not flags & _ONCE,
                requires=offered.requires,
            )
        except HxGridError as error:
            ways.tasks.pop(number, None)
            ways.refuse(number, status_of(error), error)

    def _consumed(self, frame: Frame) -> None:
        if len(frame.head) != _CONSUMED.size:
            raise RemoteProtocolError("the application told wrongly what it has taken")
        self._ways.window.taken(*_CONSUMED.unpack(frame.head))

    def _cancel(self, frame: Frame) -> None:
        task = self._ways.tasks.get(Fields(frame.head).u32())
        if task is not None and task.record is not None:
            self._session().cancel([task.record.id])

    # -- data

    def _bind_data(self, frame: Frame) -> None:
        fields = Fields(frame.head)
        is_bound, is_volatile = bool(fields.u32()), bool(fields.u32())
        callback = self._questions.ask if is_bound else None
        self._open_one.on_session(
            lambda session: session.bind_get_data(callback, volatile=is_volatile)
        )

    def _forget_data(self, frame: Frame) -> None:
        fields = Fields(frame.head)
        is_all, name = bool(fields.u32()), fields.text()
        self._session().forget_data(None if is_all else name)

    def _compress(self, frame: Frame) -> None:
        def work() -> None:
            packed = compress(frame.payload)
            self._writer.put(Kind.REPLY, _U32.pack(Status.OK), packed or b"", frame.call)

        # Takes seconds for hundreds of megabytes, and touches nothing else.
        threading.Thread(target=work, name="hxgrid-compress", daemon=True).start()

    # -- other calls

    def _answer(self, frame: Frame) -> None:
        try:
            head, payload = calls.answer(frame, self._session(), self._ways.tasks, self._open_one)
            if frame.kind in {Kind.SET_SETTING, Kind.SET_SETTINGS}:
                # Before the reply: with that the caller goes on, and the new limits hold.
                self._settings_changed()
        except HxGridError as error:
            self._fail(frame, error)
            return
        self._reply(frame, head, payload)

    def _settings_changed(self) -> None:
        session = self._session()
        self._tell_window(session)
        if self._open_one.is_anew:
            # Another session knows nothing of what was offered to the one before.
            self._open_one.is_anew = False
            self._offers = [self._find(*what) for what in self._offered]

    def _reply(self, frame: Frame, head: bytes = b"", payload: bytes = b"") -> None:
        self._writer.put(Kind.REPLY, _U32.pack(Status.OK) + head, payload, frame.call)

    def _fail(self, frame: Frame, error: HxGridError) -> None:
        head = _U32.pack(status_of(error)) + pack_text(str(error))
        self._writer.put(Kind.REPLY, head, b"", frame.call)
