from __future__ import annotations

from hxgrid.user.core.events import AgentUnreachable
from hxgrid.user.core.requirements import Requirements
from hxgrid.wire.messages import AgentState, Outcome, Reason
from tests.unit.user.core.stage import A, B, Stage


def why(stage: Stage, task_id: int = 1) -> str:
    return stage.dispatcher.why(task_id, stage.now)


def test_without_any_agent_it_says_so() -> None:
    stage = Stage()
    stage.submit(1)
    assert why(stage) == "Task 1 waits: no agent is known yet."


def test_an_unreachable_agent_is_named_with_the_reason() -> None:
    stage = Stage(1)
    stage.tell(AgentUnreachable(A, "connection refused"))
    stage.submit(1)
    assert "pc-a is not connected: connection refused" in why(stage)


def test_a_suspended_agent_is_named_with_its_sentence() -> None:
    stage = Stage(1)
    stage.load(A, AgentState.SUSPENDED, reason="the owner is typing")
    stage.submit(1)
    assert "pc-a is suspended: the owner is typing" in why(stage)


def test_missing_processor_time_is_named_with_its_setting() -> None:
    stage = Stage(1, agent_min_free_cpu=2.0)
    stage.load(A, free_cpu=0.25)
    stage.submit(1)
    assert "pc-a has 0.2 free processors, and agent_min_free_cpu is 2" in why(stage)


def test_missing_labels_are_named() -> None:
    stage = Stage(1)
    stage.submit(1, requires=Requirements(labels=frozenset({"maya"})))
    assert "needs the label maya" in why(stage)


def test_missing_memory_is_named() -> None:
    stage = Stage(1)
    stage.submit(1, raw_bytes=10_000_000_000)
    assert "15000000000" in why(stage)


def test_full_agents_are_told_with_the_place_in_the_queue() -> None:
    stage = Stage(1)
    stage.submit(5)
    assert "2 tasks were submitted before it" in why(stage, 5)
    assert "1 task was submitted before it" in why(stage, 4)
    assert "it is the next one" in why(stage, 3)


def test_a_failed_attempt_is_told_with_its_reason() -> None:
    stage = Stage(1)
    stage.submit(1)
    reason = Reason(text="division by zero").model_dump_json().encode()
    stage.end(A, 1, outcome=Outcome.FAILED, payload=reason)
    assert "division by zero" in why(stage)


def test_a_refusal_is_told_with_the_time_left() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.end(A, 1, outcome=Outcome.REFUSED)
    assert "asked again in 0.2 s" in why(stage) or "asked again in 0.3 s" in why(stage)


def test_a_running_task_says_where_it_is() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.advance(2.0)
    assert why(stage) == "Task 1 is on agent pc-a for 2.0 s (attempt 1)."


def test_a_copy_is_told_beside_the_attempt_in_doubt() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    stage.load(A, AgentState.SUSPENDED)
    assert "pc-a" in why(stage)
    assert "a copy is on agent pc-b" in why(stage)


def test_a_task_with_its_result_here_waits_for_its_callback() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.end(A, 1)
    assert "finalize" in why(stage)


def test_an_unknown_task_is_no_error() -> None:
    assert why(Stage(), 42) == "Task 42 has ended, or there never was one."


def test_every_waiting_task_and_every_unused_agent_gets_a_sentence() -> None:
    stage = Stage(1, 1)
    stage.load(B, AgentState.DRAINING)
    stage.submit(3)
    told = {(each.kind, each.subject) for each in stage.dispatcher.explain(stage.now)}
    assert told == {("task", "3"), ("agent", "pc-b")}


def test_a_long_queue_is_cut_short() -> None:
    stage = Stage()
    stage.submit(150)
    texts = stage.dispatcher.explain(stage.now)
    assert len(texts) == 101
    assert "50 more tasks" in texts[-1].text
