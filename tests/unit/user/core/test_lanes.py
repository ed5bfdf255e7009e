from __future__ import annotations

from hxgrid.user.core.lanes import LARGE_BYTES, NOBODY, Lane, Lanes
from hxgrid.user.core.requirements import Requirements
from tests.unit.user.core.stage import A, make_task


def only(lanes: Lanes) -> Lane:
    return next(iter(lanes.lanes))


def test_tasks_come_out_as_they_went_in() -> None:
    lanes = Lanes()
    lanes.add([make_task(number) for number in (1, 2, 3)])
    assert [task.id for task in only(lanes).take(10, 1)] == [1, 2, 3]
    assert len(lanes) == 0


def test_a_task_that_comes_back_has_its_old_place() -> None:
    lanes = Lanes()
    tasks = [make_task(number) for number in range(1, 6)]
    lanes.add(tasks)
    only(lanes).take(3, 1)
    lanes.put_back(tasks[2], NOBODY)
    lanes.put_back(tasks[0], NOBODY)
    assert [task.id for task in only(lanes).take(10, 1)] == [1, 3, 4, 5]


def test_what_is_discarded_is_skipped() -> None:
    lanes = Lanes()
    tasks = [make_task(number) for number in range(1, 4)]
    lanes.add(tasks)
    lanes.discard(tasks[0])
    lanes.discard(tasks[1])
    assert len(lanes) == 1
    assert only(lanes).head() is tasks[2]


def test_a_task_that_is_discarded_and_comes_back_is_there_once() -> None:
    lanes = Lanes()
    task = make_task(1)
    lanes.add([task])
    lanes.discard(task)
    lanes.put_back(task, NOBODY)
    assert [each.id for each in lanes] == [1]
    assert [each.id for each in only(lanes).take(5, 1)] == [1]
    assert only(lanes).take(5, 1) == []


def test_only_tasks_of_one_function_are_taken_at_a_time() -> None:
    lanes = Lanes()
    lanes.add([make_task(1), make_task(2), make_task(3, function=2), make_task(4)])
    assert [task.id for task in only(lanes).take(10, 1)] == [1, 2]
    assert [task.id for task in only(lanes).take(10, 2)] == [3]


def test_tasks_that_only_some_agents_can_take_wait_apart() -> None:
    lanes = Lanes()
    needs = Requirements(processors=64)
    plain, picky, large = make_task(1), make_task(2, requires=needs), make_task(3)
    large.raw_bytes = LARGE_BYTES
    lanes.add([plain, picky, large])
    lanes.put_back(plain, frozenset({A}))
    assert len({task.lane for task in (plain, picky, large)}) == 3
    assert len(lanes) == 3


def test_tasks_wait_in_the_lane_of_their_kind_however_they_are_mixed() -> None:
    lanes = Lanes()
    needs, other = Requirements(processors=64), Requirements(machine="arm")
    kinds = [(None, 0), (needs, 0), (needs, 0), (needs, LARGE_BYTES), (needs, 0)]
    kinds += [(None, LARGE_BYTES), (None, 0), (other, 0), (Requirements(processors=64), 0)]
    tasks = [make_task(number, requires=needed) for number, (needed, _) in enumerate(kinds, 1)]
    for task, (_, raw_bytes) in zip(tasks, kinds, strict=True):
        task.raw_bytes = raw_bytes
    lanes.add(tasks)
    waiting = [[task.id for task in lane] for lane in lanes.lanes]
    assert waiting == [[1, 7], [2, 3, 5, 9], [4], [6], [8]]
    assert all(task.lane is lane for lane in lanes.lanes for task in lane)


def test_husks_do_not_pile_up() -> None:
    lanes = Lanes()
    tasks = [make_task(number) for number in range(1, 10_001)]
    lanes.add(tasks)
    for task in tasks[1:]:
        lanes.discard(task)
    assert len(only(lanes)._fresh) < 2000
    assert [task.id for task in lanes] == [1]
