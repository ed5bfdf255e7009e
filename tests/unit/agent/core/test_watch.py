from __future__ import annotations

from typing import Any

from hxgrid.wire.documents import read_reason
from hxgrid.wire.messages import Load, Outcome
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.settings import PROGRESS_LAG_S
from tests.unit.agent.core.rig import Rig, User


def run(rig: Rig, seconds: float, *, beats: bool, cpu: float) -> None:
    """Let time pass while the processes beat or not and use so much processor time."""
    if beats:
        rig.stopped_at = None
    elif rig.stopped_at is None:
        rig.stopped_at = rig.now
    rig.cpu_rate = cpu
    rig.wait(seconds)


def started() -> tuple[Rig, User]:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user("a", lease_s=1000.0)
    user.offer()
    user.send(1)
    rig.clear()
    return rig, user


def suspected(rig: Rig) -> list[tuple[int, int]]:
    return [(one.task, one.attempt) for load in rig.said(Load) for one in load.suspected]


def test_a_process_that_beats_is_left_alone() -> None:
    rig, user = started()
    run(rig, 30.0, beats=True, cpu=0.0)
    assert suspected(rig) == []
    assert user.running == [1]


def test_a_silent_process_that_computes_is_left_alone() -> None:
    rig, user = started()
    run(rig, 30.0, beats=False, cpu=0.9)
    assert suspected(rig) == []
    assert user.running == [1]


def test_a_stopped_process_is_reported_soon_and_killed_later() -> None:
    rig, _user = started()
    run(rig, 1.4, beats=False, cpu=0.0)
    assert suspected(rig) == []
    run(rig, 0.4, beats=False, cpu=0.0)
    assert suspected(rig)[0] == (1, 1)
    assert not rig.all(act.KillProcess)
    run(rig, 9.0, beats=False, cpu=0.0)
    assert len(rig.all(act.KillProcess)) == 1
    assert rig.results() == [(1, Outcome.LOST)]


def test_a_process_that_comes_back_is_trusted_again() -> None:
    rig, _user = started()
    run(rig, 2.0, beats=False, cpu=0.0)
    assert suspected(rig)
    rig.clear()
    run(rig, 1.0, beats=True, cpu=0.0)
    rig.clear()
    run(rig, 2.0, beats=True, cpu=0.0)
    assert suspected(rig) == []


def test_a_time_limit_kills_and_says_so() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user("a", lease_s=1000.0)
    user.offer(time_limit_s=3.0)
    user.send(1, 2)
    run(rig, 2.9, beats=True, cpu=1.0)
    assert user.running == [1]
    run(rig, 0.2, beats=True, cpu=1.0)
    assert rig.results() == [(1, Outcome.CRASHED)]
    result = rig.all(act.SendResults)[0].attempts[0].result
    assert result is not None
    assert "time limit of 3 s" in read_reason(result.payload).text
    assert user.running == [2]


def limited(**limits: Any) -> tuple[Rig, User]:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user("a", lease_s=1000.0)
    user.offer(**limits)
    user.send(1, 2)
    return rig, user


def report(rig: Rig, fraction: float) -> None:
    [process] = [one for one in rig.core.table.processes.values() if one.handed]
    rig.handle(ev.ProgressReported(process.number, (1, 1), fraction, ""))


def test_an_attempt_that_reports_nothing_new_is_ended_and_says_so() -> None:
    rig, user = limited(no_progress_limit_s=3.0)
    for turn in range(4):
        run(rig, 2.9, beats=True, cpu=1.0)
        report(rig, turn / 10)
    assert user.running == [1]
    run(rig, 3.0 + PROGRESS_LAG_S - 0.1, beats=True, cpu=1.0)
    assert user.running == [1]
    run(rig, 0.2, beats=True, cpu=1.0)
    assert rig.results() == [(1, Outcome.CRASHED)]
    result = rig.all(act.SendResults)[0].attempts[0].result
    assert result is not None
    assert "nothing new for its no-progress limit of 3 s" in read_reason(result.payload).text
    assert user.running == [2]


def test_both_limits_hold_whichever_comes_first() -> None:
    rig, _user = limited(no_progress_limit_s=3.0, time_limit_s=5.0)
    run(rig, 2.0, beats=True, cpu=1.0)
    report(rig, 0.5)
    run(rig, 3.1, beats=True, cpu=1.0)
    result = rig.all(act.SendResults)[0].attempts[0].result
    assert result is not None
    assert "time limit of 5 s" in read_reason(result.payload).text


def test_time_spent_frozen_is_not_time_without_progress() -> None:
    rig, user = limited(no_progress_limit_s=3.0)
    run(rig, 2.0, beats=True, cpu=1.0)
    report(rig, 0.5)
    rig.handle(ev.OwnerWishes(snooze_until=rig.now + 20.0, is_draining=False))
    rig.wait(20.5)
    rig.clear()
    run(rig, 2.0, beats=True, cpu=1.0)
    assert user.running == [1]


def test_time_spent_frozen_does_not_count_against_the_limit() -> None:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user("a", lease_s=1000.0)
    user.offer(time_limit_s=3.0)
    user.send(1)
    rig.wait(1.0)
    rig.handle(ev.OwnerWishes(rig.now + 60.0, is_draining=False))
    rig.wait(60.1)
    run(rig, 1.5, beats=True, cpu=1.0)
    assert user.running == [1]
    run(rig, 1.0, beats=True, cpu=1.0)
    assert rig.results() == [(1, Outcome.CRASHED)]
