"""Random schedules of faults: tasks end once, none stalls, nothing runs while suspended."""

from __future__ import annotations

import os

import pytest

from tests.sim.faults import schedule_of
from tests.sim.modelagent import ModelAgent
from tests.sim.runs import Tally, run_seed, run_seeds
from tests.sim.world import World

SEEDS = 2000
QUICK_SEEDS = 300
MODEL_SEEDS = 100
PER_TEST = 25


@pytest.mark.parametrize("first", range(0, QUICK_SEEDS, PER_TEST))
def test_every_schedule_of_faults_keeps_the_invariants(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        run_seed(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_schedules_keep_them() -> None:
    tally = Tally()
    for part in run_seeds(0, SEEDS, os.cpu_count() or 1):
        tally.add(part)
    assert tally.seeds == SEEDS
    assert not tally.failed, "\n".join(tally.failed.values())


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
