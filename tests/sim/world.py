"""A LAN with one user: computers, network and faults. What must hold there is in `watch.py`.

A killed application is started again, as people do: it hands in anew what it has got no result for,
under a session of its own. What the old one has left behind is the agents' to clear away.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field, replace
from functools import partial

from hxgrid.user.core.events import RosterChanged, TasksCancelled, TasksSubmitted
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import TaskRecord
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.messages import Outcome
from tests.sim.agenda import Agenda
from tests.sim.coordinator import SimCoordinator
from tests.sim.faults import Fault, Host, Job, Kind, Schedule
from tests.sim.messages import Message, Results
from tests.sim.modelagent import ModelAgent
from tests.sim.network import Connection, Network
from tests.sim.realagent import RealAgent
from tests.sim.user import SimUser
from tests.sim.watch import Watch

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
SETTLED_AFTER_S = 14.0
"""`lost_after_s` or a session lease, and time for the messages that follow."""


SimAgent = ModelAgent | RealAgent


@dataclass
class Seat:
    """One computer: its present agent and what afflicts it."""

    host: Host
    place: str
    agent: SimAgent | None = None
    boots: int = 0
    boot_ids: set[str] = field(default_factory=set)
    """Of all agents that have ever listened there."""
    afflictions: int = 0
    """Faults in force that make it unfit, as far as the stall rule is concerned."""


class World:
    """The schedule's computers, the network and the user."""

    def __init__(
        self,
        schedule: Schedule,
        kind_of_agent: type[SimAgent] = ModelAgent,
        *,
        verify: float = 0.0,
        liars: Container[int] = (),
    ) -> None:
        self.schedule = schedule
        self.liars = liars
        """Places of the computers that compute wrongly."""
        self._settings = replace(SETTINGS, verify=verify)
        self._kind_of_agent = kind_of_agent
        self.agenda = Agenda()
        self.network = Network(self.agenda, random.Random(schedule.seed + 1))
        self.seats = [Seat(host, f"{number:016x}") for number, host in enumerate(schedule.hosts, 1)]
        self.programs: dict[str, SimAgent] = {}
        self.done: Counter[Kind] = Counter()
        """Faults that were in force, by kind."""
        self.endings: dict[int, list[str]] = {}
        """For each task handed in, how it ended: one entry in the end."""
        self.answers: dict[int, bytes] = {}
        self.jobs: dict[int, Job] = {}
        """All that were handed in."""
        self.tasks: dict[int, TaskRecord] = {}
        """The same as the present application knows them."""
        self.ended_at = 0.0
        """When the last task ended."""
        self._lives = 0
        self.watch = Watch(self)
        self.user = self._start_user()
        self.coordinator = SimCoordinator(self.agenda, self._tell_of_roster)
        for seat in self.seats:
            self.agenda.at(seat.host.joins_at, partial(self._boot, seat))
        for number, job in enumerate(schedule.jobs, 1):
            self.agenda.at(job.at, partial(self.submit, number, job))
        for fault in schedule.faults:
            self.agenda.at(fault.at, partial(self.begin, fault))

    # ------------------------------------------------------------------ running

    def run(self) -> None:
        """Run until every task has ended, which must be before `LONGEST_RUN_S`, and settle."""
        expected = len(self.schedule.jobs)
        while len(self.endings) < expected or not all(self.endings.values()):
            assert self.agenda.now < LONGEST_RUN_S, f"not over: {self.unfinished()}"
            assert self.agenda.step(), f"nothing will ever happen: {self.unfinished()}"
        self.ended_at = self.agenda.now
        self.settle()

    def run_unchecked(self) -> None:
        """Run as `run`, where answers may be wrong."""
        self.watch.checks_answers = False
        self.run()

    def settle(self) -> None:
        """Let every fault pass and every message arrive; then nothing may be left anywhere."""
        # A fault that is still to come would fall into the time that is given for settling.
        last_at = max((fault.at for fault in self.schedule.faults), default=0.0)
        while (
            self.agenda.now <= last_at
            or any(seat.afflictions for seat in self.seats)
            or not self.user.is_alive
        ):
            assert self.agenda.step(), "a fault that does not pass"
        ends_at = self.agenda.now + SETTLED_AFTER_S
        while self.agenda.now < ends_at and self.watch.leftovers():
            self.advance(0.5)
        self.watch.look_at_the_end()

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        ends_at = self.agenda.now + seconds
        passed: list[bool] = []
        self.agenda.at(ends_at, partial(passed.append, True))
        while not passed:
            self.agenda.step()

    def unfinished(self) -> list[str]:
        """Say of each task that has not ended why."""
        waiting = [task for task in self.tasks.values() if not task.state.is_final]
        return [self.user.dispatcher.why(task.id, self.agenda.now) for task in waiting]

    def add(self, host: Host) -> None:
        """Let another computer join now."""
        seat = Seat(host, f"{len(self.seats) + 1:016x}")
        self.seats.append(seat)
        self._boot(seat)

    # ------------------------------------------------------------------ the application

    def submit(self, number: int, job: Job) -> None:
        """Hand a task in, or keep it until the application is there again."""
        self.jobs[number] = job
        self.endings[number] = []
        if self.user.is_alive:
            self._hand_in([number])

    def _hand_in(self, numbers: list[int]) -> None:
        for number in numbers:
            job, size = self.jobs[number], len(self.jobs[number].work)
            self.tasks[number] = TaskRecord(
                number,
                job.function,
                job.work.encode(),
                stored_bytes=size,
                raw_bytes=size,
                idempotent=job.idempotent,
            )
            self.watch.take_in(self.tasks[number])
        if numbers:
            self.user.tell(TasksSubmitted([self.tasks[number] for number in numbers]))

    def _start_user(self) -> SimUser:
        self._lives += 1
        user = SimUser(
            self.agenda,
            self.network,
            self._find,
            self._settings,
            self.schedule.seed + self._lives - 1,
            f"{self._lives:032x}",
            self.endings,
            self.answers,
        )
        user.after_event = self.watch.look
        return user

    def _crash_user(self, for_s: float) -> None:
        if not self.user.is_alive:
            return
        self.user.crash()
        self.watch.start_over()
        self.agenda.after(for_s, self._restart_user)

    def _restart_user(self) -> None:
        self.user = self._start_user()
        self.coordinator.forget_user()
        self._hand_in([number for number, ends in self.endings.items() if not ends])

    def _tell_of_roster(self, event: RosterChanged) -> None:
        self.user.tell(event)

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
        boot_id = f"{seat.place}{seat.boots:016x}"
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
        place = int(boot_id[:16], 16) - 1
        if isinstance(message, Results) and place in self.liars:
            message = message._replace(records=[_wrong(each) for each in message.records])
        # A restarted agent answers on the connection that was meant for the one before it.
        for link in list(self.user.links.values()):
            if link.connection.peer == peer:
                link.connection.send(message, to_far=False, peer=peer)

    def _report(self, seat: Seat, agent: SimAgent) -> None:
        """Let an agent tell the coordinator each second that it is there."""
        if not agent.is_alive:
            return
        self.agenda.after(STATUS_S, partial(self._report, seat, agent))
        if not agent.is_stopped and not self.network.is_parted(seat.place):
            place = self.seats.index(seat)
            name = f"pc{place}-{seat.boots}"
            self.coordinator.report(agent.boot_id, place, name, seat.host.slots)

    # ------------------------------------------------------------------ faults

    def begin(self, fault: Fault) -> None:
        """Let something go wrong; it passes by itself."""
        self.done[fault.kind] += 1
        match fault.kind:
            case Kind.CANCEL:
                self._cancel(fault.slot)
            case Kind.USER:
                self._crash_user(fault.for_s)
            case Kind.PARTITION:
                # The agent named and every second one: two halves of the network, or one computer.
                chosen = [seat for seat in self.seats[fault.agent :: 2] if seat.agent is not None]
                for seat in chosen:
                    self._part(seat, fault.for_s)
            case _:
                self._afflict(fault, self.seats[fault.agent])

    def _cancel(self, place: int) -> None:
        open_tasks = [number for number, ends in self.endings.items() if not ends]
        if open_tasks and self.user.is_alive:
            self.user.tell(TasksCancelled([open_tasks[place % len(open_tasks)]]))

    def _part(self, seat: Seat, for_s: float) -> None:
        seat.afflictions += 1
        self.network.part(seat.place)

        def end() -> None:
            seat.afflictions -= 1
            self.watch.forget_idleness()
            self.network.join(seat.place)

        self.agenda.after(for_s, end)

    def _afflict(self, fault: Fault, seat: Seat) -> None:
        agent = seat.agent
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
                _disturb(fault, link.connection)
            case _:
                pass
        connection = link.connection if link is not None else None
        self.agenda.after(fault.for_s, lambda: self._end(fault, seat, agent, connection))

    def _end(
        self, fault: Fault, seat: Seat, agent: SimAgent, connection: Connection | None
    ) -> None:
        seat.afflictions -= 1
        self.watch.forget_idleness()
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


def _wrong(record: ResultRecord) -> ResultRecord:
    """Spoil a good result."""
    if record.outcome != Outcome.DONE:
        return record
    return record._replace(payload=b"?" * len(record.payload))


def _disturb(fault: Fault, connection: Connection) -> None:
    match fault.kind:
        case Kind.DROP:
            connection.drop()
        case Kind.CUT:
            connection.cut()
        case Kind.SLOW:
            connection.extra_delay_s = fault.for_s / 10
        case _:
            connection.doubles = 0.5
