"""The task process: `python -m hxgrid slot`. It runs the tasks of one session, one at a time.

The main thread runs tasks and reads the socket itself when it has none, so a short task costs no
switch between threads. A watch thread beats, so that the agent can tell a stopped process from a
busy one, and does what cannot wait while the main thread is inside a task: it looks into the socket
when the agent rings the bell, sends results that were held back, and notices that the agent has
died.

This module is on the way to every first task: it imports neither zmq nor pydantic nor psutil.
"""

from __future__ import annotations

import faulthandler
import os
import select
import socket
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from hxgrid.errors import StoreError
from hxgrid.tasks.agent import TaskAgent
from hxgrid.tasks.capture import OutputCapture
from hxgrid.tasks.loading import FunctionSpec
from hxgrid.tasks.locks import GlobalLock
from hxgrid.tasks.page import SharedPage
from hxgrid.tasks.reasons import hide_folder, reason
from hxgrid.tasks.running import CANCELLED, DONE, Functions, judge
from hxgrid_agent.execution import frames
from hxgrid_agent.execution.frames import Assignment, Result, Run
from hxgrid_agent.execution.inside import (
    be_unobtrusive,
    end_with_parent,
    flush_native,
    inherited_sockets,
)
from hxgrid_agent.execution.link import AgentGone, Link
from hxgrid_agent.execution.outputs import Inputs, Outputs

if TYPE_CHECKING:
    from collections.abc import Callable

_QUIET_S: Final = 0.1
"""A process that is not wanted for so long after its start gets on with what can be done ahead."""
_BEAT_S: Final = 0.4
"""Well inside the time after which the agent suspects a process that does not beat."""
_SHORT_S: Final = 0.0003
"""The result before an attempt of this length is held back: it will not wait for long."""
_HOLD_S: Final = 0.001
_HOLD_COUNT: Final = 128
_HOLD_BYTES: Final = 256 * 1024
_MARK_AFTER_S: Final = 0.00005
"""After an attempt of this length it does not matter that marking the output costs a quarter of a
microsecond. Output of shorter ones is told apart batch by batch only."""


class Slot:
    """One task process from its first frame to its last."""

    def __init__(self, channel: socket.socket, bell: socket.socket) -> None:
        self._bell = bell
        self._link = Link(channel, self._take_frame)
        self._inputs = Inputs()
        # All set by SETUP and ASSIGN, which come before everything else.
        self._page: SharedPage
        self._capture: OutputCapture
        self._agent: TaskAgent
        self._functions: Functions
        self._outputs: Outputs
        self._plain_bytes: int  # outputs up to this size are neither compressed nor in a file
        # How long each function took the last time.
        self._last_s: dict[int, float] = {}
        self._held_since = 0.0
        self._held_bytes = 0

    def run(self) -> None:
        """Serve until the agent says END; raise `AgentGone` if it disappears."""
        link = self._link
        link.receive()
        if link.is_quiet(_QUIET_S):
            _warm_up()
        while link.wait_for_work():
            self._run_queued()
            self._page.begin(0, monotonic())
        if hasattr(self, "_functions"):
            for problem in self._functions.end_session():
                sys.stderr.write(f"end_session raised {problem!r}\n")

    # -- the hot path

    def _run_queued(self) -> None:
        link = self._link
        queue, held, last_s = link.queue, link.held, self._last_s
        while queue:
            try:
                # Whoever takes it out has it: the watch thread may just be giving it back.
                serial, run = queue.popitem(last=False)
            except KeyError:
                return
            function = run[1]
            if held and last_s.get(function, _HOLD_S) > _SHORT_S:
                self._send_held()
            result = self._run_one(serial, run)
            if run[2]:
                self._inputs.let_go()
            ended_at = result[6]
            took_s = last_s[function] = ended_at - result[5]
            if not held:
                self._held_since = ended_at
            held.append(result)
            self._held_bytes += len(result[8])
            if (
                not queue
                or ended_at - self._held_since >= _HOLD_S
                or len(held) >= _HOLD_COUNT
                or self._held_bytes >= _HOLD_BYTES
            ):
                self._send_held()
            elif took_s > _MARK_AFTER_S:
                self._capture.mark()

    def _run_one(self, serial: int, run: Run) -> Result:
        agent = self._agent
        agent.begin(serial)
        started_at = monotonic()
        self._page.begin(serial, started_at)
        if agent.is_cancelled:
            return (serial, CANCELLED, 0, 0, 0, started_at, started_at, 0, b"")
        try:
            runner = self._functions.runner(run[1])
            payload = self._inputs.expand(run) if run[2] else run[4]
            started_at = monotonic()
            output = runner(payload)
            ended_at = monotonic()
            size = len(output)
            if size > self._plain_bytes:
                return self._outputs.large(serial, output, started_at, ended_at)
                # A copy, because the task may hold on to its stream.
            return (serial, DONE, 0, size, size, started_at, ended_at, 0, bytes(output))
        except AgentGone:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code raises what it likes
            return self._failed(serial, error, started_at)

    def _send_held(self) -> None:
        self._held_bytes = 0
        self._link.flush()
        self._capture.mark()

    # -- what is rare

    def _failed(self, serial: int, error: BaseException, started_at: float) -> Result:
        ended_at = monotonic()
        outcome, payload = judge(error, self._agent.is_cancelled, self._capture.tail())
        try:
            place, inline = self._outputs.place(serial, payload)
        except StoreError as problem:
            place, inline = 0, reason(f"{str(error)[:1000]} (and {problem})")
            payload = inline
        size = len(payload)
        return (serial, outcome, place, size, size, started_at, ended_at, 0, inline)

    def _take_frame(self, kind: int, body: bytes) -> None:
        fields = frames.read_json(body)
        if kind == frames.SETUP:
            self._set_up(fields["page"])
        elif kind == frames.ASSIGN:
            self._assign(Assignment(**fields))
        elif kind == frames.FUNCTION:
            spec = dict(fields["spec"], paths=tuple(fields["spec"]["paths"]))
            self._functions.offer(fields["function"], FunctionSpec(**spec))
        elif kind == frames.FORGET_DATA:
            self._agent.forget_data(fields["names"])

    def _set_up(self, page: str) -> None:
        notes = be_unobtrusive()
        self._page = SharedPage.open(page)
        self._capture = OutputCapture(self._page, flush_native)
        self._capture.install()
        faulthandler.enable(sys.stderr.fileno())
        self._link.send(frames.pack_json(frames.READY, notes=notes))

    def _assign(self, assignment: Assignment) -> None:
        self._outputs = Outputs(assignment)
        self._plain_bytes = self._outputs.plain_bytes
        lock = GlobalLock(Path(assignment.lock_path))
        self._agent = TaskAgent(self._page, self, Path(assignment.cache_folder), lock)
        self._functions = Functions(self._agent, assignment.session_number)
        threading.Thread(target=self._watch, name="hxgrid-watch", daemon=True).start()

    def ask_data(self, name: str) -> tuple[str | None, str]:
        """Ask the agent for global data; the agent's side of `TaskAgent.get_data`."""
        return self._link.ask_data(name, lambda: self._agent.is_cancelled)

    def free_data(self, name: str | None) -> None:
        """Tell the agent that its copy is not needed."""
        self._link.send(frames.pack_json(frames.DATA_FREED, name=name))

    # -- the watch thread

    def _watch(self) -> None:
        try:
            while True:
                has_rung = bool(select.select([self._bell], [], [], _BEAT_S)[0])
                self._page.beat()
                if has_rung and not self._bell.recv(4096):
                    raise AgentGone
                if has_rung:
                    # Unless the main thread does so itself, because it is between tasks.
                    self._link.look()
                self._link.flush()
                self._capture.bound()
        except (AgentGone, OSError):
            os._exit(0)


def main(arguments: list[str]) -> int:
    """Run a task process; `arguments` is what its agent passed: see `inherited_sockets`."""
    return serve(arguments, "slot", Slot)


def serve(
    arguments: list[str], role: str, make: Callable[[socket.socket, socket.socket], Runnable]
) -> int:
    """Take the sockets over from the agent and run what is made of them to its end."""
    parent, channel, bell = inherited_sockets(arguments)
    if not end_with_parent(parent):
        return 0
    sys.argv = [f"hxgrid {role}"]
    hide_folder(Path(__file__).parent)
    _stay_alone(channel, bell)
    try:
        make(channel, bell).run()
    except AgentGone:
        os._exit(0)
    # Only the system closes them now: the agent takes their end for the end of this process, and
    # the interpreter has things to do until then.
    channel.detach()
    bell.detach()
    return 0


class Runnable(Protocol):
    """A task process of either kind."""

    def run(self) -> None:
        """Serve until the agent says END; raise `AgentGone` if it disappears."""


def _warm_up() -> None:
    """Import what not every task needs, while nobody waits for it."""
    import traceback  # noqa: F401

    import hxgrid.modules.calls
    import hxgrid.streams.compression  # noqa: F401


def _stay_alone(channel: socket.socket, bell: socket.socket) -> None:
    """Keep what a task forks from speaking for this process, or keeping its sockets open."""
    if hasattr(os, "register_at_fork"):

        def close_sockets() -> None:
            channel.close()
            bell.close()

        os.register_at_fork(after_in_child=close_sockets)
