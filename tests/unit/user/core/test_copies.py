from __future__ import annotations

from hxgrid.user.core.actions import CancelAttempts, RecallAttempts
from hxgrid.user.core.events import InputProgressed
from hxgrid.wire.messages import AgentState, Outcome, SlotTrouble
from tests.unit.user.core.stage import A, B, C, Stage, completed, of, sent


def learn(stage: Stage, agent: str, took_s: float = 1.0) -> None:
    """Have some tasks done there, so that durations are known and the budget is not empty."""
    for _ in range(20):
        stage.submit(1)
        number = len(stage.tasks)
        stage.finalize(stage.end(stage.tasks[number].attempts[0].agent, number, took_s=took_s))


def test_what_has_not_started_is_recalled_for_an_agent_with_a_free_slot() -> None:
    stage = Stage(1)
    stage.submit(2)
    actions = stage.join(B)
    assert of(actions, RecallAttempts) == [RecallAttempts(A, [(2, 1)])]
    assert sent(actions) == {}


def test_what_was_recalled_is_placed_elsewhere_only_when_it_is_given_back() -> None:
    stage = Stage(1)
    stage.submit(2)
    stage.join(B)
    assert sent(stage.end(A, 2, outcome=Outcome.NOT_STARTED)) == {B: [(2, 2)]}
    assert stage.tasks[2].failures == 0


def test_nothing_is_recalled_while_tasks_are_unsent() -> None:
    stage = Stage(1)
    stage.submit(5)
    assert not of(stage.join(B), RecallAttempts)


def test_the_longest_backlog_is_recalled_first() -> None:
    stage = Stage(1, 1, send_ahead=3)
    stage.submit(6)
    stage.end(A, 1, took_s=1.0)
    stage.end(B, 2, took_s=30.0)
    recalled = of(stage.join(C), RecallAttempts)
    assert [each.agent for each in recalled] == [B]


def test_no_more_is_recalled_than_free_slots_can_take() -> None:
    stage = Stage(1, send_ahead=10)
    stage.submit(11)
    recalled = of(stage.join(B), RecallAttempts)
    assert len(recalled[0].keys) == 5
    assert not of(stage.advance(0.1), RecallAttempts)


def test_a_short_backlog_is_left_where_it_is() -> None:
    stage = Stage(1, send_ahead=10)
    stage.submit(1)
    stage.end(A, 1, took_s=0.0001)
    stage.submit(11)
    assert not of(stage.join(B), RecallAttempts)


def test_what_no_idle_agent_may_have_is_not_recalled() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    stage.end(A, 1, outcome=Outcome.REFUSED)
    assert stage.tasks[1].attempts[-1].agent == B
    stage.submit(2)
    recalled = of(stage.advance(1.0), RecallAttempts)
    assert not recalled


def test_b50_a_suspended_agents_tasks_get_copies() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    assert sent(stage.load(A, AgentState.SUSPENDED)) == {B: [(1, 2)]}
    assert stage.tasks[1].attempts[1].is_duplicate


def test_a_copy_in_doubt_as_well_gets_another_copy() -> None:
    stage = Stage(1, 1, 1)
    stage.submit(1)
    stage.load(A, AgentState.SUSPENDED)
    assert sent(stage.load(B, AgentState.SUSPENDED)) == {C: [(1, 3)]}


def test_there_is_no_copy_while_one_attempt_is_not_in_doubt() -> None:
    stage = Stage(1, 1, 1)
    stage.submit(1)
    stage.load(A, AgentState.SUSPENDED)
    assert sent(stage.advance(5.0)) == {}


def test_copies_come_after_everything_that_waits() -> None:
    stage = Stage(1, 1, send_ahead=0)
    stage.submit(3)
    assert sent(stage.load(A, AgentState.SUSPENDED)) == {}
    assert sent(stage.end(B, 2)) == {B: [(3, 1)]}
    assert sent(stage.end(B, 3)) == {B: [(1, 2)]}


def test_a_draining_agent_is_left_to_finish_what_it_runs() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    assert sent(stage.load(A, AgentState.DRAINING)) == {}


def test_no_copies_are_made_where_they_are_switched_off() -> None:
    stage = Stage(1, 1, send_duplicate_tasks=False)
    learn(stage, A)
    stage.submit(1)
    stage.load(A, AgentState.SUSPENDED)
    assert sent(stage.advance(5.0)) == {}


def test_a_task_that_must_not_run_twice_gets_no_copy() -> None:
    stage = Stage(1, 1)
    stage.submit(1, idempotent=False)
    assert sent(stage.load(A, AgentState.SUSPENDED)) == {}


def test_an_attempt_in_a_stuck_slot_gets_a_copy_on_another_agent() -> None:
    stage = Stage(2, 1)
    stage.submit(1)
    trouble = (SlotTrouble(task=1, attempt=1),)
    assert sent(stage.load(A, suspected=trouble)) == {B: [(1, 2)]}


def test_an_attempt_in_a_stuck_slot_gets_a_copy_beside_it_if_there_is_no_other_agent() -> None:
    stage = Stage(2)
    stage.submit(1)
    assert sent(stage.load(A, suspected=(SlotTrouble(task=1, attempt=1),))) == {A: [(1, 2)]}


def test_a_task_that_gets_slot_after_slot_stuck_is_not_given_all_of_them() -> None:
    stage = Stage(8)
    stage.submit(1)
    for number in range(1, 7):
        stage.load(
            A, suspected=tuple(SlotTrouble(task=1, attempt=each) for each in range(1, number + 1))
        )
    assert len(stage.tasks[1].attempts) == 3


def test_k12_a_straggler_gets_one_copy() -> None:
    stage = Stage(1, 1, 1)
    learn(stage, A)
    stage.submit(1)
    assert sent(stage.advance(2.5)) == {}
    assert len(sent(stage.advance(1.0))) == 1
    assert sent(stage.advance(10.0)) == {}


def test_copies_of_stragglers_keep_to_their_budget() -> None:
    stage = Stage(1, 1, duplicate_budget=0.0)
    learn(stage, A)
    stage.submit(1)
    assert sent(stage.advance(20.0)) == {}


def test_a_function_that_was_never_measured_has_no_stragglers() -> None:
    stage = Stage(1, 1)
    learn(stage, A)
    stage.submit(1, function=2)
    assert sent(stage.advance(20.0)) == {}


def test_a_slow_line_makes_no_straggler() -> None:
    stage = Stage(1, 1)
    learn(stage, A)
    stage.submit(1)
    number = len(stage.tasks)
    holder = stage.tasks[number].attempts[0].agent
    for _ in range(10):
        assert sent(stage.advance(1.0)) == {}
        stage.tell(InputProgressed(holder, number, 1, 1000, False))


def test_several_sessions_on_an_agent_make_its_attempts_older() -> None:
    stage = Stage(1, 1)
    learn(stage, A)
    stage.submit(1)
    holder = stage.tasks[len(stage.tasks)].attempts[0].agent
    stage.load(holder, sessions=4)
    assert sent(stage.advance(10.0)) == {}
    assert len(sent(stage.advance(3.0))) == 1


def test_a_copy_of_a_straggler_does_not_go_to_an_agent_that_would_take_longer() -> None:
    stage = Stage(1, 1)
    learn(stage, A, took_s=1.0)
    views = stage.dispatcher._state.agents
    stage.submit(1)
    holder = stage.tasks[len(stage.tasks)].attempts[0].agent
    other = B if holder == A else A
    views[other].speed = 50.0
    stage.dispatcher._state.rank(views[other])
    assert sent(stage.advance(8.0)) == {}


def test_b5_a_refused_copy_leaves_the_original_alone() -> None:
    stage = Stage(1, 1, 1)
    stage.submit(1)
    assert sent(stage.load(A, AgentState.SUSPENDED)) == {B: [(1, 2)]}
    stage.load(A)
    assert sent(stage.end(B, 1, outcome=Outcome.REFUSED)) == {}
    assert sent(stage.advance(1.0)) == {}
    assert completed(stage.end(A, 1, attempt=1)) == [1]
    assert len(stage.tasks[1].attempts) == 2


def test_b4_a_copy_that_ends_badly_after_the_original_has_won_changes_nothing() -> None:
    for late in (Outcome.REFUSED, Outcome.CANCELLED, Outcome.FAILED, Outcome.DONE):
        stage = Stage(1, 1)
        stage.submit(1)
        stage.load(A, AgentState.SUSPENDED)
        stage.load(A)
        done = stage.end(A, 1, attempt=1)
        assert of(done, CancelAttempts) == [CancelAttempts(B, [(1, 2)])]
        stage.finalize(done)
        stage.end(B, 1, attempt=2, outcome=late)
        assert stage.dispatcher.counts.unfinished == 0
        # The slot is free again: the next task goes there at once.
        assert sent(stage.submit(2)) == {A: [(2, 1)], B: [(3, 1)]}


def test_a_task_that_was_said_to_be_large_is_no_straggler() -> None:
    stage = Stage(1, 1, duplicate_budget=1.0)
    stage.submit(1, cost=2.0)
    stage.finalize(stage.end(A, 1, took_s=1.0))
    stage.submit(1, cost=20.0)  # 10 s, by what was measured
    assert sent(stage.advance(29.0)) == {}
    assert len(sent(stage.advance(2.0))) == 1


def test_without_its_cost_the_same_task_is_taken_for_late() -> None:
    stage = Stage(1, 1, duplicate_budget=1.0)
    stage.submit(1)
    stage.finalize(stage.end(A, 1, took_s=1.0))
    stage.submit(1)
    assert len(sent(stage.advance(5.0))) == 1
