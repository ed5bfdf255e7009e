"""Random schedules of faults: tasks end once, none stalls, nothing runs while suspended."""

from __future__ import annotations

import pytest

from tests.sim.faults import schedule_of
from tests.sim.world import World

SEEDS = 500
PER_TEST = 25


def run_seed(seed: int) -> None:
    """Run one schedule; a failure names the seed."""
    schedule = schedule_of(seed)
    try:
        World(schedule).run()
    except AssertionError as error:
        error.add_note(f"seed {seed}: {schedule}")
        raise


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_every_schedule_of_faults_keeps_the_invariants(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        run_seed(seed)


def test_the_same_seed_gives_the_same_run() -> None:
    ends = []
    for _ in range(2):
        world = World(schedule_of(7))
        world.run()
        ends.append((world.agenda.now, [len(task.attempts) for task in world.tasks.values()]))
    assert ends[0] == ends[1]
