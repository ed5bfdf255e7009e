from __future__ import annotations

from hxgrid.wire.messages import (
    CancelAll,
    Ended,
    Goodbye,
    Load,
    Outcome,
    Protocol,
    Refusal,
    WhoAreYou,
)
from hxgrid.wire.versions import PROTOCOL_MAJOR, PROTOCOL_MINOR
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from tests.unit.agent.core.rig import Rig, User


def test_a_hello_opens_a_session_with_a_folder() -> None:
    rig = Rig()
    user = rig.user()
    welcome = user.hello(peer=b"again")
    assert welcome is not None
    assert welcome.resumed
    rig = Rig()
    rig.user()
    assert len(rig.all(act.OpenSession)) == 1
    assert rig.all(act.OpenSession)[0].session.id == "a" * 32


def test_another_major_version_is_refused_with_both_versions_named() -> None:
    rig = Rig()
    user = rig.user("a", protocol=Protocol(major=9, minor=3))
    [refusal] = rig.said(Refusal)
    assert refusal.code == "protocol"
    assert "9.3" in refusal.text
    assert f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}" in refusal.text
    assert user.handle == 0


def test_a_session_cannot_be_taken_over_without_its_ticket() -> None:
    rig = Rig()
    user = rig.user()
    assert user.hello(peer=b"thief", ticket="f" * 32) is None
    assert [refusal.code for refusal in rig.said(Refusal)] == ["token"]
    assert b"thief" not in rig.core.table.by_peer


def test_more_sessions_than_allowed_are_refused_but_known_ones_resume() -> None:
    rig = Rig(max_sessions=1)
    user = rig.user("a")
    rig.user("b")
    assert [refusal.code for refusal in rig.said(Refusal)] == ["busy"]
    assert user.hello(peer=b"new") is not None


def test_a_stranger_is_asked_who_it_is() -> None:
    rig = Rig()
    rig.handle(ev.AttemptsReceived(b"?", 1, []))
    rig.handle(ev.DocumentReceived(b"?", CancelAll(session="c" * 32, request=1)))
    assert len(rig.said(WhoAreYou)) == 2


def test_a_stranger_that_only_pings_is_asked_who_it_is() -> None:
    rig = Rig()
    rig.handle(ev.PeersHeard([b"renewed"]))
    assert len(rig.said(WhoAreYou)) == 1


def test_a_resumed_session_hears_its_holdings_and_unacknowledged_results() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(1, 2, 3)
    rig.end(1)
    rig.clear()
    user.hello(peer=b"a2")
    [holdings] = rig.all(act.SendHoldings)
    assert list(holdings.keys) == [(1, 1), (2, 1), (3, 1)]
    assert rig.results() == [(1, Outcome.DONE)]
    assert rig.all(act.MoveSession)[0].old_peer == b"a"
    user.acknowledge(1)
    rig.clear()
    user.hello(peer=b"a3")
    assert rig.results() == []


def test_no_longer_lease_is_granted_than_the_owner_allows() -> None:
    rig = Rig(session_lease_s=5.0)
    rig.user("a", lease_s=3600.0)
    rig.wait(4.9)
    assert rig.core.table.sessions
    rig.wait(0.2)
    assert not rig.core.table.sessions


def test_no_longer_grace_is_granted_than_the_owner_allows() -> None:
    rig = Rig(cancel_grace_s=1.5)
    rig.user("a", cancel_grace_s=60.0)
    rig.user("b", cancel_grace_s=0.25)
    graces = [session.hello.cancel_grace_s for session in rig.core.table.sessions.values()]
    assert graces == [1.5, 0.25]


def test_messages_renew_the_lease_and_silence_ends_it() -> None:
    rig = Rig()
    user = rig.user("a", lease_s=10.0)
    for _ in range(3):
        rig.wait(6.0)
        rig.handle(ev.PeersHeard([user.peer]))
    assert rig.core.table.sessions
    rig.wait(10.1)
    assert not rig.core.table.sessions
    assert rig.all(act.CloseSession)
    assert rig.said(Ended) == []


def test_a_sign_of_life_from_a_stranger_asks_it_who_it_is() -> None:
    rig = Rig()
    rig.handle(ev.PeersHeard([b"renewed"]))
    assert len(rig.said(WhoAreYou)) == 1


def test_goodbye_ends_processes_drops_files_and_is_answered_last() -> None:
    rig = Rig(is_helpful=True)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.end(1)
    rig.clear()
    user.goodbye()
    kinds = [type(order) for order in rig.orders]
    assert kinds.index(act.EndProcess) < kinds.index(act.CloseSession)
    assert [ended.request for ended in rig.said(Ended)] == [None]
    assert not rig.core.table.sessions


def test_goodbye_gives_a_running_task_the_grace_time_and_then_kills() -> None:
    rig = Rig()
    user = rig.user("a", cancel_grace_s=0.5)
    user.offer()
    user.send(1)
    rig.clear()
    user.goodbye()
    assert rig.all(act.CancelInProcess)
    rig.wait(0.4)
    assert not rig.all(act.KillProcess)
    rig.wait(0.2)
    assert len(rig.all(act.KillProcess)) == 1
    assert rig.said(Ended)
    assert rig.results() == []


def test_goodbye_that_is_said_again_is_answered_again() -> None:
    rig = Rig()
    rig.handle(ev.DocumentReceived(b"?", Goodbye(session="c" * 32)))
    assert [ended.session for ended in rig.said(Ended)] == ["c" * 32]


def test_a_session_that_cannot_be_killed_is_closed_all_the_same() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    rig.is_helpful = False
    user.goodbye()
    rig.wait(1.6)
    assert rig.all(act.CloseSession)


def test_hello_to_an_ending_session_is_refused_for_the_moment() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    rig.is_helpful = False
    user.goodbye()
    assert user.hello() is None
    assert [refusal.code for refusal in rig.said(Refusal)] == ["busy"]


def test_cancel_all_ends_everything_and_is_answered_when_nothing_runs() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(1, 2)
    rig.clear()
    user.say(CancelAll(session=user.id, request=7))
    assert rig.results() == [(2, Outcome.CANCELLED)]
    assert rig.said(Ended) == []
    rig.end(1, outcome=Outcome.CANCELLED)
    assert [ended.request for ended in rig.said(Ended)] == [7]
    assert not rig.core.table.by_id[user.id].attempts
    user.send(3)
    assert user.running == [3]


def test_cancel_all_kills_what_does_not_stop() -> None:
    rig = Rig()
    user = rig.user("a", cancel_grace_s=0.5)
    user.offer()
    user.send(1)
    user.say(CancelAll(session=user.id, request=7))
    rig.wait(0.6)
    assert rig.all(act.KillProcess)
    assert [ended.request for ended in rig.said(Ended)] == [7]


def test_cancel_all_does_not_wait_for_what_was_sent_after_it() -> None:
    rig = Rig(slots=2)
    user = rig.user()
    user.offer()
    user.send(1)
    user.say(CancelAll(session=user.id, request=7))
    user.send(2)
    assert user.running == [1, 2]
    rig.end(1, outcome=Outcome.CANCELLED)
    assert [ended.request for ended in rig.said(Ended)] == [7]


def test_cancel_all_keeps_results_of_what_was_sent_after_it() -> None:
    rig = Rig(slots=2)
    user = rig.user()
    user.offer()
    user.send(1)
    user.say(CancelAll(session=user.id, request=7))
    user.send(2)
    rig.end(2)
    rig.end(1, outcome=Outcome.CANCELLED)
    assert list(rig.core.table.by_id[user.id].attempts) == [(2, 1)]
    rig.clear()
    user.hello(peer=b"renewed")
    assert rig.results() == [(2, Outcome.DONE)]


def test_a_renewed_connection_hears_no_false_end_before_it_has_said_hello() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    user.peer = b"renewed"
    user.say(CancelAll(session=user.id, request=7))
    user.goodbye()
    assert rig.said(Ended) == []
    assert len(rig.said(WhoAreYou)) == 2


def test_a_leaving_agent_gives_back_and_ends_everything() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(1, 2)
    rig.clear()
    rig.handle(ev.AgentLeaves())
    assert rig.results() == [(2, Outcome.NOT_STARTED)]
    rig.wait(2.0)
    assert rig.core.is_empty


def test_progress_is_told_with_every_load_until_the_attempt_ends() -> None:
    rig = Rig(slots=1)
    user = rig.user()
    user.offer()
    user.send(1)
    report = ev.ProgressReported(rig.process_of(1).number, (1, 1), 0.5, "half")
    rig.handle(report)
    for _ in range(3):
        rig.clear()
        rig.wait(1.0)
        assert [one.fraction for one in rig.said(Load)[-1].progress] == [0.5]
    rig.end(1)
    rig.clear()
    rig.wait(1.0)
    assert rig.said(Load)[-1].progress == ()


def test_b43_a_thousand_sessions_end_with_tasks_queued_and_leave_nothing() -> None:
    rig = Rig(slots=2, max_parked_processes=2)
    for number in range(1000):
        user = User(rig, "abcdef"[number % 6])
        user.hello(peer=b"%d" % number)
        user.offer()
        user.send(*range(20))
        rig.wait(0.01)
        user.goodbye()
        rig.wait(1.0)
        assert not rig.core.table.by_id
    table = rig.core.table
    assert not table.sessions
    assert table.waiting == table.result_bytes == 0
    assert len(table.free_slots) == 2


def test_b44_of_two_sessions_of_one_user_the_other_one_stays() -> None:
    rig = Rig(slots=1)
    first, second = rig.user("a"), rig.user("b")
    for user in (first, second):
        user.offer()
        user.send(1, 2)
    first.goodbye()
    rig.wait(1.0)
    assert list(rig.core.table.by_id) == [second.id]
    rig.clear()
    rig.end(1)
    rig.end(2)
    assert rig.results() == [(1, Outcome.DONE), (2, Outcome.DONE)]
