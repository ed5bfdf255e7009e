"""The host process: `python -m hxgrid host`. It runs one session's native functions in threads.

Threads of the task library take attempts, run them and put their results down without Python and
its lock. The loop, on the one thread of Python, only carries batches between the socket and the
library's queues, answers wishes for global data, and beats; large inputs and outputs are dealt with
aside. It never runs task code, so while it beats the process is well, whatever its tasks do.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from hxgrid.errors import HxGridError
from hxgrid.tasks.capture import OutputCapture
from hxgrid.tasks.hostpage import HostPage
from hxgrid.tasks.reasons import reason
from hxgrid.tasks.running import CANCELLED, DONE, FAILED, NOT_STARTED
from hxgrid_agent.execution import frames
from hxgrid_agent.execution.aside import LONG_BYTES, Aside, Then
from hxgrid_agent.execution.child import serve
from hxgrid_agent.execution.frames import Assignment, FrameReader, Result
from hxgrid_agent.execution.inside import be_unobtrusive, flush_native
from hxgrid_agent.execution.library import Event, HostLibrary, NativeError
from hxgrid_agent.execution.link import AgentGone
from hxgrid_agent.execution.outputs import Outputs, expand_input

_BEAT_S = 0.4
"""Well inside the time after which the agent suspects a process that does not beat."""
_RECEIVE_BYTES = 256 * 1024
_WITHOUT_REASON = (DONE, CANCELLED, NOT_STARTED)
_COUNT = struct.Struct("<I")


class Host:
    """One host process from its first frame to its last."""

    def __init__(self, channel: socket.socket, bell: socket.socket) -> None:
        self._channel = channel
        self._bell = bell
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._reader = FrameReader()
        self._space = memoryview(bytearray(_RECEIVE_BYTES))
        self._library = HostLibrary()
        self._aside = Aside(self._waker)
        self._is_created = False
        self._is_ending = False  # END has come
        self._is_closed = False  # the library has nothing more to tell
        self._is_over = False
        self._held = 0
        """Attempts that have been taken in and not been answered for."""
        # All set by SETUP and ASSIGN, which come before everything else.
        self._page: HostPage
        self._capture: OutputCapture
        self._libraries: Path | None = None
        self._outputs: Outputs
        self._session_number: int

    def run(self) -> None:
        """Serve until the agent says END; raise `AgentGone` if it disappears."""
        channel, bell, wake = self._channel, self._bell, self._wake
        watched = [channel, bell, wake]
        self._receive()
        while not self._is_over:
            ready, _, _ = select.select(watched, [], [], _BEAT_S)
            self._page.beat()
            if channel in ready:
                self._receive()
            if wake in ready:
                wake.recv(4096)
                self._take_all()
                self._aside.follow_up()
                self._end_if_settled()
            if bell in ready and not bell.recv(4096):
                raise AgentGone
            if not ready:
                self._capture.bound()
        if self._is_created:
            self._library.free()

    # -- from the agent

    def _receive(self) -> None:
        try:
            size = self._channel.recv_into(self._space)
        except OSError as error:
            raise AgentGone from error
        if not size:
            raise AgentGone
        for kind, body in self._reader.feed(bytes(self._space[:size])):
            if kind == frames.RUN:
                self._run(body)
            elif kind == frames.TAKE_BACK:
                self._take_back(frames.read_serials(body))
            elif kind == frames.END:
                self._end()
            else:
                self._take_frame(kind, frames.read_json(body))

    def _take_frame(self, kind: int, fields: dict[str, Any]) -> None:
        if kind == frames.SETUP:
            self._set_up(fields)
        elif kind == frames.ASSIGN:
            self._assign(Assignment(**fields))
        elif kind == frames.FUNCTION:
            self._offer(fields["function"], fields["spec"])
        elif kind == frames.THREADS:
            self._library.set_threads(fields["count"])
        elif kind == frames.DATA:
            self._library.answer_data(fields["request"], fields["path"], fields["text"])
        elif kind == frames.FORGET_DATA:
            self._library.forget_data(fields["names"])

    def _set_up(self, fields: dict[str, Any]) -> None:
        notes = be_unobtrusive(keeps_core_dumps=True)
        self._page = HostPage.open(fields["page"])
        if fields.get("libraries"):
            self._libraries = Path(fields["libraries"])
        self._capture = OutputCapture(self._page, flush_native)
        self._capture.install()
        self._library.watch_crashes(self._page.flags)
        self._send(frames.pack_json(frames.READY, notes=notes))

    def _assign(self, assignment: Assignment) -> None:
        self._outputs = Outputs(assignment)
        self._session_number = assignment.session_number
        self._library.create(self._waker.fileno(), self._outputs.plain_bytes)
        self._is_created = True
        self._library.open_session(assignment.session_number, assignment.cache_folder)

    def _offer(self, function: int, spec: dict[str, Any]) -> None:
        files = [str(Path(spec["folder"], path)) for path in spec["paths"]]
        self._make_findable(files)
        try:
            self._library.offer(function, self._session_number, files, spec["entry"])
        except NativeError as error:
            # Said again, or its attempts will be told that it is not known.
            sys.stderr.write(f"function {spec['label']!r}: {error}\n")

    def _make_findable(self, files: list[str]) -> None:
        """Let the loader find libraries by their bare names, also those that have no other."""
        if self._libraries is None:
            return
        for path in files:
            with contextlib.suppress(OSError):
                (self._libraries / Path(path).name).symlink_to(path)

    def _run(self, body: bytes) -> None:
        (count,) = _COUNT.unpack_from(body)
        self._held += count
        try:
            left_out = self._library.run_batch(body)
        except NativeError as error:
            self._refuse(frames.read_run(body), str(error))
            return
        if left_out:
            runs = frames.read_run(body)
            for index in left_out:
                self._run_one(runs[index])

    def _run_one(self, run: frames.Run) -> None:
        _, _, _, raw_bytes, _ = run
        if raw_bytes > LONG_BYTES:
            self._aside.do(lambda: self._expand_and_run(run))
        else:
            self._expand_and_run(run)()

    def _expand_and_run(self, run: frames.Run) -> Then:
        try:
            self._library.run(run[0], run[1], expand_input(run))
        except (HxGridError, OSError) as error:
            text = str(error)
            return lambda: self._refuse([run], text)
        return _nothing

    def _refuse(self, runs: list[frames.Run], text: str) -> None:
        payload = reason(text)
        size = len(payload)
        self._send_results([(run[0], FAILED, 0, size, size, 0.0, 0.0, 0, payload) for run in runs])

    def _take_back(self, serials: list[int]) -> None:
        taken = self._library.take_back(serials)
        self._held -= len(taken)
        if taken:
            self._send(frames.pack_serials(frames.RETURNED, taken))

    def _end(self) -> None:
        self._is_ending = True
        self._end_if_settled()

    def _end_if_settled(self) -> None:
        """Go on with the end, once nothing is done aside that the next step would cut off."""
        if not self._is_ending or self._aside.count:
            return
        if self._is_closed or not self._is_created:
            self._is_over = True
        else:
            self._library.close()

    # -- from the library

    def _take_all(self) -> None:
        library = self._library
        while (batch := library.take_batch()) is not None:
            self._held -= _COUNT.unpack_from(batch)[0]
            self._send(frames.pack_bytes(frames.RESULTS, batch))
        while (event := library.take_event()) is not None:
            self._take_event(event)
        if not self._held:
            self._capture.mark()

    def _take_event(self, event: Event) -> None:
        lib = self._library.lib
        if event.kind == lib.HXG_EVENT_RESULT:
            self._take_result(event)
        elif event.kind == lib.HXG_EVENT_DATA_WANTED:
            wish = frames.pack_json(frames.DATA_WANTED, request=event.request, name=event.text)
            self._send(wish)
        elif event.kind == lib.HXG_EVENT_DATA_FREED:
            name = None if event.is_all else event.text
            self._send(frames.pack_json(frames.DATA_FREED, name=name))
        elif event.kind == lib.HXG_EVENT_CLOSED:
            self._is_closed = True

    def _take_result(self, event: Event) -> None:
        if event.outcome != DONE:
            self._send_results([self._failure(event)])
            return
        output = self._library.bytes_of(event.stream)
        if len(output) > LONG_BYTES:
            self._aside.do(lambda: self._put_away(event, output))
        else:
            self._put_away(event, output)()

    def _put_away(self, event: Event, output: memoryview) -> Then:
        times = (event.started_at, event.ended_at)
        try:
            result = self._outputs.large(event.serial, output, *times, event.thread)
        except HxGridError as error:
            failed = event._replace(outcome=FAILED, text=str(error))
            return lambda: self._send_results([self._failure(failed)])
        finally:
            self._library.release(event.stream)
        return lambda: self._send_results([result])

    def _failure(self, event: Event) -> Result:
        payload = b""
        if event.outcome not in _WITHOUT_REASON:
            # What other attempts have printed meanwhile is in there too: they share their output.
            payload = reason(event.text, output=self._capture.tail())
        place, inline = self._outputs.place(event.serial, payload)
        size = len(payload)
        times = (event.started_at, event.ended_at)
        return (event.serial, event.outcome, place, size, size, *times, event.thread, inline)

    def _send_results(self, results: list[Result]) -> None:
        self._held -= len(results)
        self._send(frames.pack_results(results))

    def _send(self, frame: bytes) -> None:
        try:
            self._channel.sendall(frame)
        except OSError as error:
            raise AgentGone from error


def _nothing() -> None:
    """Follow up on what needs nothing more."""


def main(arguments: list[str]) -> int:
    """Run a host process; `arguments` is what its agent passed: see `inherited_sockets`."""
    return serve(arguments, "host", Host)
