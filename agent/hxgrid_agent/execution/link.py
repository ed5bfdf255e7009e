"""The process's end of the socket pair. Runs in the task process.

Several threads need what the agent sends: the main thread when it has nothing to run, any thread
of a task that waits for global data, and the watch thread when the agent has rung the bell while
the main thread is inside a task. One of them reads at a time, on behalf of all: whoever finds
nobody reading, reads; the others wait until the frame for them has been dealt with.

Results are held back while further short attempts are queued, and sent together.
"""

from __future__ import annotations

import itertools
import select
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from hxgrid.errors import TaskCancelled
from hxgrid_agent.execution import frames
from hxgrid_agent.execution.frames import FrameReader

_RECEIVE_BYTES: Final = 256 * 1024
_CANCEL_POLL_S: Final = 0.05


class AgentGone(BaseException):
    """The agent's end of the socket is closed: nobody wants anything of this process any more."""


class Link:
    """Sends to the agent and receives from it, from any thread."""

    def __init__(self, channel: socket.socket, on_frame: Callable[[int, bytes], None]) -> None:
        self._channel = channel
        self._on_frame = on_frame  # for kinds that are not dealt with here
        self._reader = FrameReader()
        # Memory for what is received: a new piece each time would be mapped and unmapped.
        self._space = memoryview(bytearray(_RECEIVE_BYTES))
        self.queue: OrderedDict[int, frames.Run] = OrderedDict()
        """Attempts that have not begun, by serial. Taking one out is what claims it, so that of
        running it and giving it back only one can happen."""
        self.is_ending = False
        """END has come: nothing follows."""
        self.held: list[frames.Result] = []
        """Results to be sent, as `frames.Result`."""
        self._send_lock = threading.Lock()
        self._lock = threading.Lock()  # guards `_is_reading` and `_answers`
        self._turn = threading.Condition(self._lock)
        """Notified after each reading, if somebody waits for that."""
        self._is_reading = False
        self._waiting_count = 0  # threads that wait for another one's reading
        self._answers: dict[int, dict[str, Any]] = {}
        self._requests = itertools.count(1)

    # -- receiving

    def wait_for_work(self) -> bool:
        """Wait until something is queued; False when the agent says that it is over."""
        self._read_until(lambda: bool(self.queue) or self.is_ending)
        return bool(self.queue)

    def is_quiet(self, limit_s: float) -> bool:
        """Wait until something comes or the time is over; say whether nothing came."""
        return not select.select([self._channel], [], [], limit_s)[0]

    def look(self) -> None:
        """Take in what has come, unless another thread is reading anyway. Never waits."""
        with self._lock:
            if self._is_reading:
                return
            self._is_reading = True
        try:
            while select.select([self._channel], [], [], 0)[0]:
                self.receive()
        finally:
            self._end_turn()

    def ask_data(self, name: str, is_cancelled: Callable[[], bool]) -> tuple[str | None, str]:
        """Ask for global data and wait; raise `TaskCancelled` if that becomes pointless."""
        request = next(self._requests)
        self.flush()
        self.send(frames.pack_json(frames.DATA_WANTED, request=request, name=name))

        def is_over() -> bool:
            return request in self._answers or is_cancelled()

        self._read_until(is_over, _CANCEL_POLL_S)
        with self._lock:
            answer = self._answers.pop(request, None)
        if answer is None:
            raise TaskCancelled(f"cancelled while waiting for global data {name!r}")
        return answer["path"], answer["text"]

    def _read_until(self, is_over: Callable[[], bool], poll_s: float | None = None) -> None:
        while True:
            with self._lock:
                if is_over():
                    return
                is_mine = not self._is_reading
                if is_mine:
                    self._is_reading = True
                else:
                    self._waiting_count += 1
                    self._turn.wait(poll_s)
                    self._waiting_count -= 1
            if not is_mine:
                continue
            try:
                if poll_s is None or select.select([self._channel], [], [], poll_s)[0]:
                    self.receive()
            finally:
                self._end_turn()

    def receive(self) -> None:
        """Wait for what comes next and deal with it; only for whoever has the turn."""
        try:
            size = self._channel.recv_into(self._space)
        except OSError as error:
            raise AgentGone from error
        if not size:
            raise AgentGone
        for kind, body in self._reader.feed(bytes(self._space[:size])):
            if kind == frames.RUN:
                for run in frames.read_run(body):
                    self.queue[run[0]] = run
            elif kind == frames.TAKE_BACK:
                self._give_back(frames.read_serials(body))
            elif kind == frames.DATA:
                answer = frames.read_json(body)
                self._answers[answer["request"]] = answer
            elif kind == frames.END:
                self.is_ending = True
            else:
                self._on_frame(kind, body)

    def _give_back(self, serials: list[int]) -> None:
        queue = self.queue
        returned = [serial for serial in serials if queue.pop(serial, None) is not None]
        if returned:
            self.send(frames.pack_serials(frames.RETURNED, returned))

    def _end_turn(self) -> None:
        with self._lock:
            self._is_reading = False
            if self._waiting_count:
                self._turn.notify_all()

    # -- sending

    def send(self, frame: bytes) -> None:
        """Send a frame; waits while the agent does not read."""
        with self._send_lock:
            self._send_all(frame)

    def flush(self) -> None:
        """Send the results that are held back."""
        with self._send_lock:
            held = self.held
            count = len(held)
            if count:
                # The main thread may append meanwhile; that stays for the next time.
                batch = held[:count]
                del held[:count]
                self._send_all(frames.pack_results(batch))

    def _send_all(self, frame: bytes) -> None:
        try:
            self._channel.sendall(frame)
        except OSError as error:
            raise AgentGone from error
