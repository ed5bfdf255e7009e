from __future__ import annotations

import pytest

from hxgrid.user.core.actions import (
    AcknowledgeResults,
    CancelAttempts,
    DropTasks,
    FailTasks,
)
from hxgrid.user.core.events import AllTasksCancelled, TasksCancelled
from hxgrid.user.core.task import TaskState
from hxgrid.wire.messages import AgentState, Outcome, Reason
from tests.unit.user.core.stage import A, B, Stage, completed, of, sent

COUNTING = (Outcome.FAILED, Outcome.CRASHED, Outcome.UNUSABLE)
FREE_OF_CHARGE = (Outcome.REFUSED, Outcome.NOT_STARTED, Outcome.CANCELLED, Outcome.LOST)


def test_a_good_result_completes_its_task_and_is_acknowledged() -> None:
    stage = Stage(1)
    stage.submit(1)
    actions = stage.end(A, 1)
    assert completed(actions) == [1]
    assert of(actions, AcknowledgeResults) == [AcknowledgeResults(A, [(1, 1)])]
    assert stage.tasks[1].state is TaskState.FINALIZING


def test_a_task_is_done_when_its_callback_has_returned() -> None:
    stage = Stage(1)
    stage.submit(1)
    actions = stage.end(A, 1)
    assert stage.dispatcher.counts.unfinished == 1
    stage.finalize(actions)
    assert stage.dispatcher.counts.unfinished == 0
    assert stage.tasks[1].state is TaskState.DONE


def test_b22_a_repeated_result_is_acknowledged_and_dropped() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.end(A, 1)
    actions = stage.end(A, 1)
    assert completed(actions) == []
    assert of(actions, AcknowledgeResults) == [AcknowledgeResults(A, [(1, 1)])]


@pytest.mark.parametrize("attempt", [7, 65535])
def test_a_result_of_an_attempt_that_never_was_changes_nothing(attempt: int) -> None:
    stage = Stage(1)
    stage.submit(1)
    assert completed(stage.end(A, 1, attempt=attempt)) == []
    assert stage.tasks[1].state is TaskState.RUNNING


def test_a_result_from_another_agent_than_it_was_sent_to_changes_nothing() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    assert completed(stage.end(B, 1)) == []


@pytest.mark.parametrize("outcome", COUNTING)
def test_a_failed_attempt_goes_to_another_agent_at_once(outcome: Outcome) -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    assert sent(stage.end(A, 1, outcome=outcome)) == {B: [(1, 2)]}
    assert stage.tasks[1].failures == 1


def test_a_failed_attempt_goes_to_the_same_agent_after_a_pause_if_there_is_no_other() -> None:
    stage = Stage(1)
    stage.submit(1)
    assert sent(stage.end(A, 1, outcome=Outcome.FAILED)) == {}
    assert sent(stage.advance(0.9)) == {}
    assert sent(stage.advance(0.2)) == {A: [(1, 2)]}


def test_a_retry_waits_for_a_busy_agent_that_has_not_failed_the_task() -> None:
    stage = Stage(1, 1)
    stage.submit(4)
    assert sent(stage.end(A, 1, outcome=Outcome.FAILED)) == {}
    assert (1, 2) not in sent(stage.advance(3.0)).get(A, [])
    assert (1, 2) in sent(stage.end(B, 2, 4))[B]


def test_b9_after_max_attempts_a_task_fails_once_with_every_attempt() -> None:
    stage = Stage(1, retry_delay_s=0.1)
    stage.submit(1)
    reason = Reason(text="no good").model_dump_json().encode()
    for _ in range(2):
        stage.end(A, 1, outcome=Outcome.FAILED, payload=reason)
        stage.advance(0.2)
    actions = stage.end(A, 1, outcome=Outcome.CRASHED)
    assert of(actions, FailTasks) == [FailTasks([stage.tasks[1]])]
    assert [each.outcome for each in stage.tasks[1].attempts] == ["FAILED", "FAILED", "CRASHED"]
    assert stage.tasks[1].attempts[0].reason.text == "no good"


@pytest.mark.parametrize("outcome", FREE_OF_CHARGE)
def test_what_says_nothing_about_the_task_does_not_count(outcome: Outcome) -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    assert sent(stage.end(A, 1, outcome=outcome)) == {B: [(1, 2)]}
    assert stage.tasks[1].failures == 0


def test_an_agent_that_refused_a_task_is_asked_again_after_growing_pauses() -> None:
    stage = Stage(1)
    stage.submit(1)
    assert sent(stage.end(A, 1, outcome=Outcome.REFUSED)) == {}
    assert sent(stage.advance(0.3)) == {A: [(1, 2)]}
    stage.end(A, 1, outcome=Outcome.REFUSED)
    assert sent(stage.advance(0.3)) == {}
    assert sent(stage.advance(0.3)) == {A: [(1, 3)]}


def test_a_task_that_is_lost_again_and_again_fails_in_the_end() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    for _ in range(20):
        agent = stage.tasks[1].attempts[-1].agent
        actions = stage.end(agent, 1, outcome=Outcome.LOST)
        actions += stage.advance(31.0)
    assert stage.tasks[1].state is TaskState.FAILED


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CRASHED, Outcome.LOST])
def test_a_task_that_must_not_run_twice_fails_with_its_first_attempt(outcome: Outcome) -> None:
    stage = Stage(1, 1)
    stage.submit(1, idempotent=False)
    assert of(stage.end(A, 1, outcome=outcome), FailTasks)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_STARTED, Outcome.UNUSABLE])
def test_a_task_that_must_not_run_twice_goes_elsewhere_if_it_never_started(
    outcome: Outcome,
) -> None:
    stage = Stage(1, 1)
    stage.submit(1, idempotent=False)
    assert sent(stage.end(A, 1, outcome=outcome)) == {B: [(1, 2)]}


def test_b20_the_first_good_result_wins_and_the_loser_is_stopped() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    stage.load(A, AgentState.SUSPENDED)
    actions = stage.end(B, 1)
    assert completed(actions) == [1]
    assert of(actions, CancelAttempts) == [CancelAttempts(A, [(1, 1)])]
    late = stage.end(A, 1, attempt=1)
    assert completed(late) == []
    assert of(late, AcknowledgeResults)


def test_a_bad_end_decides_nothing_while_another_attempt_lives() -> None:
    stage = Stage(1, 1, max_attempts=1)
    stage.submit(1)
    stage.load(A, AgentState.SUSPENDED)
    assert not of(stage.end(B, 1, outcome=Outcome.FAILED), FailTasks)
    stage.load(A)
    assert completed(stage.end(A, 1, attempt=1)) == [1]


def test_cancelling_a_waiting_task_drops_it_once() -> None:
    stage = Stage()
    stage.submit(2)
    assert of(stage.tell(TasksCancelled([1, 1, 99])), DropTasks) == [DropTasks([stage.tasks[1]])]
    assert sent(stage.join(A, 4)) == {A: [(2, 1)]}


def test_cancelling_a_running_task_stops_its_attempt() -> None:
    stage = Stage(1)
    stage.submit(1)
    actions = stage.tell(TasksCancelled([1]))
    assert of(actions, DropTasks) == [DropTasks([stage.tasks[1]])]
    assert of(actions, CancelAttempts) == [CancelAttempts(A, [(1, 1)])]
    assert completed(stage.end(A, 1)) == []


def test_a_task_whose_result_is_here_is_not_cancelled() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.end(A, 1)
    assert stage.tell(TasksCancelled([1])) == []


def test_cancelling_everything_ends_everything_that_has_no_result() -> None:
    stage = Stage(1)
    stage.submit(4)
    done = stage.end(A, 1)
    dropped = of(stage.tell(AllTasksCancelled()), DropTasks)[0].tasks
    assert [task.id for task in dropped] == [2, 3, 4]
    stage.finalize(done)
    assert stage.dispatcher.counts.unfinished == 0
