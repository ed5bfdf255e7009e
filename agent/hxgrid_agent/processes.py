"""The task processes by number: the core's orders to them, and what they report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, assert_never

from hxgrid.logs import get_logger
from hxgrid.transport.loop import Loop
from hxgrid.wire.messages import Reason
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.process import SlotProcess
from hxgrid_agent.execution import events as said
from hxgrid_agent.execution.frames import Assignment
from hxgrid_agent.execution.host_process import HostProcess
from hxgrid_agent.execution.process import TaskProcess
from hxgrid_agent.folders import SessionFolder
from hxgrid_agent.probes.affinity import pin

if TYPE_CHECKING:
    from hxgrid.clock import Clock

SHORT_POLL_S: Final = 0.02
"""How often a process is looked at that has been killed or has closed its socket."""

_new: Final = tuple.__new__  # without the layer of Python that named tuples have


class Processes:
    """Holds the `TaskProcess` of each number. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        folder: Path,
        on_event: Callable[[ev.Event], None],
        *,
        processors: Sequence[int] = (),
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._folder = folder
        self._on_event = on_event
        self._processors = list(processors)
        """Where task processes may run; empty: anywhere."""
        self._processes: dict[int, TaskProcess] = {}
        self._writing: set[int] = set()
        """Those whose sockets are watched for room."""
        self._dying: set[int] = set()
        """Those that are expected to die without their socket telling it."""
        self._has_told_notes = False
        self._log = get_logger("agent")

    @property
    def ids(self) -> list[int]:
        """The system's numbers of all of them."""
        return [process.pid for process in self._processes.values()]

    # -- orders

    def start(self, slot_process: SlotProcess) -> None:
        """Start a process. Whatever keeps it from starting is told: attempts wait for it."""
        number = slot_process.number
        make = HostProcess if slot_process.is_host else TaskProcess
        try:
            process = make(number, self._folder)
            process.start()
        except OSError as error:
            self._on_event(ev.ProcessDied(number, Reason(text=error.strerror or str(error))))
            return
        except Exception as error:  # noqa: BLE001 - said in the log and to whoever waits
            self._log.exception("process not started", process=number)
            self._on_event(ev.ProcessDied(number, Reason(text=f"{type(error).__name__}: {error}")))
            return
        self._processes[number] = process
        self._loop.register(process.socket, partial(self._on_readable, number))
        self._watch_room(number, process)

    def assign(
        self, slot_process: SlotProcess, session_id: str, threshold: int, folder: SessionFolder
    ) -> None:
        """Give a process to a session."""
        number, group = slot_process.number, slot_process.place.group
        process = self._processes.get(number)
        if process is None:
            return
        cache = folder.native(group) if group else folder.cache
        with contextlib.suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
        assignment = Assignment(
            # The same number at all agents: 32 bits of the session's id.
            session_number=int(session_id[:8], 16),
            cache_folder=str(cache),
            exchange_folder=str(folder.exchange),
            lock_path=str(folder.lock),
            compress_threshold_bytes=threshold,
        )
        process.assign(assignment)
        self._watch_room(number, process)

    def run(self, action: act.RunAttempts) -> None:
        """Give a process attempts."""
        slot_process, attempts = action
        process = self._processes.get(slot_process.number)
        if process is None:
            return
        if isinstance(process, HostProcess):
            process.set_slots(list(slot_process.slots))
        elif (slot := slot_process.slot) is not None:
            process.slots[0] = slot
        process.run([(attempt.record, attempt.file) for attempt in attempts])
        if process.wants_write:
            self._watch_room(slot_process.number, process)

    def order(self, action: act.ProcessOrder) -> None:
        """Carry out one of the rarer orders."""
        number = action.process.number
        process = self._processes.get(number)
        if process is None:
            return
        match action:
            case act.TakeBack(_, keys):
                process.take_back(keys)
            case act.CancelInProcess(_, keys):
                process.cancel(keys)
            case act.TellFunction(_, function):
                process.offer_function(function.offer, function.folder, function.paths)
            case act.EndProcess():
                process.end()
            case act.KillProcess():
                process.kill("the agent killed it")
                self._dying.add(number)
            case act.LookAtProcess():
                self._look(number, process)
            case act.AnswerData(_, request, path, text):
                process.answer_data(request, path, text)
            case act.ForgetInProcess(_, names):
                process.forget_data(names)
            case _:
                assert_never(action)
        self._watch_room(number, process)

    def freeze(self, slot_processes: Sequence[SlotProcess]) -> None:
        """Stop these by the operating system."""
        for slot_process in slot_processes:
            process = self._processes.get(slot_process.number)
            if process is not None:
                process.suspend()

    def thaw(self, slot_processes: Sequence[SlotProcess]) -> None:
        """Let these go on."""
        for slot_process in slot_processes:
            process = self._processes.get(slot_process.number)
            if process is not None:
                process.resume()

    def close(self) -> None:
        """Kill all that are left and wait for them."""
        for number, process in list(self._processes.items()):
            self._forget(number, process)
            process.close()

    # -- reports

    @property
    def wants_poll(self) -> bool:
        """Say whether somebody's death is near."""
        return bool(self._dying)

    def poll(self, *, is_all: bool) -> None:
        """Find those that have died without a word: all, or those whose death is near."""
        numbers = list(self._processes) if is_all else list(self._dying)
        for number in numbers:
            process = self._processes.get(number)
            if process is None:
                self._dying.discard(number)
            elif (died := process.poll()) is not None:
                self._buried(number, process, died)

    def private_bytes(self) -> dict[int, int]:
        """Return the memory that each holds alone, by number; slow."""
        return {number: process.private_bytes() for number, process in self._processes.items()}

    def report_progress(self) -> None:
        """Pass on what running attempts say of themselves."""
        for number, process in list(self._processes.items()):
            report = process.new_report()
            if report is not None:
                self._on_event(ev.ProgressReported(number, *report))

    def _on_readable(self, number: int) -> None:
        process = self._processes.get(number)
        if process is None:
            return
        for event in process.on_readable():
            self._report(number, process, event)
        if process.is_cut and number in self._processes:
            self._loop.unregister(process.socket)
            self._dying.add(number)

    def _report(self, number: int, process: TaskProcess, event: said.SlotEvent) -> None:
        match event:
            case said.Ended(records, files):
                self._on_event(_new(ev.AttemptsEnded, (number, records, files)))
            case said.Ready(notes):
                self._tell_notes(notes)
                if self._processors:
                    pin(process.pid, self._processors)
                self._on_event(ev.ProcessReady(number))
            case said.Returned(keys):
                self._on_event(ev.AttemptsReturned(number, keys))
            case said.DataAsked(request, name):
                self._on_event(ev.DataWanted(number, request, name))
            case said.DataGivenUp(name):
                self._on_event(ev.DataFreed(number, name))
            case said.Died():
                self._buried(number, process, event)
            case _:
                assert_never(event)

    def _buried(self, number: int, process: TaskProcess, died: said.Died) -> None:
        self._forget(number, process)
        process.close()
        self._log.debug("task process ended", process=number, why=died.reason.text)
        self._on_event(ev.ProcessDied(number, died.reason, died.running, died.ran))

    def _look(self, number: int, process: TaskProcess) -> None:
        now = self._clock.now()
        beat_at = process.last_beat(now)
        # Where there is a beat, what the process computes does not matter.
        cpu_s = process.cpu_seconds() if beat_at < now else None
        self._on_event(ev.ProcessSeen(number, beat_at, cpu_s))

    def _watch_room(self, number: int, process: TaskProcess) -> None:
        """Watch the socket for room while something waits to be written, and only then."""
        wants_write = process.wants_write
        if wants_write == (number in self._writing) or number not in self._processes:
            return
        if process.is_cut:
            return
        if wants_write:
            self._writing.add(number)
        else:
            self._writing.discard(number)
        self._loop.modify(
            process.socket,
            partial(self._on_readable, number),
            on_writable=partial(self._on_writable, number) if wants_write else None,
        )

    def _on_writable(self, number: int) -> None:
        process = self._processes.get(number)
        if process is not None:
            process.on_writable()
            self._watch_room(number, process)

    def _forget(self, number: int, process: TaskProcess) -> None:
        del self._processes[number]
        self._writing.discard(number)
        self._dying.discard(number)
        self._loop.unregister(process.socket)

    def _tell_notes(self, notes: Sequence[str]) -> None:
        if notes and not self._has_told_notes:
            self._has_told_notes = True
            self._log.info(
                "task processes are not as unobtrusive as they could be", notes="; ".join(notes)
            )
