from __future__ import annotations

import itertools

from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from tests.unit.agent.core.rig import Rig, User


def slots_held(user: User) -> int:
    return len(user.rig.core.table.by_id[user.id].held)


def test_k11_two_sessions_get_one_slot_each() -> None:
    rig = Rig()
    first, second = rig.user("a"), rig.user("b")
    for user in (first, second):
        user.offer()
        user.send(*range(20))
    assert (slots_held(first), slots_held(second)) == (2, 0)
    rig.wait(1.0)
    rig.end(0)
    assert (slots_held(first), slots_held(second)) == (1, 1)


def run_for(rig: Rig, users: list[User], seconds: float, task_s: float) -> dict[str, float]:
    """Let tasks of equal length run and return how long each user's slots were in use."""
    used = {user.letter: 0.0 for user in users}
    end = rig.now + seconds
    busy: dict[int, float] = {}
    while rig.now < end:
        for process in list(rig.core.table.processes.values()):
            if process.handed and process.number not in busy:
                busy[process.number] = rig.now + task_s
        number = min(busy, key=lambda n: busy[n])
        rig.now = max(rig.now, busy.pop(number))
        process = rig.core.table.processes[number]
        session = rig.core.table.whose(process)
        assert session is not None
        key = next(iter(process.handed))
        used[session.id[0]] += task_s
        record = rig.record(key[0], task_s)
        rig.handle(ev.AttemptsEnded(number, [record], {}))
        rig.handle(ev.ResultsAcknowledged(session.peer, session.handle, [key]))
    return used


def test_k11_slot_time_is_shared_by_weight() -> None:
    rig = Rig(slots=3, spare_processes=3, max_waiting_attempts=10_000)
    users = [rig.user("a", weight=1.0), rig.user("b", weight=2.0)]
    for user in users:
        user.offer()
        user.send(*range(1000))
    used = run_for(rig, users, 200.0, 0.7)
    assert 1.8 <= used["b"] / used["a"] <= 2.2


def test_k11_three_sessions_share_one_slot_equally() -> None:
    rig = Rig(slots=1, spare_processes=1, max_waiting_attempts=10_000)
    users = [rig.user(letter) for letter in "abc"]
    for user in users:
        user.offer()
        user.send(*range(1000))
    used = run_for(rig, users, 200.0, 0.3)
    assert max(used.values()) - min(used.values()) <= 2.0


def test_a_slot_stays_for_the_quantum() -> None:
    rig = Rig(slots=1, spare_processes=2, share_quantum_s=1.0)
    first, second = rig.user("a"), rig.user("b")
    for user in (first, second):
        user.offer()
        user.send(*range(20))
    rig.wait(0.5)
    rig.end(first.running[0])
    assert first.running
    rig.wait(0.5)
    rig.end(first.running[0])
    assert not first.running
    assert second.running


def test_time_that_was_not_asked_for_is_not_saved_up() -> None:
    rig = Rig(slots=1, spare_processes=2)
    first, second = rig.user("a"), rig.user("b")
    first.offer()
    second.offer()
    first.send(*range(1000))
    run_for(rig, [first], 100.0, 1.0)
    second.send(*range(1000))
    used = run_for(rig, [first, second], 20.0, 1.0)
    assert abs(used["a"] - used["b"]) <= 2.0


def test_a_process_is_never_passed_to_another_session() -> None:
    rig = Rig(slots=1, spare_processes=2, share_quantum_s=0.0)
    first, second = rig.user("a"), rig.user("b")
    for user in (first, second):
        user.offer()
        user.send(*range(4))
    process = rig.process_of(0)
    rig.wait(0.1)
    rig.end(0)
    session = rig.core.table.whose(process)
    assert session is not None
    assert session.id == first.id
    assert second.running
    assert rig.process_of(0) is not process


def test_processes_beyond_the_limit_of_parked_ones_are_ended() -> None:
    rig = Rig(slots=4, spare_processes=4, max_parked_processes=2)
    user = rig.user()
    user.offer()
    user.send(1, 2, 3, 4)
    rig.end(1, 2, 3, 4)
    assert len(rig.all(act.EndProcess)) == 2
    assert len(rig.core.table.by_id[user.id].processes) == 2


def test_a_long_function_gets_one_attempt_at_a_time() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(*range(10))
    assert user.running == [0]
    rig.end(0, took_s=0.1)
    assert user.running == [1]


def test_a_short_function_is_handed_over_in_batches_of_two_milliseconds() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(*range(1000))
    rig.end(0, took_s=0.0001)
    assert len(user.running) in (19, 20)


def test_one_call_that_had_to_stand_aside_does_not_make_a_short_function_long() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(*range(1000))
    rig.end(0, took_s=0.0001)
    rig.end(*user.running[:15], took_s=0.0001)
    rig.end(user.running[0], took_s=0.5)
    rig.end(*user.running, took_s=0.0001)
    assert len(user.running) >= 10


def test_batches_are_balanced_over_the_slots() -> None:
    rig = Rig(slots=2, spare_processes=2)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.end(1, took_s=0.00001)
    user.send(*range(10, 20))
    assert sorted(len(p.handed) for p in rig.core.table.processes.values() if p.handed) == [5, 5]


def test_a_process_is_topped_up_when_half_is_done() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    user.send(*range(1000))
    rig.end(0, took_s=0.0002)
    first = list(user.running)
    assert len(first) in (9, 10)
    rig.end(first[0], took_s=0.0002)
    assert len(user.running) == len(first) - 1
    rig.end(*first[1:6], took_s=0.0002)
    assert len(user.running) >= len(first) - 1


def test_attempts_behind_a_long_one_are_taken_back() -> None:
    rig = Rig(slots=2, spare_processes=2)
    user = rig.user()
    user.offer()
    user.send(1)
    rig.end(1, took_s=0.0001)
    user.send(2, 3, 4, 5)
    process = rig.process_of(2)
    behind = [key for key in process.handed if key != (2, 1)]
    assert behind
    rig.clear()
    rig.wait(0.06)
    back = [order for order in rig.all(act.TakeBack) if order.process is process]
    assert list(back[0].keys) == behind
    rig.end(4, 5, took_s=0.0001)
    rig.handle(ev.AttemptsReturned(process.number, behind))
    assert all(rig.process_of(key[0]) is not process for key in behind)


def test_spares_are_replaced_a_moment_after_they_were_taken() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user()
    user.offer()
    rig.clear()
    user.send(1)
    assert not rig.all(act.StartProcess)
    rig.wait(0.6)
    assert len(rig.all(act.StartProcess)) == 1


def test_without_a_spare_a_process_is_started_for_the_task() -> None:
    rig = Rig(slots=2, spare_processes=0)
    user = rig.user()
    user.offer()
    user.send(1, 2, 3)
    assert len(rig.all(act.StartProcess)) == 2
    assert user.running == [1, 2]


def test_a_process_that_does_not_start_makes_the_next_start_wait_longer_each_time() -> None:
    rig = Rig(slots=1, spare_processes=1, is_helpful=False)
    starts: list[float] = []
    for _ in range(5):
        [order] = rig.all(act.StartProcess)
        starts.append(rig.now)
        rig.clear()
        rig.die(order.process, text="no interpreter")
        rig.wait(0.1 * 2 ** (len(starts) - 1))
    assert "no interpreter" in rig.core.summary().reason
    pauses = [b - a for a, b in itertools.pairwise(starts)]
    assert pauses == sorted(pauses)


def test_b27_five_sessions_run_no_more_at_a_time_than_there_are_slots() -> None:
    rig = Rig(slots=2, spare_processes=2, max_parked_processes=4)
    users = [rig.user(letter) for letter in "abcde"]
    for user in users:
        user.offer()
        user.send(*range(10))
    for _ in range(40):
        busy = [process for process in rig.core.table.processes.values() if process.handed]
        assert sum(map(slots_held, users)) == len(busy) == 2
        rig.wait(1.0)
        process = busy[0]
        session = rig.core.table.whose(process)
        assert session is not None
        key = next(iter(process.handed))
        rig.handle(ev.AttemptsEnded(process.number, [rig.record(key[0])], {}))
        rig.handle(ev.ResultsAcknowledged(session.peer, session.handle, [key]))
        for user in users:
            rig.handle(ev.PeersHeard([user.peer]))
