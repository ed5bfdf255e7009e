"""A LAN with one user: runs a schedule to its end and checks every invariant after every step."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial

from hxgrid.user.core.events import TasksCancelled, TasksSubmitted
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import TaskRecord, TaskState
from tests.sim.agenda import Agenda
from tests.sim.coordinator import SimCoordinator
from tests.sim.faults import Fault, Host, Kind, Schedule
from tests.sim.messages import Message
from tests.sim.modelagent import ModelAgent
from tests.sim.network import Connection, Network
from tests.sim.realagent import RealAgent
from tests.sim.user import SimUser

SETTINGS = DispatchSettings(
    send_ahead="auto",
    max_attempts=3,
    retry_delay_s=1.0,
    cooling_s=10.0,
    send_duplicate_tasks=True,
    duplicate_budget=0.1,
    agent_min_free_memory_bytes=50 << 20,
    agent_min_free_memory_factor=1.5,
    heartbeat_s=0.5,
    suspect_after_s=1.5,
    lost_after_s=10.0,
)
STATUS_S = 1.0
LONGEST_RUN_S = 600.0
MAX_ATTEMPTS_SEEN = 60
"""Attempts of one task that no schedule needs: 12 faults, 5 agents, 3 failures."""
STALL_LIMIT_S = SETTINGS.suspect_after_s + 1.0
LATENCY_S = 0.3
"""What messages, retries and one status period of the network add to the limit above."""


SimAgent = ModelAgent | RealAgent


@dataclass
class Seat:
    """One computer: its present agent and what afflicts it."""

    host: Host
    agent: SimAgent | None = None
    boots: int = 0
    boot_ids: set[str] = field(default_factory=set)
    """Of all agents that have ever listened there."""
    afflictions: int = 0
    """Faults in force that make it unfit, as far as the stall rule is concerned."""


class World:
    """The schedule's computers, the network and the user."""

    def __init__(self, schedule: Schedule, kind_of_agent: type[SimAgent] = ModelAgent) -> None:
        self.schedule = schedule
        self._kind_of_agent = kind_of_agent
        self.agenda = Agenda()
        self.network = Network(self.agenda, random.Random(schedule.seed + 1))
        self.seats = [Seat(host) for host in schedule.hosts]
        self.programs: dict[str, SimAgent] = {}
        self.user = SimUser(self.agenda, self.network, self._find, SETTINGS, schedule.seed)
        self.user.after_event = self._check_step
        self.coordinator = SimCoordinator(self.agenda, self.user.tell)
        self.tasks: dict[int, TaskRecord] = {}
        self._unserved_since: dict[int, float] = {}
        self._free_since: dict[str, float] = {}
        for seat in self.seats:
            self.agenda.at(seat.host.joins_at, partial(self._boot, seat))
        for number, job in enumerate(schedule.jobs, 1):
            task = TaskRecord(
                number,
                job.function,
                job.work.encode(),
                stored_bytes=len(job.work),
                raw_bytes=len(job.work),
                idempotent=job.idempotent,
            )
            self.agenda.at(job.at, partial(self._submit, task))
        for fault in schedule.faults:
            self.agenda.at(fault.at, partial(self._begin, fault))

    # ------------------------------------------------------------------ running

    def run(self) -> None:
        """Run until every task has ended, which must be before `LONGEST_RUN_S`."""
        expected = len(self.schedule.jobs)
        while self.user.dispatcher.counts.unfinished or len(self.tasks) < expected:
            assert self.agenda.now < LONGEST_RUN_S, f"not over: {self._unfinished()}"
            assert self.agenda.step(), f"nothing will ever happen: {self._unfinished()}"
        for task_id, endings in self.user.endings.items():
            assert len(endings) == 1, f"task {task_id} ended {endings}"

    def _unfinished(self) -> list[str]:
        waiting = [task for task in self.tasks.values() if not task.state.is_final]
        return [self.user.dispatcher.why(task.id, self.agenda.now) for task in waiting]

    def _submit(self, task: TaskRecord) -> None:
        self.tasks[task.id] = task
        self.user.endings[task.id] = []
        self.user.tell(TasksSubmitted([task]))

    # ------------------------------------------------------------------ computers

    def _find(self, boot_id: str) -> SimAgent | None:
        """Return the program that answers at the addresses of an agent, if there is one."""
        for seat in self.seats:
            if boot_id in seat.boot_ids:
                agent = seat.agent
                return agent if agent is not None and agent.is_alive else None
        return None

    def _boot(self, seat: Seat) -> None:
        seat.boots += 1
        boot_id = f"{self.seats.index(seat) + 1:016x}{seat.boots:016x}"
        seat.agent = self._kind_of_agent(
            self.agenda,
            boot_id,
            seat.host.slots,
            partial(self._send_to_user, boot_id),
            slowness=seat.host.slowness,
            is_black_hole=seat.host.is_black_hole,
        )
        self.programs[boot_id] = seat.agent
        seat.boot_ids.add(boot_id)
        self._report(seat, seat.agent)

    def _send_to_user(self, boot_id: str, peer: bytes, message: Message) -> None:
        # A restarted agent answers on the connection that was meant for the one before it.
        for link in list(self.user.links.values()):
            if link.connection.peer == peer:
                link.connection.send(message, to_far=False, peer=peer)

    def _report(self, seat: Seat, agent: SimAgent) -> None:
        """Let an agent tell the coordinator each second that it is there."""
        if not agent.is_alive:
            return
        self.agenda.after(STATUS_S, partial(self._report, seat, agent))
        if not agent.is_stopped:
            place = self.seats.index(seat)
            name = f"pc{place}-{seat.boots}"
            self.coordinator.report(agent.boot_id, place, name, seat.host.slots)

    # ------------------------------------------------------------------ faults

    def _begin(self, fault: Fault) -> None:
        seat = self.seats[fault.agent]
        agent = seat.agent
        if fault.kind is Kind.CANCEL:
            open_tasks = [task.id for task in self.tasks.values() if not task.state.is_final]
            if open_tasks:
                chosen = open_tasks[fault.slot % len(open_tasks)]
                self.user.tell(TasksCancelled([chosen]))
            return
        if agent is None or not agent.is_alive:
            return
        seat.afflictions += 1
        link = self.user.links.get(agent.boot_id)
        match fault.kind:
            case Kind.KILL | Kind.RESTART:
                agent.kill()
            case Kind.FREEZE:
                agent.freeze(True)
            case Kind.OWNER:
                agent.suspend(True)
            case Kind.STOP_SLOT:
                agent.stop_slot(fault.slot % seat.host.slots, True)
            case Kind.COORDINATOR:
                self.coordinator.restart()
            case _ if link is not None:
                self._disturb(fault, link.connection)
            case _:
                pass
        connection = link.connection if link is not None else None
        self.agenda.after(fault.for_s, lambda: self._end(fault, seat, agent, connection))

    def _disturb(self, fault: Fault, connection: Connection) -> None:
        match fault.kind:
            case Kind.DROP:
                connection.drop()
            case Kind.CUT:
                connection.cut()
            case Kind.SLOW:
                connection.extra_delay_s = fault.for_s / 10
            case _:
                connection.doubles = 0.5

    def _end(
        self, fault: Fault, seat: Seat, agent: SimAgent, connection: Connection | None
    ) -> None:
        seat.afflictions -= 1
        self._free_since.clear()
        if connection is not None:
            connection.extra_delay_s = connection.doubles = 0.0
            if fault.kind is Kind.CUT:
                connection.heal()
        match fault.kind:
            case Kind.KILL | Kind.RESTART:
                # Somebody starts it again in the end, or the job could never finish.
                self._boot(seat)
            case Kind.FREEZE:
                agent.freeze(False)
                if connection is not None:
                    connection.release()
            case Kind.OWNER:
                agent.suspend(False)
            case Kind.STOP_SLOT:
                agent.stop_slot(fault.slot % seat.host.slots, False)
            case _:
                pass

    # ------------------------------------------------------------------ invariants

    def _check_step(self) -> None:
        for task_id, endings in self.user.endings.items():
            assert len(endings) <= 1, f"task {task_id} ended {endings}"
        for task in self.tasks.values():
            assert len(task.attempts) <= MAX_ATTEMPTS_SEEN, f"task {task.id}: too many attempts"
        self._check_stalls()

    def _check_stalls(self) -> None:
        now = self.agenda.now
        free = self._note_free_agents()
        for task in self.tasks.values():
            if task.state not in (TaskState.WAITING, TaskState.RUNNING) or self._is_served(task):
                self._unserved_since.pop(task.id, None)
                continue
            since = self._unserved_since.setdefault(task.id, now)
            if not task.idempotent:
                continue
            for name in free:
                if task.trouble is not None and name in (
                    task.trouble.failed_on | task.trouble.backoff_until
                ):
                    continue
                waited_s = now - max(since, self._free_since[name])
                assert waited_s <= STALL_LIMIT_S + LATENCY_S, (
                    f"at {now:.2f} agent {name} is free and task {task.id} has waited for "
                    f"{waited_s:.2f} s: {self.user.dispatcher.why(task.id, now)}"
                )

    def _note_free_agents(self) -> list[str]:
        views = self.user.dispatcher._state.agents
        free = []
        for seat in self.seats:
            agent = seat.agent
            if agent is None:
                continue
            view = views.get(agent.boot_id)
            is_free = (
                view is not None
                and view.is_fit
                and not view.held
                and not view.on_parole
                and agent.is_well
                and seat.afflictions == 0
            )
            if is_free:
                self._free_since.setdefault(agent.boot_id, self.agenda.now)
                free.append(agent.boot_id)
            else:
                self._free_since.pop(agent.boot_id, None)
        return free

    def _is_served(self, task: TaskRecord) -> bool:
        return any(
            program.serves((task.id, attempt.number))
            for attempt in task.attempts
            if (program := self.programs.get(attempt.agent)) is not None
            and self._is_reached(attempt.agent)
        )

    def _is_reached(self, boot_id: str) -> bool:
        link = self.user.links.get(boot_id)
        return link is not None and not link.connection.is_cut
