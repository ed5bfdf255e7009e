"""The real core of the agent between virtual connections and virtual task processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from hxgrid.wire.batches import AttemptRecord, Key
from hxgrid.wire.messages import Outcome, Reason
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.attempt import Attempt, Phase
from hxgrid_agent.core.core import AgentCore
from tests.sim.agenda import Agenda
from tests.sim.messages import (
    Acknowledge,
    Attempts,
    Cancel,
    Holdings,
    Message,
    Ping,
    Pong,
    Recall,
    Results,
)
from tests.sim.modelagent import CAPABILITIES
from tests.sim.slots import result_of
from tests.unit.agent.core.rig import settings

START_S = 0.05
LATENCY_S = 0.0002
SAMPLE_S = 1.0


@dataclass
class Process:
    """One virtual task process: runs its attempts one after the other."""

    number: int
    waiting: dict[Key, AttemptRecord] = field(default_factory=dict)
    current: AttemptRecord | None = None
    left_s: float = 0.0
    started_at: float = 0.0
    resumed_at: float = 0.0
    serial: int = 0
    is_frozen: bool = False
    is_stopped: bool = False
    stopped_at: float = 0.0
    unanswered: list[Key] = field(default_factory=list)

    @property
    def stands_still(self) -> bool:
        return self.is_frozen or self.is_stopped


class RealAgent:
    """Carries out what the core orders, in virtual time."""

    def __init__(
        self,
        agenda: Agenda,
        boot_id: str,
        slots: int,
        send: Callable[[bytes, Message], None],
        *,
        slowness: float = 1.0,
        is_black_hole: bool = False,
    ) -> None:
        self.boot_id = boot_id
        self.core = AgentCore(
            settings(
                boot_id=boot_id,
                slots=slots,
                spare_processes=slots,
                max_waiting_attempts=10_000,
                capabilities=CAPABILITIES,
            )
        )
        self.is_alive = True
        self.is_stopped = False
        self._agenda = agenda
        self._send = send
        self._slowness = slowness
        self._is_black_hole = is_black_hole
        self._is_suspended = False
        self._processes: dict[int, Process] = {}
        self._held_back: list[ev.Event] = []
        self._tick_at: float | None = None
        self._sample()

    # ------------------------------------------------------------------ as seen from outside

    @property
    def is_well(self) -> bool:
        return self.is_alive and not self.is_stopped and not self._is_suspended

    @property
    def place(self) -> str:
        return self.boot_id[:16]

    def serves(self, user_session: str, key: Key) -> bool:
        """Say whether an attempt waits here, runs here, or has a result here."""
        session = self.core.table.by_id.get(user_session)
        attempt = session.attempts.get(key) if session is not None else None
        if attempt is None or not self.is_well:
            return False
        if attempt.phase is not Phase.HANDED or attempt.process is None:
            return True
        own = self._processes.get(attempt.process)
        return own is not None and not own.stands_still

    def leftovers(self, user_session: str) -> list[str]:
        """Name what is kept though all tasks of the only user have ended."""
        table = self.core.table
        strangers = [f"session {each}" for each in table.by_id if each != user_session]
        own = table.by_id.get(user_session)
        return strangers + [f"attempt {key}" for key in (own.attempts if own else ())]

    def kill(self) -> None:
        """End at once."""
        self.is_alive = False
        self._processes.clear()

    def freeze(self, is_frozen: bool) -> None:
        """Stop or continue the whole process tree."""
        self.is_stopped = is_frozen
        for process in self._processes.values():
            self._update(process)
        if not is_frozen:
            held_back, self._held_back = self._held_back, []
            for event in held_back:
                self._post(event)
            self._tick()

    def suspend(self, is_suspended: bool) -> None:
        """Let the owner say "not now", or take that back."""
        self._is_suspended = is_suspended
        until = self._agenda.now + 1e6 if is_suspended else None
        self._post(ev.OwnerWishes(until, is_draining=False))

    def stop_slot(self, slot: int, is_stopped: bool) -> None:
        """Stop or continue one task process."""
        for process in list(self._processes.values()):
            known = self.core.table.processes.get(process.number)
            if known is None or (is_stopped and (known.slot != slot or not process.current)):
                continue
            process.is_stopped = is_stopped
            self._update(process)

    # ------------------------------------------------------------------ messages

    def receive(self, peer: bytes, message: Message) -> None:
        """Turn a message into a fact."""
        match message:
            case Ping():
                self._send(peer, Pong(message.asked_at))
                self._post(ev.PeersHeard([peer]))
            case Attempts():
                self._post(ev.AttemptsReceived(peer, message.handle, message.records))
            case Acknowledge():
                self._post(ev.ResultsAcknowledged(peer, message.handle, message.keys))
            case Cancel():
                self._post(ev.CancelReceived(peer, message.handle, message.keys))
            case Recall():
                self._post(ev.RecallReceived(peer, message.handle, message.keys))
            case _:
                self._post(ev.DocumentReceived(peer, message))  # type: ignore[arg-type]

    def _post(self, event: ev.Event) -> None:
        if not self.is_alive:
            return
        if self.is_stopped:
            self._held_back.append(event)
            return
        self._finish(self.core.handle(event, self._agenda.now))

    def _tick(self) -> None:
        self._tick_at = None
        if self.is_alive and not self.is_stopped:
            self._finish(self.core.tick(self._agenda.now))

    def _planned_tick(self, planned_at: float) -> None:
        if planned_at == self._tick_at:
            self._tick()

    def _finish(self, orders: Sequence[act.Action]) -> None:
        self.core.check()
        for order in orders:
            self._carry_out(order)
        deadline = self.core.next_deadline()
        if deadline is not None and deadline != self._tick_at:
            self._tick_at = deadline
            # Not at once again: a loop does not turn in no time either.
            earliest = self._agenda.now + 1e-4
            self._agenda.at(max(deadline, earliest), partial(self._planned_tick, deadline))

    def _sample(self) -> None:
        if self.is_alive:
            self._post(ev.Sampled(4.0, 0.0, 4 << 30))
            self._agenda.after(SAMPLE_S, self._sample)

    def _later(self, seconds: float, event: ev.Event) -> None:
        self._agenda.after(seconds, partial(self._post, event))

    # ------------------------------------------------------------------ orders

    def _carry_out(self, order: act.Action) -> None:
        match order:
            case act.SendResults(session, attempts):
                records = [each.result for each in attempts if each.result is not None]
                self._send(session.peer, Results(session.handle, records))
            case act.SendDocument(peer, document):
                self._send(peer, document)
            case act.SendHoldings(session, keys):
                self._send(session.peer, Holdings(session.handle, list(keys)))
            case act.LayOutFunction(session, function):
                self._later(
                    LATENCY_S, ev.FunctionLaidOut(session.handle, function.id, "/virtual", ())
                )
            case act.CloseSession(session):
                self._later(LATENCY_S, ev.SessionFilesGone(session.handle))
            case _:
                self._carry_out_for_process(order)

    def _carry_out_for_process(self, order: act.Action) -> None:
        match order:
            case act.StartProcess(process):
                self._processes[process.number] = Process(process.number)
                self._later(START_S, ev.ProcessReady(process.number))
            case act.RunAttempts(process, attempts):
                self._run(process.number, attempts)
            case act.TakeBack(process, keys):
                self._agenda.after(LATENCY_S, partial(self._give_back, process.number, list(keys)))
            case act.KillProcess(process) | act.EndProcess(process):
                self._processes.pop(process.number, None)
                self._later(LATENCY_S, ev.ProcessDied(process.number, Reason(text="ended")))
            case act.FreezeProcesses(processes) | act.ThawProcesses(processes):
                for each in processes:
                    if each.number in self._processes:
                        own = self._processes[each.number]
                        own.is_frozen = isinstance(order, act.FreezeProcesses)
                        self._update(own)
            case act.LookAtProcess(process):
                self._look(process.number)
            case _:
                pass

    def _look(self, number: int) -> None:
        process = self._processes.get(number)
        if process is not None:
            beat_at = process.stopped_at if process.stands_still else self._agenda.now
            self._later(LATENCY_S, ev.ProcessSeen(number, beat_at, None))

    # ------------------------------------------------------------------ virtual processes

    def _run(self, number: int, attempts: Sequence[Attempt]) -> None:
        process = self._processes[number]
        process.waiting.update({each.key: each.record for each in attempts})
        self._start_next(process)

    def _start_next(self, process: Process) -> None:
        if process.current is None and process.waiting:
            record = process.waiting.pop(next(iter(process.waiting)))
            seconds = float(bytes(record.payload).decode().split()[0])
            process.current = record
            process.left_s = 0.001 if self._is_black_hole else seconds * self._slowness
            process.started_at = self._agenda.now
        self._update(process)

    def _update(self, process: Process) -> None:
        """Let a process go on or stand still, as it must; the part done so far is kept."""
        now = self._agenda.now
        process.serial += 1
        if process.resumed_at:
            process.left_s -= now - process.resumed_at
            process.resumed_at = 0.0
            process.stopped_at = now
        if process.stands_still or self.is_stopped or not self.is_alive:
            return
        if process.unanswered:
            keys, process.unanswered = process.unanswered, []
            self._agenda.after(LATENCY_S, partial(self._give_back, process.number, keys))
        if process.current is not None:
            process.resumed_at = now
            end = partial(self._end, process, process.serial)
            self._agenda.after(max(process.left_s, 0.0), end)

    def _give_back(self, number: int, keys: list[Key]) -> None:
        process = self._processes.get(number)
        if process is None:
            return
        if process.stands_still or self.is_stopped:
            process.unanswered += keys
            return
        returned = [key for key in keys if process.waiting.pop(key, None) is not None]
        self._post(ev.AttemptsReturned(number, returned))

    def _end(self, process: Process, serial: int) -> None:
        record = process.current
        if process.serial != serial or record is None or process.number not in self._processes:
            return
        assert not self.core.table.is_frozen, "something ran while its agent was suspended"
        process.current = None
        process.resumed_at = 0.0
        words = bytes(record.payload).decode().split()
        if "crash" in words and not self._is_black_hole:
            del self._processes[process.number]
            key = (record.task, record.attempt)
            self._post(ev.ProcessDied(process.number, Reason(text="crashed"), key))
            return
        outcome = Outcome.FAILED if self._is_black_hole or "fail" in words else Outcome.DONE
        known = self.core.table.processes.get(process.number)
        slot = known.slot if known is not None and known.slot is not None else 0
        result = result_of(record, outcome, slot, process.started_at, self._agenda.now)
        self._post(ev.AttemptsEnded(process.number, [result], {}))
        self._start_next(process)
