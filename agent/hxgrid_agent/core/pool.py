"""Task processes: started ahead, given to one session for ever, parked, ended, killed.

Slots are permissions; processes are who uses them. A process that loses its slot stays with its
session, parked, because what it has loaded is expensive; beyond `max_parked_processes`, and when
memory runs short, the one parked longest is ended. A process that fails to start makes the next
start wait, longer each time, so that a broken installation does not burn the computer.
"""

from __future__ import annotations

from hxgrid.wire.batches import Key
from hxgrid.wire.messages import Outcome, Reason
from hxgrid_agent.core.actions import (
    AssignProcess,
    CancelInProcess,
    EndProcess,
    KillProcess,
    StartProcess,
    TakeBack,
)
from hxgrid_agent.core.endings import Endings
from hxgrid_agent.core.events import ProcessDied
from hxgrid_agent.core.process import ProcessState, SlotProcess
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import (
    END_GRACE_S,
    FIRST_START_PAUSE_S,
    LONGEST_START_PAUSE_S,
    REPLENISH_AFTER_S,
    START_LIMIT_S,
)
from hxgrid_agent.core.table import Table


class Pool:
    """Keeps the task processes."""

    def __init__(self, table: Table, endings: Endings) -> None:
        self._table = table
        self._endings = endings
        self._starting = 0
        self._start_failures = 0
        self._start_at = 0.0
        """No process is started before, because starts have failed."""
        self._replenish_at = 0.0
        self.problem = ""
        """Why no process can be started, if so."""

    def take(self, session: Session, now: float) -> SlotProcess | None:
        """Give a session a ready process: one of its own, else a spare one."""
        if session.parked:
            return session.parked.pop()
        if not self._table.spares:
            return None
        process = self._table.spares.pop(next(iter(self._table.spares)))
        process.session = session
        session.processes[process.number] = process
        self._table.out.append(AssignProcess(process, session))
        self._replenish_at = now + REPLENISH_AFTER_S
        return process

    def park(self, process: SlotProcess, now: float) -> None:
        """Keep a process that has lost its slot, unless its session has ended."""
        session = process.session
        assert session is not None
        if session.ending_since is not None:
            self._end(process, session.ending_since + END_GRACE_S)
            return
        process.parked_at = now
        session.parked.append(process)
        self.trim(self._table.settings.max_parked_processes, now)

    def trim(self, keep: int, now: float) -> int:
        """End the processes parked longest, down to so many; return how many were ended."""
        parked = [p for s in self._table.sessions.values() for p in s.parked]
        excess = len(parked) - keep
        if excess <= 0:
            return 0
        parked.sort(key=lambda process: process.parked_at)
        for process in parked[:excess]:
            self._end(process, now + END_GRACE_S)
        return excess

    def drop_unassigned(self, now: float) -> None:
        """Kill every process that belongs to no session, those that are starting too."""
        for process in list(self._table.processes.values()):
            if process.session is None:
                self.kill(process, Outcome.LOST, "", now)

    def drop_spares(self, now: float) -> int:
        """Kill the processes of nobody; return how many."""
        spares = list(self._table.spares.values())
        for process in spares:
            self.kill(process, Outcome.LOST, "", now)
        return len(spares)

    def ready(self, process: SlotProcess, now: float) -> None:
        """Take a started process in."""
        if process.state is not ProcessState.STARTING:
            return
        process.state = ProcessState.READY
        process.heard_at = now
        self._starting -= 1
        self._start_failures = 0
        self.problem = ""
        self._table.spares[process.number] = process

    def died(self, event: ProcessDied, process: SlotProcess, now: float) -> None:
        """Take a dead process out of the books, and settle what it had."""
        table = self._table
        del table.processes[process.number]
        table.spares.pop(process.number, None)
        if process.state is ProcessState.STARTING:
            self._start_failed(event.reason.text, now)
        session = process.session
        if session is None:
            return
        self._break_handed(process, Outcome.CRASHED, event.reason, event.running)
        self._leave(process, now)
        del session.processes[process.number]

    def kill(self, process: SlotProcess, outcome: Outcome, text: str, now: float) -> None:
        """Kill a process; the attempt it ran ends with this outcome and text."""
        if process.state is ProcessState.KILLED:
            return
        if process.state is ProcessState.STARTING:
            self._start_failed(text, now)
        process.state = ProcessState.KILLED
        self._table.spares.pop(process.number, None)
        self._table.out.append(KillProcess(process))
        head = process.head
        if head is not None:
            self._break_handed(process, outcome, Reason(text=text), head.key)
        self._leave(process, now)

    def end_with_session(self, process: SlotProcess, now: float, grace_s: float) -> None:
        """End a process because its session ends: idle ones by themselves, busy ones soon."""
        if process.state is not ProcessState.READY:
            return
        if process.handed:
            keys = list(process.handed)
            self._table.out.append(CancelInProcess(process, keys))
            if len(keys) > 1:
                self._table.out.append(TakeBack(process, keys[1:]))
            process.end_by = now + grace_s
        else:
            self._end(process, now + END_GRACE_S)

    def replenish(self, now: float) -> None:
        """Start what is needed at once, and what is missing of the spares a little later."""
        table = self._table
        if table.is_leaving or now < self._start_at:
            return
        needed = table.unmet
        spare = table.settings.spare_processes
        if not table.is_draining and now >= self._replenish_at and not self._is_memory_short():
            needed = max(needed, spare)
        missing = needed - self._starting - len(table.spares)
        for _ in range(min(missing, table.settings.slots + spare - self._starting)):
            process = SlotProcess(table.next_number(), now)
            table.processes[process.number] = process
            table.out.append(StartProcess(process))
            self._starting += 1

    def tick(self, now: float) -> None:
        """Kill what did not start or end in time."""
        for process in list(self._table.processes.values()):
            if process.end_by is not None and now >= process.end_by:
                process.end_by = None
                self.kill(process, Outcome.CANCELLED, "its session has ended", now)
            elif (
                process.state is ProcessState.STARTING and now >= process.started_at + START_LIMIT_S
            ):
                self.kill(process, Outcome.LOST, f"not ready after {START_LIMIT_S:g} s", now)

    def next_deadline(self) -> float | None:
        """When a process must be started or killed."""
        deadlines = []
        table = self._table
        if self._starting or table.processes:
            for process in table.processes.values():
                if process.end_by is not None:
                    deadlines.append(process.end_by)
                elif process.state is ProcessState.STARTING:
                    deadlines.append(process.started_at + START_LIMIT_S)
        ready = len(table.spares) + self._starting
        if not table.is_leaving and ready < max(table.unmet, self._spares_wanted()):
            soon = self._start_at if ready < table.unmet else self._replenish_at
            deadlines.append(max(soon, self._start_at))
        return min(deadlines, default=None)

    def check(self) -> None:
        """Assert what must always hold."""
        table = self._table
        starting = [p for p in table.processes.values() if p.state is ProcessState.STARTING]
        assert len(starting) == self._starting, "the count of starting processes is wrong"
        for process in table.spares.values():
            assert process.session is None, "a spare process belongs to a session"
            assert process.state is ProcessState.READY, "a spare process is not ready"

    def _spares_wanted(self) -> int:
        if self._table.is_draining or self._is_memory_short():
            return 0
        return self._table.settings.spare_processes

    def _is_memory_short(self) -> bool:
        return self._table.sample.free_memory_bytes < self._table.settings.memory_reserve_bytes

    def _start_failed(self, text: str, now: float) -> None:
        self._starting -= 1
        pause = min(FIRST_START_PAUSE_S * 2**self._start_failures, LONGEST_START_PAUSE_S)
        self._start_failures += 1
        self._start_at = now + pause
        self.problem = f"task processes cannot be started: {text}"

    def _end(self, process: SlotProcess, end_by: float) -> None:
        if process.state is not ProcessState.READY:
            return
        process.state = ProcessState.ENDING
        process.end_by = end_by
        if process.session is not None and process in process.session.parked:
            process.session.parked.remove(process)
        self._table.out.append(EndProcess(process))

    def _leave(self, process: SlotProcess, now: float) -> None:
        self._table.free_slot(process, now)
        if process.session is not None and process in process.session.parked:
            process.session.parked.remove(process)
        if process.is_suspected:
            process.is_suspected = False
            self._table.is_load_due = True

    def _break_handed(
        self,
        process: SlotProcess,
        outcome: Outcome,
        reason: Reason,
        running: Key | None,
    ) -> None:
        """End the attempt that ran; those behind it go back, those before it are uncertain."""
        session = process.session
        if session is None or not process.handed:
            return
        slot = process.slot if process.slot is not None else 0
        attempts = list(process.handed.values())
        process.handed.clear()
        keys = [attempt.key for attempt in attempts]
        # A process that was in no attempt may have done them all, or none: nobody knows.
        at = keys.index(running) if running in keys else len(keys)
        for before in attempts[:at]:
            text = f"its process ended before the result was told: {reason.text}"
            self._endings.broken(session, before, Outcome.LOST, Reason(text=text), slot)
        for attempt in attempts[at : at + 1]:
            self._endings.broken(session, attempt, outcome, reason, slot)
        for attempt in reversed(attempts[at + 1 :]):
            self._endings.give_back(session, attempt)
