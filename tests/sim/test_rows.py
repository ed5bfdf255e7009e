"""Rows of `tests/rows.txt` on whole grids in virtual time: what took minutes takes moments here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.sim.coordinator import POLL_S as START_S
from tests.sim.faults import Fault, Host, Job, Kind, Schedule
from tests.sim.realagent import RealAgent
from tests.sim.world import World


def world_of(hosts: Sequence[Host], jobs: Sequence[Job], *faults: Fault, seed: int = 1) -> World:
    # The first poll finds nobody yet: all begins with the second. Faults count from there.
    faults = tuple(replace(fault, at=START_S + fault.at) for fault in faults)
    return World(Schedule(seed, tuple(hosts), tuple(jobs), faults), RealAgent)


def hosts(count: int, slots: int = 1, slowness: float = 1.0) -> list[Host]:
    return [Host(slots, slowness, is_black_hole=False, joins_at=0.0)] * count


def jobs(count: int, seconds: float, at: float = 0.0) -> list[Job]:
    return [Job(at, 1, f"{seconds:.4f}", True)] * count


def watch_views(world: World, look: Callable[[int, int], None]) -> None:
    """Have held attempts and window of each connected agent looked at after every event."""
    after_event = world.user.after_event

    def look_at_all() -> None:
        after_event()
        for view in world.user.dispatcher._state.agents.values():
            if view.is_connected:
                look(len(view.held), view.window)

    world.user.after_event = look_at_all


def gaps_between_results(world: World) -> list[float]:
    """Run until all tasks have ended; the times between results."""
    times = [0.0]
    count = 0
    while not (world.endings and all(world.endings.values())):
        world.agenda.step()
        if len(world.answers) > count:
            count = len(world.answers)
            times.append(world.agenda.now)
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_h1_fewer_long_tasks_than_agents_all_finish_over_their_first_connections() -> None:
    world = world_of(hosts(5), jobs(3, 30.0))
    world.run()
    assert world.ended_at - START_S < 31.0
    assert world.network.opened == 5
    ends = [attempt.outcome for task in world.tasks.values() for attempt in task.attempts]
    assert ends.count("DONE") == len(ends) - ends.count("NOT_STARTED") == 3


@pytest.mark.slow
def test_h16_a_thousand_small_jobs_with_agents_killed_all_finish() -> None:
    for seed in range(1000):
        kills = [
            Fault(0.01 * ((seed + 7 * n) % 60), Kind.RESTART, n % 4, 0.5 + seed % 3)
            for n in range(seed % 5)
        ]
        world = world_of(hosts(4, slots=1 + seed % 3), jobs(50, 0.02), *kills, seed=seed)
        world.run()
        assert len(world.answers) == 50


@pytest.mark.parametrize("first", [0x7FFFFFFE, 0xFFFFFFFE, 0x7FFFFFFFFFFFFF])
def test_h17_task_ids_pass_every_boundary_and_come_back_whole(first: int) -> None:
    world = world_of(hosts(2, slots=2), [], Fault(0.5, Kind.DROP, 0, 1.0))
    for number in range(first, first + 20):
        world.submit(number, jobs(1, 0.2)[0])
    world.run()
    assert sorted(world.answers) == list(range(first, first + 20))


def test_k12_a_long_last_task_on_a_slow_agent_is_copied_and_bounds_the_end() -> None:
    slow = hosts(1, slowness=20.0)
    world = world_of(hosts(3) + slow, jobs(60, 1.0) + jobs(1, 10.0))
    world.run()
    # A minute of work on three agents, then the long one; the slow agent alone takes 200 s for it.
    assert world.ended_at - START_S < 60 / 3 + 10 + 5


def test_b5_b20_copies_of_a_task_never_lead_to_a_third_and_losers_are_stopped() -> None:
    freeze = [Fault(1.0, Kind.FREEZE, 0, 6.0), Fault(1.0, Kind.FREEZE, 1, 6.0)]
    world = world_of(hosts(4), jobs(4, 5.0), *freeze)
    world.run()
    assert max(len(task.attempts) for task in world.tasks.values()) == 2
    # The frozen ones go on at 7 s with 4 s of work left each: stopped, not finished.
    assert not world.watch.leftovers()
    assert world.ended_at - START_S < 11.0


def test_b22_reconnecting_with_results_in_flight_never_over_commits() -> None:
    broken = [Fault(0.1 * n, Kind.DROP, n % 2, 0.05) for n in range(1, 30)]
    doubled = [Fault(0.0, Kind.DOUBLE, n, 4.0) for n in range(2)]
    world = world_of(hosts(2, slots=2), jobs(200, 0.03), *doubled, *broken)
    seen: list[int] = []

    def look(held: int, window: int) -> None:
        assert 0 <= held <= max(window, 3)
        seen.append(held)

    watch_views(world, look)
    world.run()
    assert max(seen) >= 2


def test_b23_short_tasks_flow_without_a_gap() -> None:
    world = world_of(hosts(3, slots=2), jobs(600, 0.001))
    # From the first result on there is always work to be done.
    assert max(gaps_between_results(world)[1:]) < 0.1


def test_b23_tasks_of_a_killed_agent_wait_no_longer_than_its_silence_takes_to_be_noticed() -> None:
    kill = Fault(1.0, Kind.RESTART, 0, 60.0)
    world = world_of(hosts(3), jobs(30, 0.5), kill)
    gaps_between_results(world)
    work_s = 30 * 0.5 / 2
    assert world.agenda.now - START_S < 0.5 + work_s + 1.5 + 1.0


def test_b29_half_a_minute_of_standing_back_keeps_the_connection() -> None:
    world = world_of(hosts(1), jobs(5, 1.0), Fault(2.5, Kind.OWNER, 0, 30.0))
    world.run()
    assert 34.0 < world.ended_at - START_S < 37.0
    assert world.network.opened == 1
    assert len(world.answers) == 5


def test_b30_whoever_hangs_is_left_alone_within_its_limit() -> None:
    hang = Fault(0.5, Kind.FREEZE, 0, 1000.0)
    world = world_of(hosts(2, slots=2), jobs(20, 0.5), hang)
    gaps_between_results(world)
    # 10 s of work on two slots, and at most suspect_after_s + 1 s for what the other one had.
    assert world.agenda.now - START_S < 0.5 + 5.0 + 2.5 + 0.5


def test_b50_others_take_over_what_a_suspended_agent_has() -> None:
    world = world_of(hosts(3), jobs(12, 1.0), Fault(1.5, Kind.OWNER, 0, 30.0))
    gaps_between_results(world)
    assert world.agenda.now - START_S < 9.0
