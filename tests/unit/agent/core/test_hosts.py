"""Host processes: one for a session's native functions, with a slot for each attempt in it."""

from __future__ import annotations

from typing import Any

from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.documents import read_reason
from hxgrid.wire.messages import AttemptFlag, Outcome, Reason
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.process import SlotProcess
from tests.unit.agent.core.rig import Rig, User, file

OTHER = "cd" * 32


def started(slots: int = 4, **changes: Any) -> tuple[Rig, User]:
    """A session with a native function, numbered 1, whose file is here."""
    rig = Rig(slots=slots, **changes)
    user = rig.user("a", lease_s=1000.0)
    offer(rig, user, 1)
    rig.wait(1.0)
    rig.clear()
    return rig, user


def offer(rig: Rig, user: User, function: int, *names: str, **fields: Any) -> None:
    files = tuple(
        file(name or "libtask.so", fields.pop("digest", "ab" * 32)) for name in names or ("",)
    )
    user.offer(function, kind="native", files=files, entry="Run", label="libtask.so:Run", **fields)
    for entry in files:
        rig.handle(ev.BlobFound(entry.digest, "/blob"))


def send_alone(rig: Rig, user: User, *tasks: int) -> None:
    flag = int(AttemptFlag.ALONE)
    records = [AttemptRecord(task, 1, flag, 1, 4, 4, b"xxxx") for task in tasks]
    rig.handle(ev.AttemptsReceived(user.peer, user.handle, records))


def crash(rig: Rig, host: SlotProcess, culprit: int | None, *ran: int) -> None:
    reason = Reason(text="died of SIGSEGV", signal="SIGSEGV")
    running = None if culprit is None else (culprit, 1)
    rig.handle(ev.ProcessDied(host.number, reason, running, {(task, 1): 0 for task in ran}))


def reasons(rig: Rig) -> dict[int, Reason]:
    sent = [a.result for order in rig.all(act.SendResults) for a in order.attempts]
    return {r.task: read_reason(r.payload) for r in sent if r is not None and r.payload}


def test_a_session_has_one_host_with_a_slot_for_each_attempt() -> None:
    rig, user = started(slots=4)
    user.send(1, 2, 3)
    host = rig.process_of(1)
    assert host.is_host
    assert {rig.process_of(task).number for task in (2, 3)} == {host.number}
    assert len(host.slots) == 3
    rig.end(2)
    assert len(host.slots) == 2


def test_each_attempt_of_a_dead_host_ends_in_the_slot_of_its_thread() -> None:
    rig, user = started(slots=4)
    user.send(1, 2, 3)
    slots = {(2, 1): 1, (3, 1): 2}
    reason = Reason(text="died of SIGSEGV", signal="SIGSEGV")
    rig.handle(ev.ProcessDied(rig.process_of(1).number, reason, (3, 1), slots))
    sent = [a.result for order in rig.all(act.SendResults) for a in order.attempts]
    assert {each.task: each.slot for each in sent if each is not None} == {1: 0, 2: 1, 3: 2}


def test_python_and_native_attempts_of_one_session_share_the_slots() -> None:
    rig, user = started(slots=2)
    user.offer(2)
    user.send(1)
    user.send(2, function=2)
    user.send(3)
    assert rig.process_of(1).is_host
    assert not rig.process_of(2).is_host
    rig.end(2)
    assert rig.process_of(3) is rig.process_of(1)


def test_a_host_is_kept_ready_once_native_functions_are_about() -> None:
    rig = Rig(slots=2)
    assert not rig.core.table.spare_hosts
    user = rig.user("a", lease_s=1000.0)
    offer(rig, user, 1)
    rig.wait(1.0)
    assert len(rig.core.table.spare_hosts) == 1
    user.send(1)
    rig.wait(1.0)
    assert len(rig.core.table.spare_hosts) == 1


def test_short_attempts_are_handed_over_for_all_slots() -> None:
    rig, user = started(slots=2)
    user.send(*range(1, 3))
    rig.end(1, 2, took_s=0.00001)
    user.send(*range(3, 1003))
    assert len(rig.process_of(3).handed) > 256


def test_the_culprit_of_a_crash_is_blamed_and_the_others_are_lost() -> None:
    rig, user = started(slots=3)
    user.send(1, 2, 3, 4)
    crash(rig, rig.process_of(1), 2, 1, 2, 3)
    assert sorted(rig.results()) == [(1, Outcome.LOST), (2, Outcome.CRASHED), (3, Outcome.LOST)]
    said = reasons(rig)
    assert said[2].text == "died of SIGSEGV; it ran 'libtask.so:Run' on agent pc7"
    assert said[2].signal == "SIGSEGV"
    assert not said[1].is_suspect
    assert user.running == [4], "it had not begun, and runs in a fresh host"


def test_one_that_ran_alone_is_to_blame() -> None:
    rig, user = started()
    user.send(1)
    crash(rig, rig.process_of(1), None, 1)
    assert rig.results() == [(1, Outcome.CRASHED)]


def test_where_nobody_knows_all_are_suspects() -> None:
    rig, user = started()
    user.send(1, 2)
    crash(rig, rig.process_of(1), None, 1, 2)
    assert rig.results() == [(1, Outcome.LOST), (2, Outcome.LOST)]
    assert all(reason.is_suspect for reason in reasons(rig).values())


def test_suspects_have_a_host_each() -> None:
    rig, user = started(slots=3)
    send_alone(rig, user, 1, 2)
    user.send(3)
    rig.wait(1.0)
    hosts = {rig.process_of(task).number for task in (1, 2, 3)}
    assert len(hosts) == 3
    user.send(4)
    rig.end(1, took_s=0.00001)
    assert user.running.count(4) == 1
    assert len(rig.process_of(2).handed) == 1


def test_files_of_one_name_and_other_contents_need_another_host() -> None:
    rig, user = started()
    offer(rig, user, 2, digest=OTHER)
    user.send(1)
    user.send(2, function=2)
    rig.wait(1.0)
    assert rig.process_of(1) is not rig.process_of(2)
    assert rig.process_of(1).place.group == 1
    assert rig.process_of(2).place.group == 2


def test_a_disobedient_attempt_ends_its_host_when_nothing_else_runs_in_it() -> None:
    rig, user = started(slots=3)
    user.send(1, 2)
    host = rig.process_of(1)
    user.cancel(1)
    rig.wait(5.0)
    assert not rig.all(act.KillProcess), "another attempt runs in it"
    user.send(3)
    rig.wait(1.0)
    assert rig.process_of(3) is not host, "it takes nothing new"
    rig.end(2)
    rig.wait(0.1)
    assert [order.process for order in rig.all(act.KillProcess)] == [host]
    assert (1, Outcome.CANCELLED) in rig.results()


def test_a_host_whose_attempts_are_all_cancelled_is_killed_after_the_grace_time() -> None:
    rig, user = started()
    user.send(1, 2)
    host = rig.process_of(1)
    user.cancel(1, 2)
    rig.wait(0.4)
    assert not rig.all(act.KillProcess)
    rig.wait(0.2)
    assert [order.process for order in rig.all(act.KillProcess)] == [host]


def test_a_drained_host_ends_by_itself_if_all_stop_after_all() -> None:
    rig, user = started()
    user.send(1, 2)
    host = rig.process_of(1)
    user.cancel(1)
    rig.wait(1.0)
    rig.end(1, outcome=Outcome.CANCELLED)
    rig.end(2)
    assert [order.process for order in rig.all(act.EndProcess)] == [host]


def test_an_attempt_over_its_own_time_limit_ends_its_host_at_once() -> None:
    rig, user = started()
    offer(rig, user, 2, "other.so", time_limit_s=2.0)
    user.send(1)
    user.send(2, function=2)
    rig.clear()
    rig.wait(2.1)
    assert sorted(rig.results()) == [(1, Outcome.LOST), (2, Outcome.CRASHED)]
    assert "because of another task" in reasons(rig)[1].text


def test_where_native_functions_cannot_run_it_is_said_and_python_goes_on() -> None:
    rig, user = started(native_problem="hxGrid was installed without its task library")
    user.send(1)
    assert rig.results() == [(1, Outcome.REFUSED)]
    assert "without its task library" in reasons(rig)[1].text
    user.offer(2)
    user.send(2, function=2)
    assert user.running == [2]


def test_the_end_of_a_session_ends_its_hosts() -> None:
    rig, user = started()
    user.send(1, 2)
    host = rig.process_of(1)
    user.goodbye()
    rig.wait(1.5)
    assert [order.process for order in rig.all(act.KillProcess)] == [host]


def test_what_uses_memory_up_is_tried_alone_and_then_counts() -> None:
    rig, user = started()
    user.send(1)
    rig.handle(ev.Sampled(4.0, 0.0, 0))
    rig.handle(ev.Sampled(4.0, 0.0, 0))
    assert rig.results() == [(1, Outcome.LOST)]
    assert reasons(rig)[1].is_suspect
    rig.handle(ev.Sampled(4.0, 0.0, 1 << 33))
    rig.clear()
    user.acknowledge(1)
    send_alone(rig, user, 1)
    rig.wait(1.0)
    rig.handle(ev.Sampled(4.0, 0.0, 0))
    rig.handle(ev.Sampled(4.0, 0.0, 0))
    assert rig.results() == [(1, Outcome.CRASHED)]
