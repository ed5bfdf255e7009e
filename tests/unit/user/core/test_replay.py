"""Tasks whose result may be known from an earlier run."""

from __future__ import annotations

from hxgrid.user.core.actions import Action, CompleteTasks, DropTasks, SendAttempts
from hxgrid.user.core.events import LookupsEnded, TasksCancelled, TasksFinalized, TasksHeld
from hxgrid.wire.batches import ResultRecord
from tests.unit.user.core.stage import A, Stage, make_task


def _hold(stage: Stage, *numbers: int) -> list[Action]:
    tasks = [make_task(number) for number in numbers]
    stage.tasks.update({task.id: task for task in tasks})
    return stage.tell(TasksHeld(tasks))


def _result(number: int) -> ResultRecord:
    return ResultRecord(number, 1, 0, 0, 0, 3, 3, 0.0, 0.0, b"out")


def _sent(actions: list[Action]) -> list[int]:
    return [task.id for one in actions if isinstance(one, SendAttempts) for task, _ in one.attempts]


def test_a_task_is_not_sent_while_its_result_is_looked_for() -> None:
    stage = Stage(2)

    assert _sent(_hold(stage, 1, 2)) == []
    assert "looked for in the journal" in stage.dispatcher.why(1, stage.now)
    assert stage.dispatcher.counts.unfinished == 2


def test_what_was_found_completes_without_an_agent_and_the_rest_runs() -> None:
    stage = Stage(4)
    _hold(stage, 1, 2, 3)

    actions = stage.tell(LookupsEnded([_result(2)], [1, 3]))

    [completed] = [one for one in actions if isinstance(one, CompleteTasks)]
    assert [(task.id, record.payload) for task, record in completed.completions] == [(2, b"out")]
    assert [each.outcome for each in stage.tasks[2].attempts] == ["REPLAYED"]
    assert _sent(actions) == [1, 3]
    stage.tell(TasksFinalized([2]))
    assert stage.dispatcher.counts.done == 1


def test_what_was_not_found_takes_its_old_place_in_the_queue() -> None:
    stage = Stage()
    _hold(stage, 1)
    stage.submit(3)  # 2 to 4
    stage.tell(LookupsEnded([], [1]))

    assert _sent(stage.join(A, slots=4)) == [1, 2, 3, 4]


def test_a_task_that_is_cancelled_meanwhile_stays_cancelled() -> None:
    stage = Stage(1)
    _hold(stage, 1, 2)

    actions = stage.tell(TasksCancelled([1, 2]))

    assert any(isinstance(one, DropTasks) for one in actions)
    assert stage.tell(LookupsEnded([_result(1)], [2])) == []
    assert stage.dispatcher.counts.unfinished == 0
