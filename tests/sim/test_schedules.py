"""Random schedules of faults: tasks end once, none stalls, nothing runs while suspended."""

from __future__ import annotations

import pytest

from tests.sim.faults import schedule_of
from tests.sim.modelagent import ModelAgent
from tests.sim.realagent import RealAgent
from tests.sim.world import SimAgent, World

SEEDS = 500
MODEL_SEEDS = 200
PER_TEST = 25


def run_seed(seed: int, kind_of_agent: type[SimAgent]) -> None:
    """Run one schedule; a failure names the seed."""
    schedule = schedule_of(seed)
    try:
        World(schedule, kind_of_agent).run()
    except AssertionError as error:
        error.add_note(f"seed {seed}: {schedule}")
        raise


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_every_schedule_of_faults_keeps_the_invariants(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        run_seed(seed, RealAgent)


@pytest.mark.parametrize("first", range(SEEDS, SEEDS + MODEL_SEEDS, PER_TEST))
def test_the_user_core_keeps_them_with_the_simplest_agent_there_can_be(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        run_seed(seed, ModelAgent)


def test_the_same_seed_gives_the_same_run() -> None:
    ends = []
    for _ in range(2):
        world = World(schedule_of(7))
        world.run()
        ends.append((world.agenda.now, [len(task.attempts) for task in world.tasks.values()]))
    assert ends[0] == ends[1]
