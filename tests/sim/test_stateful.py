"""Any order of what people, networks and programs do: a state machine over a whole grid.

Schedules (`faults.py`) choose everything at the start; here each step is chosen with the state that
the steps before have led to, and what fails is made as small as possible by hypothesis.
"""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hxgrid.user.core.estimates import MAX_WINDOW
from tests.sim.faults import Fault, Host, Job, Kind, Schedule
from tests.sim.realagent import RealAgent
from tests.sim.slots import answer_to
from tests.sim.world import World

MAX_SEATS = 6
MAX_TASKS = 120
PASSES = st.sampled_from((0.2, 1.0, 2.5, 6.0, 14.0))
"""How long a fault lasts: below and above each of the times that the design names."""
PLACES = st.integers(0, MAX_SEATS - 1)
NETWORK = st.sampled_from((Kind.DROP, Kind.CUT, Kind.SLOW, Kind.DOUBLE))
HOSTS = st.builds(
    Host,
    slots=st.integers(1, 3),
    slowness=st.sampled_from((1.0, 0.5, 5.0)),
    is_black_hole=st.just(value=False),
    joins_at=st.just(0.0),
)


class Grid(RuleBasedStateMachine):
    """One application and up to six agents, all with the real cores."""

    world: World

    @initialize(first=HOSTS, others=st.lists(HOSTS, max_size=3), seed=st.integers(0, 1000))
    def start(self, first: Host, others: list[Host], seed: int) -> None:
        self.world = World(Schedule(seed, (first, *others), (), ()), RealAgent)
        self.world.advance(3.5)

    # ------------------------------------------------------------------ the application

    @precondition(lambda self: len(self.world.jobs) < MAX_TASKS)
    @rule(
        count=st.integers(1, 12),
        seconds=st.sampled_from((0.002, 0.05, 0.5, 2.0)),
        ending=st.sampled_from(("", "", "", " fail", " crash")),
        is_idempotent=st.sampled_from((True, True, True, False)),
    )
    def submit(self, count: int, seconds: float, ending: str, is_idempotent: bool) -> None:
        world = self.world
        for _ in range(count):
            job = Job(world.agenda.now, 1 + (seconds > 1), f"{seconds}{ending}", is_idempotent)
            world.submit(len(world.jobs) + 1, job)

    @rule(which=st.integers(0, MAX_TASKS))
    def cancel(self, which: int) -> None:
        self._begin(Kind.CANCEL, 0, 0.0, which)

    @rule(for_s=PASSES)
    def crash_the_user(self, for_s: float) -> None:
        self._begin(Kind.USER, 0, for_s)

    # ------------------------------------------------------------------ agents

    @precondition(lambda self: len(self.world.seats) < MAX_SEATS)
    @rule(host=HOSTS)
    def join(self, host: Host) -> None:
        """A newcomer: what others have not begun is recalled for it."""
        self.world.add(host)

    @rule(place=PLACES, for_s=PASSES)
    def kill(self, place: int, for_s: float) -> None:
        self._begin(Kind.KILL, place, for_s)

    @rule(place=PLACES, for_s=PASSES)
    def freeze(self, place: int, for_s: float) -> None:
        self._begin(Kind.FREEZE, place, for_s)

    @rule(place=PLACES, for_s=PASSES, slot=st.integers(0, 2))
    def stop_a_slot(self, place: int, for_s: float, slot: int) -> None:
        self._begin(Kind.STOP_SLOT, place, for_s, slot)

    @rule(place=PLACES, for_s=PASSES)
    def suspend(self, place: int, for_s: float) -> None:
        self._begin(Kind.OWNER, place, for_s)

    @rule(place=PLACES)
    def let_a_copy_overtake(self, place: int) -> None:
        """Freeze until copies are made elsewhere, then let the late results arrive."""
        self._begin(Kind.FREEZE, place, 4.0)
        self.world.advance(4.5)

    # ------------------------------------------------------------------ network

    @rule(kind=NETWORK, place=PLACES, for_s=PASSES)
    def disturb(self, kind: Kind, place: int, for_s: float) -> None:
        self._begin(kind, place, for_s)

    @rule(place=PLACES, for_s=PASSES)
    def part(self, place: int, for_s: float) -> None:
        self._begin(Kind.PARTITION, place, for_s)

    @rule()
    def restart_the_coordinator(self) -> None:
        self._begin(Kind.COORDINATOR, 0, 0.2)

    @rule(seconds=st.sampled_from((0.001, 0.1, 1.0, 3.0)))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def each_task_ends_at_most_once(self) -> None:
        assert all(len(ends) <= 1 for ends in self.world.endings.values())

    @invariant()
    def answers_are_those_of_the_inputs(self) -> None:
        world = self.world
        for number, answer in world.answers.items():
            assert answer == answer_to(world.jobs[number].work.encode())

    @invariant()
    def nobody_holds_more_than_its_bounds(self) -> None:
        state = self.world.user.dispatcher._state
        assert len(state.tasks) <= len(self.world.jobs)
        for view in state.agents.values():
            assert len(view.held) <= MAX_WINDOW
        for agent in self.world.programs.values():
            assert isinstance(agent, RealAgent)
            table, settings = agent.core.table, agent.core.table.settings
            assert table.waiting <= settings.max_waiting_attempts
            assert len(table.sessions) <= settings.max_sessions
            assert table.result_bytes <= 2 * settings.max_results_waiting_bytes

    def teardown(self) -> None:
        """Let all faults pass: every task ends, once, and nothing is left anywhere."""
        if hasattr(self, "world"):
            self.world.run()

    def _begin(self, kind: Kind, place: int, for_s: float, slot: int = 0) -> None:
        world = self.world
        world.begin(Fault(world.agenda.now, kind, place % len(world.seats), for_s, slot))


def run_machine(examples: int) -> None:
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    run_state_machine_as_test(Grid, settings=settings)


def test_any_order_of_steps_keeps_the_invariants() -> None:
    run_machine(20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_orders_of_steps_keep_them() -> None:
    run_machine(400)
