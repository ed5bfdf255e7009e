from __future__ import annotations

from hxgrid.wire.messages import AgentState, Load, Outcome
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from tests.unit.agent.core.rig import Rig, User


def sample(rig: Rig, seconds: int, free_cpu: float) -> None:
    for _ in range(seconds):
        rig.wait(1.0)
        rig.handle(ev.Sampled(free_cpu=free_cpu, own_cpu=0.0, free_memory_bytes=1 << 30))


def working() -> tuple[Rig, User]:
    rig = Rig(slots=1, spare_processes=1)
    user = rig.user("a", lease_s=3600.0)
    user.offer()
    user.send(1, 2)
    rig.clear()
    return rig, user


def states(rig: Rig) -> list[AgentState]:
    return [load.state for load in rig.said(Load)]


def test_b50_ten_busy_seconds_freeze_the_processes_and_give_back_what_waits() -> None:
    rig, _user = working()
    sample(rig, 10, free_cpu=0.1)
    assert not rig.all(act.FreezeProcesses)
    sample(rig, 1, free_cpu=0.1)
    [freeze] = rig.all(act.FreezeProcesses)
    assert [process.number for process in freeze.processes] == [rig.process_of(1).number]
    assert rig.results() == [(2, Outcome.NOT_STARTED)]
    assert states(rig)[-1] is AgentState.SUSPENDED
    assert rig.said(Load)[-1].reason


def test_b24_a_second_of_free_processors_starts_the_count_again() -> None:
    rig, _user = working()
    for _ in range(10):
        sample(rig, 9, free_cpu=0.1)
        sample(rig, 1, free_cpu=2.0)
    assert not rig.all(act.FreezeProcesses)


def test_frozen_processes_go_on_after_the_time_and_later_while_busy() -> None:
    rig, user = working()
    sample(rig, 11, free_cpu=0.1)
    sample(rig, 10, free_cpu=0.1)
    sample(rig, 24, free_cpu=3.0)
    assert not rig.all(act.ThawProcesses)
    sample(rig, 2, free_cpu=3.0)
    assert len(rig.all(act.ThawProcesses)) == 1
    assert states(rig)[-1] is AgentState.ACTIVE
    assert user.running == [1]


def test_nothing_is_taken_while_frozen() -> None:
    rig, user = working()
    rig.handle(ev.OwnerWishes(rig.now + 60.0, is_draining=False))
    rig.clear()
    user.send(3)
    assert rig.results() == [(3, Outcome.REFUSED)]


def test_suspend_zero_never_freezes() -> None:
    rig = Rig(suspend_s=0.0)
    sample(rig, 60, free_cpu=0.0)
    assert not rig.core.table.is_frozen


def test_a_cancelled_attempt_is_killed_though_frozen() -> None:
    rig, user = working()
    rig.handle(ev.OwnerWishes(rig.now + 60.0, is_draining=False))
    user.cancel(1)
    rig.wait(0.6)
    assert (1, Outcome.CANCELLED) in rig.results()


def test_snooze_freezes_at_once_and_can_be_taken_back() -> None:
    rig, _user = working()
    rig.handle(ev.OwnerWishes(rig.now + 7200.0, is_draining=False))
    assert rig.all(act.FreezeProcesses)
    rig.handle(ev.OwnerWishes(None, is_draining=False))
    assert rig.all(act.ThawProcesses)


def test_draining_lets_what_runs_finish_and_takes_nothing_new() -> None:
    rig, user = working()
    rig.handle(ev.OwnerWishes(None, is_draining=True))
    assert rig.results() == [(2, Outcome.NOT_STARTED)]
    assert not rig.all(act.FreezeProcesses)
    rig.end(1)
    user.send(3)
    assert rig.results()[1:] == [(1, Outcome.DONE), (3, Outcome.REFUSED)]
    assert states(rig)[-1] is AgentState.DRAINING


def test_short_memory_costs_caches_first_and_then_the_youngest_attempt() -> None:
    rig = Rig(slots=2, spare_processes=2)
    user = rig.user("a", lease_s=1000.0)
    user.offer()
    user.send(1)
    rig.wait(0.1)
    user.send(2)
    rig.clear()
    short = ev.Sampled(free_cpu=4.0, own_cpu=0.0, free_memory_bytes=10)
    rig.wait(1.0)
    rig.handle(short)
    assert user.running == [1, 2]
    spares = len(rig.all(act.KillProcess))
    assert spares > 0
    rig.handle(short)
    assert rig.results() == [(2, Outcome.LOST)]
    assert user.running == [1]


def test_short_memory_costs_the_one_who_holds_it_and_not_a_younger_one() -> None:
    rig = Rig(slots=3, spare_processes=0)
    user = rig.user("a", lease_s=1000.0)
    user.offer()
    for task in (1, 2, 3):
        user.send(task)
        rig.wait(0.1)
    assert user.running == [1, 2, 3]
    oldest = min(rig.core.table.processes)
    rig.clear()
    held = dict.fromkeys(rig.core.table.processes, 10 << 20) | {oldest: 500 << 20}
    rig.handle(ev.Sampled(4.0, 0.0, free_memory_bytes=10, private_bytes=held))
    assert rig.results() == [(1, Outcome.LOST)]
    held = dict.fromkeys(rig.core.table.processes, 10 << 20)
    rig.handle(ev.Sampled(4.0, 0.0, free_memory_bytes=10, private_bytes=held))
    assert rig.results() == [(1, Outcome.LOST), (3, Outcome.LOST)], "of equals, the youngest"


def test_nobody_else_goes_while_the_memory_of_a_killed_process_comes_back() -> None:
    rig = Rig(slots=3, spare_processes=0)
    user = rig.user("a", lease_s=1000.0)
    user.offer()
    for task in (1, 2, 3):
        user.send(task)
    rig.clear()

    def free(free_bytes: int) -> None:
        rig.wait(1.0)
        rig.handle(ev.Sampled(4.0, 0.0, free_bytes))

    free(1000)
    assert len(rig.results()) == 1
    for free_bytes in (1001, 2000, 3000):
        free(free_bytes)
    assert len(rig.results()) == 1, "it comes back, if slowly"
    free(2999)
    assert len(rig.results()) == 2, "somebody takes more"
    for free_bytes in range(3000, 3031):
        free(free_bytes)
    assert len(rig.results()) == 3, "that would take for ever"


def test_b25_a_suspension_ends_where_a_clock_of_32_bits_would_wrap() -> None:
    rig = Rig(slots=1, spare_processes=1)
    rig.now = 2**32 / 1000 - 15.0
    user = rig.user("a", lease_s=3600.0)
    user.offer()
    user.send(1)
    sample(rig, 11, free_cpu=0.1)
    assert states(rig)[-1] is AgentState.SUSPENDED
    sample(rig, 30, free_cpu=3.0)
    assert states(rig)[-1] is AgentState.ACTIVE
    assert user.running == [1]
