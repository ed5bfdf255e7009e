from __future__ import annotations

from dataclasses import replace

from hxgrid.user.core.events import SettingsChanged
from hxgrid.user.core.requirements import Requirements
from hxgrid.wire.messages import AgentState
from tests.unit.user.core.stage import A, B, Stage, sent


def test_tasks_wait_until_an_agent_is_there() -> None:
    stage = Stage()
    assert sent(stage.submit(2)) == {}
    assert sent(stage.join(A, 2)) == {A: [(1, 1), (2, 1)]}


def test_tasks_go_out_in_the_order_of_submission() -> None:
    stage = Stage(2)
    assert sent(stage.submit(5)) == {A: [(1, 1), (2, 1), (3, 1)]}
    assert sent(stage.end(A, 1))[A][0] == (4, 1)


def test_idle_agents_come_before_busy_ones() -> None:
    stage = Stage(4, 1)
    stage.submit(1)
    assert sent(stage.submit(1)) == {B: [(2, 1)]}


def test_every_free_slot_is_filled_before_anything_is_sent_ahead() -> None:
    stage = Stage(1, 3)
    assert sent(stage.submit(4)) == {A: [(1, 1)], B: [(2, 1), (3, 1), (4, 1)]}


def test_among_idle_agents_the_one_that_finishes_sooner_gets_the_task() -> None:
    stage = Stage(1, 1)
    stage.submit(2)
    stage.end(A, 1, took_s=9.0)
    stage.end(B, 2, took_s=1.0)
    assert sent(stage.submit(1)) == {B: [(3, 1)]}


def test_one_long_task_is_sent_ahead() -> None:
    stage = Stage(2)
    stage.submit(10)
    stage.end(A, 1, took_s=60.0)
    assert len(stage.dispatcher._state.agents[A].held) == 3


def test_send_ahead_grows_with_the_results_of_short_tasks() -> None:
    stage = Stage(1)
    stage.submit(3000)
    held = stage.dispatcher._state.agents[A].held
    sizes = []
    for _ in range(5):
        stage.end(A, *[task.id for task in held.values()], took_s=1e-5)
        sizes.append(len(held))
    assert sizes == sorted(sizes)
    assert sizes[0] < 20
    assert sizes[-1] > 400


def test_a_large_window_is_topped_up_by_the_quarter() -> None:
    stage = Stage(1)
    stage.submit(5000)
    agent = stage.dispatcher._state.agents[A]
    for _ in range(5):
        stage.end(A, *[task.id for task in agent.held.values()], took_s=1e-5)
    first = next(iter(agent.held.values())).id
    assert sent(stage.end(A, first, took_s=1e-5)) == {}
    quarter = agent.window // 4
    actions = stage.end(A, *range(first + 1, first + quarter + 1), took_s=1e-5)
    assert len(sent(actions)[A]) >= quarter


def test_send_ahead_can_be_a_number() -> None:
    assert len(sent(Stage(2, send_ahead=5).submit(20))[A]) == 7
    assert len(sent(Stage(2, send_ahead=0).submit(20))[A]) == 2


def test_an_agent_below_its_memory_reserve_gets_nothing() -> None:
    stage = Stage(1)
    stage.load(A, free_memory_bytes=40_000_000)
    assert sent(stage.submit(1)) == {}
    assert sent(stage.load(A)) == {A: [(1, 1)]}


def test_an_agent_without_free_processors_gets_nothing_if_that_is_wanted() -> None:
    stage = Stage(1, agent_min_free_cpu=0.5)
    stage.load(A, free_cpu=0.4)
    assert sent(stage.submit(1)) == {}
    assert sent(stage.load(A, free_cpu=0.5)) == {A: [(1, 1)]}
    # What it has been given goes on, and it is no reason for a copy.
    assert sent(stage.load(A, free_cpu=0.0)) == {}
    stage.end(A, 1)
    assert sent(stage.submit(1)) == {}
    stage.settings = replace(stage.settings, agent_min_free_cpu=0.0)
    assert sent(stage.tell(SettingsChanged(stage.settings))) == {A: [(2, 1)]}


def test_a_task_needs_its_size_times_the_factor() -> None:
    stage = Stage(1, 1)
    stage.load(A, free_memory_bytes=100_000_000)
    assert sent(stage.submit(1, raw_bytes=80_000_000)) == {B: [(1, 1)]}


def test_what_was_sent_since_counts_against_the_reported_memory() -> None:
    stage = Stage(4)
    stage.load(A, free_memory_bytes=300_000_000)
    assert sent(stage.submit(3, raw_bytes=100_000_000)) == {A: [(1, 1), (2, 1)]}


def test_a_task_that_fits_nowhere_does_not_hold_up_those_behind_it() -> None:
    stage = Stage(1)
    stage.load(A, free_memory_bytes=100_000_000)
    assert sent(stage.submit(1, raw_bytes=900_000_000)) == {}
    assert sent(stage.submit(1)) == {A: [(2, 1)]}


def test_requirements_choose_the_agent() -> None:
    stage = Stage(2)
    needs = Requirements(labels=frozenset({"gpu"}))
    assert sent(stage.submit(1, requires=needs)) == {}
    assert sent(stage.submit(1)) == {A: [(2, 1)]}


def test_suspended_and_draining_agents_get_nothing() -> None:
    for state in (AgentState.SUSPENDED, AgentState.DRAINING):
        stage = Stage(1)
        stage.load(A, state)
        assert sent(stage.submit(1)) == {}
        assert sent(stage.load(A)) == {A: [(1, 1)]}


def test_a_long_function_is_not_sent_ahead_as_a_short_one_was() -> None:
    stage = Stage(1)
    stage.submit(200, function=1)
    held = stage.dispatcher._state.agents[A].held
    while len(held) < 100:
        stage.end(A, *[task.id for task in held.values()], took_s=1e-5)
    stage.submit(50, function=2)
    while any(task.function == 1 for task in held.values()):
        stage.end(A, *[task.id for task in held.values()], took_s=1e-5)
    assert len(held) <= 2


def test_b38_memory_is_counted_beyond_32_bits() -> None:
    stage = Stage(1, 1, agent_min_free_memory_factor=1.5)
    stage.load(A, free_memory_bytes=64 << 30)
    stage.load(B, free_memory_bytes=(4 << 30) + 1000)
    # 3 GiB x 1.5 is 4.5 GiB: in 32 bits that is half a GiB, and 64 GiB is nothing.
    assert sent(stage.submit(2, raw_bytes=3 << 30)) == {A: [(1, 1), (2, 1)]}
    assert sent(stage.submit(1)) == {B: [(3, 1)]}


def test_who_was_given_the_larger_tasks_is_not_the_slower_agent() -> None:
    stage = Stage(1, 1, send_ahead=0)
    stage.submit(1, cost=10.0)
    stage.submit(1, cost=1.0)
    stage.end(A, 1, took_s=10.0)
    stage.end(B, 2, took_s=1.0)

    views = stage.dispatcher._state.agents
    assert views[A].speed == views[B].speed == 1.0
