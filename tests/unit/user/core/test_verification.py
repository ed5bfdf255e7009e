"""A share of the tasks runs twice, and what differs has consequences."""

from __future__ import annotations

from collections.abc import Sequence

from hxgrid.user.core.actions import Action, CompareResults, Dispute, TellDispute
from hxgrid.user.core.events import ResultsCompared, TasksCancelled
from hxgrid.user.core.verification import MIN_PATIENCE_S
from hxgrid.wire.messages import AgentState, Outcome
from tests.unit.user.core.stage import A, B, C, Stage, completed, of, sent


def _both(stage: Stage) -> list[Action]:
    """Let A and B, to which task 1 was sent, give their results."""
    stage.end(A, 1, attempt=1, payload=b"a")
    return stage.end(B, 1, attempt=2, payload=b"b")


def _told(actions: Sequence[Action]) -> list[Dispute | None]:
    return [each.dispute for each in of(actions, TellDispute)]


def test_a_verified_task_is_sent_to_two_agents_at_once() -> None:
    stage = Stage(1, 1, 1, verify=1.0)

    assert sent(stage.submit(1)) == {A: [(1, 1)], B: [(1, 2)]}


def test_the_first_result_is_held_until_the_second_agrees() -> None:
    stage = Stage(1, 1, verify=1.0)
    stage.submit(1)
    assert completed(stage.end(A, 1, attempt=1, payload=b"x")) == []
    assert "waits to be compared" in stage.dispatcher.why(1, stage.now)

    [compare] = of(stage.end(B, 1, attempt=2, payload=b"y"), CompareResults)

    assert [bytes(each.payload) for each in compare.results] == [b"x", b"y"]
    actions = stage.tell(ResultsCompared(1, [0, 0]))
    assert completed(actions) == [1]
    assert stage.dispatcher.verdicts.agreed == 1
    assert _told(actions) == []


def test_a_third_agent_decides_and_the_odd_one_cools_down() -> None:
    stage = Stage(1, 1, 1, verify=1.0)
    stage.submit(1)
    _both(stage)
    assert sent(stage.tell(ResultsCompared(1, [0, 1]))) == {C: [(1, 3)]}
    stage.end(C, 1, attempt=3, payload=b"b")

    actions = stage.tell(ResultsCompared(1, [0, 1, 1]))

    assert completed(actions) == [1]
    assert _told(actions) == [Dispute(1, (A, B, C), A)]
    assert "gave another result" in stage.tasks[1].attempts[0].reason
    view = stage.dispatcher._state.agents[A]
    assert "gave another result than two other agents" in view.why_unfit(stage.now)
    assert A not in sent(stage.submit(1))


def test_after_its_pause_all_that_the_odd_one_does_is_verified() -> None:
    stage = Stage(1, 1, 1, verify=1.0, send_ahead=0)
    stage.submit(1)
    _both(stage)
    stage.tell(ResultsCompared(1, [0, 1]))
    stage.end(C, 1, attempt=3, payload=b"b")
    stage.finalize(stage.tell(ResultsCompared(1, [0, 1, 1])))
    stage.dispatcher._state.settings = stage.settings.__class__(
        **{name: getattr(stage.settings, name) for name in stage.settings.__slots__}
        | {"verify": 0.0}
    )
    stage.advance(10.5)
    for name in (B, C):
        stage.load(name, AgentState.DRAINING)
    assert sent(stage.submit(1)) == {A: [(2, 1)]}
    for name in (B, C):
        stage.load(name)

    assert stage.tasks[2].proof is not None
    assert len(stage.tasks[2].attempts) == 2


def test_two_agents_alone_that_differ_are_told_and_the_first_result_is_taken() -> None:
    stage = Stage(1, 1, verify=1.0)
    stage.submit(1)
    _both(stage)

    actions = stage.tell(ResultsCompared(1, [0, 1]))

    assert completed(actions) == [1]
    assert _told(actions) == [Dispute(1, (A, B), None)]
    assert all(agent.is_fit for agent in stage.dispatcher._state.agents.values())


def test_three_results_that_all_differ_accuse_nobody() -> None:
    stage = Stage(1, 1, 1, verify=1.0)
    stage.submit(1)
    _both(stage)
    stage.tell(ResultsCompared(1, [0, 1]))
    stage.end(C, 1, attempt=3)

    assert _told(stage.tell(ResultsCompared(1, [0, 1, 2]))) == [Dispute(1, (A, B, C), None)]


def test_with_one_agent_nothing_waits_and_it_is_told_once() -> None:
    stage = Stage(1, verify=1.0)
    stage.submit(2)

    first = stage.end(A, 1)
    second = stage.end(A, 2)

    assert completed(first) == [1]
    assert completed(second) == [2]
    assert _told(first) == [None]
    assert _told(second) == []
    assert stage.dispatcher.verdicts.unverified == 2


def test_a_check_that_takes_too_long_is_not_waited_for() -> None:
    stage = Stage(1, 1, verify=1.0)
    stage.submit(1)
    stage.end(A, 1, attempt=1, took_s=0.1)
    assert completed(stage.advance(MIN_PATIENCE_S - 0.1)) == []
    assert completed(stage.advance(0.2)) == [1]


def test_a_check_on_an_agent_that_falls_silent_is_made_elsewhere() -> None:
    stage = Stage(1, 1, 1, verify=1.0)
    stage.submit(1)
    stage.end(A, 1, attempt=1)

    assert sent(stage.advance(2.0, answering=(A, C))) == {C: [(1, 3)]}


def test_a_failed_check_does_not_make_a_task_fail_that_has_a_result() -> None:
    stage = Stage(1, 1, verify=1.0, max_attempts=1)
    stage.submit(1)
    stage.end(A, 1, attempt=1)

    assert completed(stage.end(B, 1, attempt=2, outcome=Outcome.FAILED)) == [1]


def test_a_comparison_that_fails_leaves_the_task_unverified() -> None:
    stage = Stage(1, 1, verify=1.0)
    stage.submit(1)
    _both(stage)

    assert completed(stage.tell(ResultsCompared(1, ()))) == [1]
    assert stage.dispatcher.verdicts.unverified == 1


def test_a_task_that_may_not_run_twice_is_never_verified() -> None:
    stage = Stage(1, 1, verify=1.0)

    assert sent(stage.submit(1, idempotent=False)) == {A: [(1, 1)]}


def test_a_cancelled_task_is_not_compared_any_more() -> None:
    stage = Stage(1, 1, verify=1.0)
    stage.submit(1)
    _both(stage)
    stage.tell(TasksCancelled([1]))

    assert stage.tell(ResultsCompared(1, [0, 0])) == []
