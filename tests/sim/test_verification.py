"""Verified tasks among faults, and computers that compute wrongly."""

from __future__ import annotations

import pytest

from tests.sim.faults import Host, Job, Schedule, schedule_of
from tests.sim.modelagent import ModelAgent
from tests.sim.realagent import RealAgent
from tests.sim.world import World

SEEDS = 300
PER_TEST = 50


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_faults_do_no_more_harm_to_tasks_that_are_verified(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        world = World(schedule_of(seed), RealAgent if seed % 3 else ModelAgent, verify=0.7)
        try:
            world.run()
        except AssertionError as error:
            error.add_note(f"seed {seed}, verify 0.7: {world.schedule}")
            raise
        assert [each for each in world.user.disputes if each is not None] == []


def _quiet(seed: int, hosts: int, count: int, work_s: float = 0.05) -> Schedule:
    return Schedule(
        seed,
        tuple(Host(2, 1.0, is_black_hole=False, joins_at=0.0) for _ in range(hosts)),
        tuple(Job(0.5, 1, f"{work_s} {number}", idempotent=True) for number in range(count)),
        (),
    )


def _name(world: World, place: int) -> str:
    [boot_id] = world.seats[place].boot_ids
    return boot_id


@pytest.mark.parametrize("liar", range(3))
def test_a_computer_that_is_wrong_is_found_and_nothing_of_it_is_taken(liar: int) -> None:
    world = World(_quiet(1, 3, 60), verify=1.0, liars={liar})
    world.run()  # which looks at each answer

    disputes = [each for each in world.user.disputes if each is not None]
    assert disputes
    assert {each.odd for each in disputes} == {_name(world, liar)}
    assert world.user.dispatcher.verdicts.unverified == 0


def test_a_computer_that_was_wrong_is_tried_again_and_verified_each_time() -> None:
    world = World(_quiet(2, 3, 400, work_s=0.5), verify=0.2, liars={0})
    world.run_unchecked()

    liar = _name(world, 0)
    disputes = [each for each in world.user.disputes if each is not None]
    assert {each.odd for each in disputes} == {liar}
    # After its first mistake, found or not, everything that it does is looked at.
    found_in = [task for task in world.tasks.values() if task.id == disputes[0].task]
    assert found_in
    later = [
        task
        for task in world.tasks.values()
        if any(each.agent == liar and each.placed_at > 12.0 for each in task.attempts)
    ]
    assert all(task.proof is not None for task in later)


def test_two_computers_that_differ_are_told_and_the_job_goes_on() -> None:
    world = World(_quiet(3, 2, 10), verify=1.0, liars={1})
    world.run_unchecked()

    disputes = [each for each in world.user.disputes if each is not None]
    assert len(disputes) == 10
    assert {each.odd for each in disputes} == {None}


def test_with_one_computer_alone_nothing_waits_and_it_is_said_once() -> None:
    quiet = _quiet(4, 1, 20)
    world = World(quiet, verify=1.0)
    world.run()
    plain = World(quiet)
    plain.run()

    assert world.user.disputes == [None]
    assert world.user.dispatcher.verdicts.unverified == 20
    assert world.ended_at <= plain.ended_at + 0.1


def test_the_share_is_chosen_by_the_seed() -> None:
    worlds = [World(_quiet(seed, 3, 200, 0.002), verify=0.25) for seed in (5, 5, 6)]
    for world in worlds:
        world.run()
    chosen = [
        {task.id for task in world.tasks.values() if task.proof is not None} for world in worlds
    ]
    assert chosen[0] == chosen[1] != chosen[2]
    assert 25 <= len(chosen[0]) <= 80
