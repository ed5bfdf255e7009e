"""Task processes: started ahead, given to one session for ever, parked, ended, killed.

Slots are permissions; processes are who uses them. A process that loses its slot stays with its
session, parked, because what it has loaded is expensive; beyond `max_parked_processes`, and when
memory runs short, the one parked longest is ended. A process that fails to start makes the next
start wait, longer each time, so that a broken installation does not burn the computer.

What is said of slot processes holds for host processes too. One of those is kept ready as long as
native functions are about, so that a session whose host dies has another one at once. A host that
was ended by one of several attempts takes the others with it: they are lost, which does not count,
unless nobody knows which of them it was; then each is suspected, and told to be tried alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

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
from hxgrid_agent.core.attempt import Attempt
from hxgrid_agent.core.endings import Endings
from hxgrid_agent.core.events import ProcessDied
from hxgrid_agent.core.place import Place
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
        self._starting = {False: 0, True: 0}
        """By whether they are hosts."""
        self._start_failures = 0
        self._start_at = 0.0
        """No process is started before, because starts have failed."""
        self._replenish_at = 0.0
        self.problem = ""
        """Why no process can be started, if so."""

    def take(self, session: Session, place: Place, now: float) -> SlotProcess | None:
        """Give a session a ready process for this place: one of its own, else a spare one."""
        parked = session.parked
        for index in range(len(parked) - 1, -1, -1):
            if parked[index].place == place:
                return parked.pop(index)
        if place in session.hosts:
            return session.hosts[place]
        spares = self._table.spare_hosts if place.group else self._table.spares
        if not spares:
            return None
        process = spares.pop(next(iter(spares)))
        process.handle = session.handle
        process.place = place
        session.processes[process.number] = process
        if process.is_host and not place.is_alone:
            session.hosts[place] = process
        self._table.out.append(AssignProcess(process, session))
        self._replenish_at = now + REPLENISH_AFTER_S
        return process

    def park(self, process: SlotProcess, now: float) -> None:
        """Keep a process that has lost its slot, unless its session has ended."""
        session = self._table.whose(process)
        assert session is not None
        if session.ending_since is not None or process.is_draining:
            since = now if session.ending_since is None else session.ending_since
            self._end(process, since + END_GRACE_S)
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
            if process.handle is None:
                self.kill(process, Outcome.LOST, "", now)

    def drop_spares(self, now: float) -> int:
        """Kill the processes of nobody; return how many."""
        spares = [*self._table.spares.values(), *self._table.spare_hosts.values()]
        for process in spares:
            self.kill(process, Outcome.LOST, "", now)
        return len(spares)

    def ready(self, process: SlotProcess, now: float) -> None:
        """Take a started process in."""
        if process.state is not ProcessState.STARTING:
            return
        process.state = ProcessState.READY
        process.heard_at = now
        self._starting[process.is_host] -= 1
        self._start_failures = 0
        self.problem = ""
        self._table.spares_of(process)[process.number] = process

    def died(self, event: ProcessDied, process: SlotProcess, now: float) -> None:
        """Take a dead process out of the books, and settle what it had."""
        table = self._table
        del table.processes[process.number]
        table.spares_of(process).pop(process.number, None)
        if process.state is ProcessState.STARTING:
            self._start_failed(process, event.reason.text, now)
        session = table.whose(process)
        if session is None:
            return
        culprits, ran = _sorted_out(event, _first_slot(process))
        self._break_handed(process, Outcome.CRASHED, event.reason, culprits, ran)
        self._leave(process, now)
        del session.processes[process.number]

    def kill(
        self,
        process: SlotProcess,
        outcome: Outcome,
        text: str,
        now: float,
        *,
        because_of: Attempt | None = None,
        is_anybodys_fault: bool = False,
    ) -> None:
        """Kill a process; the attempt it ran ends with this outcome and text.

        If several ran, so does the one that it is killed for, and the others are lost; without such
        a one all end alike, or are suspected.
        """
        if process.state is ProcessState.KILLED:
            return
        if process.state is ProcessState.STARTING:
            self._start_failed(process, text, now)
        process.state = ProcessState.KILLED
        self._table.spares_of(process).pop(process.number, None)
        self._table.out.append(KillProcess(process))
        if process.handed:
            # Which thread of a host got which attempt is not told; each has its own slot at least.
            slots = list(process.slots) or [0]
            ran = {a.key: slot for a, slot in zip(process.runners(), slots, strict=False)}
            culprits: Collection[Key] = ran if because_of is None else [because_of.key]
            if is_anybodys_fault and process.is_host and not process.place.is_alone:
                culprits = []
            self._break_handed(process, outcome, Reason(text=text), culprits, ran)
        self._leave(process, now)

    def drain(self, process: SlotProcess) -> None:
        """Start nothing more in a host; it ends when the attempts in it have ended."""
        if process.is_draining or process.handle is None:
            return
        process.is_draining = True
        self._forget_host(process)
        if waiting := process.waiting_keys():
            self._table.out.append(TakeBack(process, waiting))

    def end_with_session(self, process: SlotProcess, now: float, grace_s: float) -> None:
        """End a process because its session ends: idle ones by themselves, busy ones soon."""
        if process.state is not ProcessState.READY:
            return
        if process.handed:
            keys = list(process.handed)
            self._table.out.append(CancelInProcess(process, keys))
            if waiting := process.waiting_keys():
                self._table.out.append(TakeBack(process, waiting))
            process.end_by = now + grace_s
        else:
            self._end(process, now + END_GRACE_S)

    def replenish(self, now: float) -> None:
        """Start what is needed at once, and what is missing of the spares a little later."""
        table = self._table
        if table.is_leaving or now < self._start_at:
            return
        starting, settings = self._starting, table.settings
        if (
            not table.unmet
            and not table.unmet_hosts
            and len(table.spares) + starting[False] >= settings.spare_processes
            and len(table.spare_hosts) + starting[True] >= table.wants_hosts
        ):
            return  # nearly always
        may_spare = (
            not table.is_draining and now >= self._replenish_at and not self._is_memory_short()
        )
        for is_host, unmet, spare, ready in self._kinds():
            needed = max(unmet, spare) if may_spare else unmet
            missing = needed - starting[is_host] - ready
            for _ in range(min(missing, settings.slots + spare - starting[is_host])):
                self._start(is_host, now)

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
        if table.processes:
            for process in table.processes.values():
                if process.end_by is not None:
                    deadlines.append(process.end_by)
                elif process.state is ProcessState.STARTING:
                    deadlines.append(process.started_at + START_LIMIT_S)
        may_spare = not table.is_draining and not self._is_memory_short()
        for is_host, unmet, spare, ready in self._kinds():
            there = ready + self._starting[is_host]
            if not table.is_leaving and there < max(unmet, spare if may_spare else 0):
                soon = self._start_at if there < unmet else self._replenish_at
                deadlines.append(max(soon, self._start_at))
        return min(deadlines, default=None)

    def check(self) -> None:
        """Assert what must always hold."""
        table = self._table
        starting = [p for p in table.processes.values() if p.state is ProcessState.STARTING]
        for is_host, count in self._starting.items():
            counted = sum(process.is_host == is_host for process in starting)
            assert counted == count, "the count of starting processes is wrong"
        for process in [*table.spares.values(), *table.spare_hosts.values()]:
            assert process.handle is None, "a spare process belongs to a session"
            assert process.state is ProcessState.READY, "a spare process is not ready"
            assert process.number in table.spares_of(process), "a spare of the wrong kind"

    def _kinds(self) -> tuple[tuple[bool, int, int, int], ...]:
        """Of slot and of host processes: how many are needed, kept ready, and ready."""
        table = self._table
        hosts = (True, table.unmet_hosts, int(table.wants_hosts), len(table.spare_hosts))
        return (False, table.unmet, table.settings.spare_processes, len(table.spares)), hosts

    def _start(self, is_host: bool, now: float) -> None:
        table = self._table
        process = SlotProcess(table.next_number(), now, is_host=is_host)
        table.processes[process.number] = process
        table.out.append(StartProcess(process))
        self._starting[is_host] += 1

    def _is_memory_short(self) -> bool:
        return self._table.sample.free_memory_bytes < self._table.settings.memory_reserve_bytes

    def _start_failed(self, process: SlotProcess, text: str, now: float) -> None:
        self._starting[process.is_host] -= 1
        pause = min(FIRST_START_PAUSE_S * 2**self._start_failures, LONGEST_START_PAUSE_S)
        self._start_failures += 1
        self._start_at = now + pause
        self.problem = f"task processes cannot be started: {text}"

    def _end(self, process: SlotProcess, end_by: float) -> None:
        if process.state is not ProcessState.READY:
            return
        process.state = ProcessState.ENDING
        process.end_by = end_by
        self._forget_place(process)
        self._table.out.append(EndProcess(process))

    def _leave(self, process: SlotProcess, now: float) -> None:
        self._table.free_slots_of(process, len(process.slots), now)
        self._forget_place(process)
        if process.is_suspected:
            process.is_suspected = False
            self._table.is_load_due = True

    def _forget_place(self, process: SlotProcess) -> None:
        """Let its session find it no more, neither among the parked ones nor as a host."""
        session = self._table.whose(process)
        if session is not None and process in session.parked:
            session.parked.remove(process)
        self._forget_host(process)

    def _forget_host(self, process: SlotProcess) -> None:
        session = self._table.whose(process)
        if session is not None and session.hosts.get(process.place) is process:
            del session.hosts[process.place]

    def _break_handed(
        self,
        process: SlotProcess,
        outcome: Outcome,
        reason: Reason,
        culprits: Collection[Key],
        ran: Mapping[Key, int],
    ) -> None:
        """End the attempts that ran; those behind them go back, those before are uncertain."""
        session = self._table.whose(process)
        if session is None or not process.handed:
            return
        first = _first_slot(process)
        attempts = list(process.handed.values())
        process.handed.clear()
        places = [index for index, attempt in enumerate(attempts) if attempt.key in ran]
        # A process that was in no attempt may have done them all, or none: nobody knows.
        end = places[-1] + 1 if places else len(attempts)
        beside = _beside(attempts, culprits, reason)
        for attempt in attempts[:end]:
            end_as, why = Outcome.LOST, beside
            if attempt.key in culprits:
                end_as, why = outcome, self._blaming(process, attempt, reason)
            elif attempt.key not in ran:
                why = Reason(text=f"its process ended before the result was told: {reason.text}")
            slot, began = ran.get(attempt.key, first), process.began_at(attempt)
            self._endings.broken(session, attempt, end_as, why, slot=slot, began=began)
        for attempt in reversed(attempts[end:]):
            self._endings.give_back(session, attempt)

    def _blaming(self, process: SlotProcess, attempt: Attempt, reason: Reason) -> Reason:
        """Name the function and the computer; a host's end is told to somebody far away."""
        if not process.is_host or attempt.function is None:
            return reason
        name = self._table.settings.name
        text = f"{reason.text}; it ran {attempt.function.offer.label!r} on agent {name}"
        return reason.model_copy(update={"text": text})


def _first_slot(process: SlotProcess) -> int:
    return process.slot if process.slot is not None else 0


def _sorted_out(event: ProcessDied, first: int) -> tuple[Collection[Key], Mapping[Key, int]]:
    """Return who ended a process, if that is known, and who ran in it in which slots."""
    if event.running is not None:
        return (event.running,), {event.running: first, **event.ran}
    # Of one that ran alone it is known.
    return event.ran if len(event.ran) == 1 else (), event.ran


def _beside(attempts: list[Attempt], culprits: Collection[Key], reason: Reason) -> Reason:
    """Tell those that ran beside the one that ended their process, or beside nobody knows whom."""
    for attempt in attempts:
        if attempt.key in culprits and attempt.function is not None:
            label = attempt.function.offer.label
            return Reason(text=f"its process was ended because of another task, {label!r}")
    text = f"{reason.text}; which of the tasks in it did it is not known"
    return Reason(text=text, signal=reason.signal, is_suspect=True)
