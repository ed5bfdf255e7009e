from __future__ import annotations

from hxgrid.user.core.actions import (
    CancelAttempts,
    ConnectAgent,
    DisconnectAgent,
    FailTasks,
    PingAgents,
)
from hxgrid.user.core.events import (
    AgentCleared,
    AgentRefused,
    AgentUnreachable,
    AllTasksCancelled,
    ConnectionRenewed,
    HoldingsArrived,
    RosterChanged,
)
from hxgrid.user.core.task import TaskState
from tests.unit.user.core.stage import A, B, C, Stage, completed, entry, of, sent, welcome_of


def test_an_agent_that_joins_is_connected_to_once() -> None:
    stage = Stage()
    assert of(stage.join(A, welcome=False), ConnectAgent) == [ConnectAgent(entry(A))]
    assert of(stage.join(A, welcome=False), ConnectAgent) == []


def test_no_more_connections_are_made_than_allowed() -> None:
    stage = Stage(max_connections=1)
    stage.join(A)
    assert of(stage.join(B, welcome=False), ConnectAgent) == []
    actions = stage.tell(AgentUnreachable(A, "gone"))
    assert of(actions, ConnectAgent) == [ConnectAgent(entry(B))]


def test_an_unreachable_agent_is_tried_again_with_growing_pauses() -> None:
    stage = Stage()
    stage.join(A, welcome=False)
    pauses = []
    for _ in range(4):
        stage.tell(AgentUnreachable(A, "no route"))
        began = stage.now
        while not of(stage.advance(0.05), ConnectAgent):
            pass
        pauses.append(stage.now - began)
    assert pauses == sorted(pauses)
    assert pauses[-1] > 3 * pauses[0]


def test_a_refusal_for_good_is_not_asked_again_until_the_roster_entry_changes() -> None:
    stage = Stage()
    stage.join(A, welcome=False)
    stage.tell(AgentRefused(A, "token", "wrong token"))
    assert of(stage.advance(60.0), ConnectAgent) == []
    assert of(stage.tell(RosterChanged([entry(A, 3)], [], False)), ConnectAgent)


def test_a_refusal_that_passes_is_tried_again() -> None:
    stage = Stage()
    stage.join(A, welcome=False)
    stage.tell(AgentRefused(A, "busy", "too many sessions"))
    assert of(stage.advance(1.0), ConnectAgent)


def test_silence_is_answered_with_a_ping_each_heartbeat() -> None:
    stage = Stage(1, 1)
    pings = of(stage.advance(2.0, answering=(A,)), PingAgents)
    assert {name for ping in pings for name in ping.agents} == {B}
    assert 3 <= len(pings) <= 4


def test_a_suspected_agent_gets_nothing_and_its_tasks_get_copies() -> None:
    stage = Stage(1, 1, send_ahead=0)
    stage.submit(1)
    assert sent(stage.advance(1.9, answering=(B,))) == {B: [(1, 2)]}
    assert sent(stage.submit(1)) == {}


def test_a_suspected_agent_is_back_with_its_first_sign_of_life() -> None:
    stage = Stage(1)
    stage.advance(2.0, answering=())
    assert sent(stage.submit(1)) == {}
    assert sent(stage.advance(0.1, answering=(A,))) == {A: [(1, 1)]}


def test_a_lost_agent_is_disconnected_and_its_tasks_are_placed_again() -> None:
    stage = Stage(1, send_duplicate_tasks=False)
    stage.submit(1)
    actions = stage.advance(10.5, answering=())
    assert [each.agent for each in of(actions, DisconnectAgent)] == [A]
    assert stage.tasks[1].state is TaskState.WAITING
    assert stage.tasks[1].attempts[0].outcome == "lost"
    assert sent(stage.join(B)) == {B: [(1, 2)]}


def test_a_lost_agent_of_the_roster_is_connected_to_again() -> None:
    stage = Stage(1)
    assert [each.entry.agent for each in of(stage.advance(12.0, answering=()), ConnectAgent)] == [A]


def test_a_task_that_must_not_run_twice_fails_as_lost_with_its_agent() -> None:
    stage = Stage(1, 1)
    stage.submit(1, idempotent=False)
    actions = stage.advance(10.5, answering=(B,))
    assert of(actions, FailTasks) == [FailTasks([stage.tasks[1]])]
    assert stage.tasks[1].attempts[-1].outcome == "lost"
    assert sent(actions) == {}


def test_leaving_the_roster_does_not_end_a_connection() -> None:
    stage = Stage(1)
    assert of(stage.tell(RosterChanged([], [A], False)), DisconnectAgent) == []
    assert sent(stage.submit(1)) == {A: [(1, 1)]}


def test_an_agent_that_left_the_roster_is_not_connected_to_again() -> None:
    stage = Stage(1)
    stage.tell(RosterChanged([], [], True))
    stage.tell(AgentUnreachable(A, "gone"))
    assert of(stage.advance(30.0), ConnectAgent) == []


def test_our_own_sleep_makes_nobody_suspect() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    stage.now += 60.0
    assert sent(stage.dispatcher.tick(stage.now)) == {}
    stage.dispatcher.check()
    assert sent(stage.submit(1)) == {B: [(2, 1)]}


def test_a_broken_connection_is_made_again_and_puts_tasks_in_doubt() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    actions = stage.tell(AgentUnreachable(A, "reset"))
    assert sent(actions) == {B: [(1, 2)]}
    assert of(stage.advance(1.0), ConnectAgent)


def test_nothing_is_sent_before_a_resumed_agent_has_told_what_it_holds() -> None:
    stage = Stage(1)
    stage.tell(ConnectionRenewed(A))
    assert sent(stage.submit(1)) == {}
    assert sent(stage.welcome(A, resumed=True)) == {}
    assert sent(stage.tell(HoldingsArrived(A, []))) == {A: [(1, 1)]}


def test_what_a_resumed_agent_does_not_hold_is_placed_again() -> None:
    stage = Stage(2)
    stage.submit(2, idempotent=False)
    stage.tell(ConnectionRenewed(A))
    stage.welcome(A, 2, resumed=True)
    assert sent(stage.tell(HoldingsArrived(A, [(1, 1)]))) == {A: [(2, 2)]}


def test_holdings_asked_for_before_an_attempt_was_sent_say_nothing_about_it() -> None:
    stage = Stage(1)
    stage.tell(ConnectionRenewed(A))
    stage.tell(ConnectionRenewed(A))
    stage.welcome(A, resumed=True)
    stage.tell(HoldingsArrived(A, []))
    assert sent(stage.submit(1)) == {A: [(1, 1)]}
    stage.welcome(A, resumed=True)
    assert sent(stage.tell(HoldingsArrived(A, []))) == {}
    assert len(stage.tasks[1].attempts) == 1


def test_an_attempt_that_was_given_up_counts_again_when_its_agent_returns_with_it() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.advance(10.5, answering=())
    assert stage.dispatcher.waiting_count == 1
    stage.advance(1.0)
    stage.welcome(A, resumed=True)
    assert sent(stage.tell(HoldingsArrived(A, [(1, 1)]))) == {}
    assert stage.dispatcher.waiting_count == 0
    assert completed(stage.end(A, 1)) == [1]


def test_a_late_good_result_of_a_lost_attempt_counts() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.advance(10.5, answering=())
    assert completed(stage.end(A, 1, attempt=1)) == [1]


def test_what_nobody_wants_any_more_is_stopped_on_a_returning_agent() -> None:
    stage = Stage(1, 1)
    stage.submit(1)
    stage.tell(AgentUnreachable(A, "reset"))
    stage.finalize(stage.end(B, 1))
    stage.advance(1.0)
    stage.welcome(A, resumed=True)
    actions = stage.tell(HoldingsArrived(A, [(1, 1), (77, 1)]))
    assert of(actions, CancelAttempts) == [CancelAttempts(A, [(1, 1), (77, 1)])]


def test_a_session_that_an_agent_no_longer_knows_has_lost_its_attempts() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.tell(ConnectionRenewed(A))
    assert sent(stage.welcome(A)) == {A: [(1, 2)]}


def test_a_restarted_agent_is_another_agent() -> None:
    stage = Stage(1)
    stage.submit(1)
    stage.tell(AgentUnreachable(A, "it was started again"))
    stage.tell(RosterChanged([entry(C)], [A], False))
    assert sent(stage.welcome(C)) == {C: [(1, 2)]}


def test_an_agent_that_never_tells_what_it_holds_is_started_over() -> None:
    stage = Stage(1)
    stage.tell(ConnectionRenewed(A))
    assert [each.agent for each in of(stage.advance(10.5), DisconnectAgent)] == [A]


def test_b22_a_cleared_agent_has_its_slots_free_again() -> None:
    stage = Stage(1, send_ahead=0)
    stage.submit(1)
    stage.tell(AllTasksCancelled())
    assert sent(stage.submit(1)) == {}
    assert sent(stage.tell(AgentCleared(A))) == {A: [(2, 1)]}


def test_an_agent_that_was_not_in_any_roster_may_be_welcome() -> None:
    stage = Stage()
    stage.submit(1)
    assert welcome_of(A, 1).boot_id == A
    assert sent(stage.welcome(A)) == {A: [(1, 1)]}
