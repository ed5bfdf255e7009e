from __future__ import annotations

from hxgrid.wire.messages import AgentState, Outcome
from tests.unit.user.core.stage import A, B, Stage, sent


def spoil(stage: Stage) -> None:
    """Let A fail a task that B then does."""
    stage.load(B, AgentState.DRAINING)
    stage.submit(1)
    number = len(stage.tasks)
    assert stage.tasks[number].attempts[-1].agent == A
    stage.load(B)
    assert sent(stage.end(A, number, outcome=Outcome.FAILED))[B] == [(number, 2)]
    stage.finalize(stage.end(B, number))


def test_an_agent_that_fails_what_others_can_do_cools_down() -> None:
    stage = Stage(1, 1, send_ahead=0)
    spoil(stage)
    assert sent(stage.submit(2)) == {B: [(2, 1)]}


def test_after_its_pause_it_gets_one_task() -> None:
    stage = Stage(4, 1, send_ahead=3)
    spoil(stage)
    stage.submit(20)
    assert sent(stage.advance(9.5)) == {}
    assert len(sent(stage.advance(1.0))[A]) == 1


def test_a_good_result_ends_the_parole() -> None:
    stage = Stage(4, 1, send_ahead=3)
    spoil(stage)
    stage.submit(20)
    number = sent(stage.advance(10.5))[A][0][0]
    assert len(sent(stage.end(A, number))[A]) >= 4


def test_a_failure_on_parole_makes_the_next_pause_twice_as_long() -> None:
    stage = Stage(1, 1, send_ahead=0)
    spoil(stage)
    stage.submit(20)
    number = sent(stage.advance(10.5))[A][0][0]
    stage.end(A, number, outcome=Outcome.FAILED)
    assert A not in sent(stage.advance(19.0))
    assert A in sent(stage.advance(2.0))


def test_a_row_of_failures_cools_an_agent_before_the_proof_is_complete() -> None:
    stage = Stage(1, 1, send_ahead=0)
    stage.submit(10)
    stage.end(B, 2)
    for _ in range(3):
        held = stage.dispatcher._state.agents[A].held
        stage.end(A, next(iter(held.values())).id, outcome=Outcome.FAILED)
    assert stage.dispatcher._state.agents[A].cooling_until > 0.0


def test_a_task_that_fails_everywhere_cools_nobody() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    stage.end(A, 1, outcome=Outcome.FAILED)
    stage.end(B, 1, outcome=Outcome.FAILED)
    stage.advance(2.0)
    stage.end(stage.tasks[1].attempts[-1].agent, 1, outcome=Outcome.FAILED)
    assert all(not agent.cooling_until for agent in stage.dispatcher._state.agents.values())


def test_an_agent_that_did_well_since_is_not_blamed_for_one_task() -> None:
    stage = Stage(2, 1, send_ahead=0)
    stage.submit(3)
    stage.end(A, 1, outcome=Outcome.FAILED)
    assert len(stage.tasks[1].attempts) == 1
    task_of_a = next(iter(stage.dispatcher._state.agents[A].held.values())).id
    stage.end(A, task_of_a)
    for task in list(stage.dispatcher._state.agents[B].held.values()):
        stage.end(B, task.id)
    assert not stage.dispatcher._state.agents[A].cooling_until


def test_the_last_fit_agent_is_never_cooled() -> None:
    stage = Stage(1, 1, send_ahead=0)
    spoil(stage)
    for _ in range(5):
        stage.submit(1)
        stage.end(B, len(stage.tasks), outcome=Outcome.FAILED)
    assert not stage.dispatcher._state.agents[B].cooling_until


def test_a_cooling_agent_is_tried_early_if_no_other_is_left() -> None:
    stage = Stage(1, 1, send_ahead=0)
    spoil(stage)
    stage.submit(1)
    stage.submit(1)
    actions = stage.load(B, AgentState.SUSPENDED)
    assert sent(actions) == {A: [(3, 1)]}
