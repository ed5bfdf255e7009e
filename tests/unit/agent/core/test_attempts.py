from __future__ import annotations

import pytest

from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.documents import read_reason
from hxgrid.wire.messages import Outcome
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from tests.unit.agent.core.rig import Rig


def reason_of(rig: Rig) -> str:
    result = rig.all(act.SendResults)[-1].attempts[0].result
    assert result is not None
    return read_reason(result.payload).text


def test_attempts_run_in_the_order_of_their_arrival() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1, 2, 3, 4)
    assert user.running == [1, 2]
    rig.end(2)
    assert sorted(user.running) == [1, 3]
    rig.end(1)
    assert sorted(user.running) == [3, 4]
    assert rig.results() == [(2, Outcome.DONE), (1, Outcome.DONE)]


def test_a_function_is_told_to_a_process_before_its_first_attempt() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    rig.clear()
    user.send(1, 2)
    rig.end(1)
    kinds = [type(order) for order in rig.orders if not isinstance(order, act.SendResults)]
    assert kinds[:4] == [act.AssignProcess, act.TellFunction, act.RunAttempts, act.RunAttempts]


def test_the_same_attempt_sent_twice_is_taken_once() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    user.send(1)
    rig.end(1)
    user.send(1)
    assert user.running == []
    assert rig.results() == [(1, Outcome.DONE)]


def test_two_attempts_of_one_task_are_two() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    user.send(1, attempt=2)
    assert user.running == [1, 1]


def test_an_unknown_function_is_refused_with_a_reason() -> None:
    rig = Rig()
    user = rig.user()
    user.send(1, function=9)
    assert rig.results() == [(1, Outcome.REFUSED)]
    assert "function 9" in reason_of(rig)


def test_more_waiting_attempts_than_allowed_are_refused() -> None:
    rig = Rig(slots=1, spare_processes=1, max_waiting_attempts=3)
    user = rig.user()
    user.offer()
    user.send(1, 2, 3, 4, 5)
    assert rig.results() == [(4, Outcome.REFUSED), (5, Outcome.REFUSED)]
    assert "limit" in reason_of(rig)


def test_too_many_results_waiting_close_the_door() -> None:
    rig = Rig(max_results_waiting_bytes=100)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.end(1, payload=b"x" * 101)
    rig.clear()
    user.send(2)
    assert rig.results() == [(2, Outcome.REFUSED)]
    user.acknowledge(1, 2)
    user.send(3)
    assert user.running == [3]


def test_results_in_memory_have_a_limit_of_their_own_and_hold_back_what_waits() -> None:
    rig = Rig(slots=1, spare_processes=1, result_memory_bytes=100)
    user = rig.user()
    user.offer()
    user.send(1, 2)
    rig.end(1, payload=b"x" * 101)
    assert user.running == []
    user.acknowledge(1)
    assert user.running == [2]


def test_a_session_holds_as_many_attempts_as_fit_one_message() -> None:
    rig = Rig(max_waiting_attempts=100_000)
    user = rig.user()
    user.offer()
    user.send(*range(4096))
    assert rig.results() == []
    user.send(5000)
    assert rig.results() == [(5000, Outcome.REFUSED)]
    assert (5000, 1) not in rig.core.table.by_id[user.id].attempts


def test_short_memory_closes_the_door() -> None:
    rig = Rig(memory_reserve_bytes=1000)
    user = rig.user()
    user.offer()
    rig.handle(ev.Sampled(free_cpu=4.0, own_cpu=0.0, free_memory_bytes=999))
    rig.clear()
    user.send(1)
    assert rig.results() == [(1, Outcome.REFUSED)]
    assert "memory" in reason_of(rig)


def test_an_input_larger_than_the_free_memory_is_refused() -> None:
    rig = Rig(memory_reserve_bytes=1000)
    user = rig.user()
    user.offer()
    rig.handle(ev.Sampled(free_cpu=4.0, own_cpu=0.0, free_memory_bytes=1 << 17))
    user.send_large(1, size=1 << 17)
    assert rig.results() == [(1, Outcome.REFUSED)]


def test_a_large_input_is_awaited_and_dropped_after_the_result() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send_large(1)
    assert len(rig.all(act.ExpectInput)) == 1
    assert user.running == []
    rig.handle(ev.InputArrived(user.handle, (1, 1), "/s/in"))
    assert user.running == [1]
    assert rig.all(act.RunAttempts)[-1].attempts[0].file == "/s/in"
    rig.end(1)
    assert len(rig.all(act.DropInput)) == 1


def test_an_input_that_cannot_be_taken_in_refuses_its_attempt() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send_large(1)
    rig.handle(ev.InputFailed(user.handle, (1, 1), "the disk is full"))
    assert rig.results() == [(1, Outcome.REFUSED)]
    assert reason_of(rig) == "the disk is full"


def test_a_large_result_lies_in_a_file_until_it_is_acknowledged() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    process = rig.process_of(1)
    record = rig.record(1)._replace(flags=2, stored_bytes=1 << 17, raw_bytes=1 << 17, payload=b"")
    rig.handle(ev.AttemptsEnded(process.number, [record], {(1, 1): "/s/out"}))
    assert rig.all(act.SendResults)[0].attempts[0].file == "/s/out"
    user.acknowledge(1)
    [drop] = rig.all(act.DropResult)
    assert (drop.key, drop.path) == ((1, 1), "/s/out")


def test_recall_gives_waiting_attempts_back_and_leaves_running_ones() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(1, 2, 3)
    user.recall(1, 3)
    assert rig.results() == [(3, Outcome.NOT_STARTED)]
    rig.end(1)
    assert user.running == [2]


def test_recall_of_an_attempt_behind_another_asks_its_process() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.end(1, took_s=0.0001)
    user.send(2, 3, 4)
    assert user.running == [2, 3, 4]
    rig.clear()
    user.recall(2, 4)
    [back] = rig.all(act.TakeBack)
    assert list(back.keys) == [(4, 1)]
    rig.handle(ev.AttemptsReturned(back.process.number, [(4, 1)]))
    assert rig.results() == [(4, Outcome.NOT_STARTED)]


def test_cancel_of_a_waiting_attempt_ends_it_at_once() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(1, 2)
    user.cancel(2)
    assert rig.results() == [(2, Outcome.CANCELLED)]


def test_b19_cancel_of_a_running_attempt_raises_its_flag_and_kills_after_the_grace_time() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user("a", cancel_grace_s=0.5)
    user.offer()
    user.send(1, 2)
    user.cancel(1)
    assert list(rig.all(act.CancelInProcess)[0].keys) == [(1, 1)]
    rig.wait(0.4)
    assert not rig.all(act.KillProcess)
    rig.wait(0.2)
    assert len(rig.all(act.KillProcess)) == 1
    assert rig.results() == [(1, Outcome.CANCELLED)]
    assert user.running == [2]


def test_failure_after_a_cancel_counts_as_cancelled_but_a_result_stays_a_result() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1, 2)
    user.cancel(1, 2)
    rig.end(1, outcome=Outcome.FAILED)
    rig.end(2)
    assert rig.results() == [(1, Outcome.CANCELLED), (2, Outcome.DONE)]


def test_cancel_of_a_large_result_on_its_way_stops_it_and_says_so() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    process = rig.process_of(1)
    record = rig.record(1)._replace(flags=2, stored_bytes=1 << 17, payload=b"")
    rig.handle(ev.AttemptsEnded(process.number, [record], {(1, 1): "/s/out"}))
    rig.clear()
    user.cancel(1)
    assert rig.all(act.DropResult)
    assert rig.results() == [(1, Outcome.CANCELLED)]
    assert rig.core.table.result_bytes == 0


def test_a_crash_blames_the_attempt_that_ran_and_gives_the_others_back() -> None:
    rig = Rig(slots=1, spare_processes=2)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.end(1, took_s=0.0001)
    user.send(2, 3, 4)
    process = rig.process_of(2)
    rig.clear()
    rig.die(process, running=(3, 1), text="it died of SIGSEGV")
    assert rig.results() == [(2, Outcome.LOST), (3, Outcome.CRASHED)]
    assert user.running == [4]
    assert "SIGSEGV" in reason_of(rig)


def test_a_process_that_died_between_attempts_loses_them_without_blame() -> None:
    rig = Rig(slots=1, spare_processes=2)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.die(rig.process_of(1), running=None)
    assert rig.results() == [(1, Outcome.LOST)]


def test_results_of_unknown_attempts_are_dropped() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(1)
    process = rig.process_of(1)
    before = rig.core.table.dropped
    rig.handle(ev.AttemptsEnded(process.number, [rig.record(77)], {}))
    rig.handle(ev.AttemptsEnded(12345, [rig.record(1)], {}))
    assert rig.core.table.dropped == before + 2
    assert user.running == [1]


def test_an_old_handle_is_not_listened_to() -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    record = AttemptRecord(1, 1, 0, 1, 0, 0, b"")
    rig.handle(ev.AttemptsReceived(user.peer, user.handle + 1, [record]))
    assert user.running == []


@pytest.mark.parametrize("task", [0, 2**64 - 1])
def test_h17_task_ids_have_64_bits(task: int) -> None:
    rig = Rig()
    user = rig.user()
    user.offer()
    user.send(task)
    rig.end(task)
    assert rig.results() == [(task, Outcome.DONE)]
