from __future__ import annotations

import pickle

import pytest

from hxgrid import errors
from hxgrid.errors import AttemptRecord, HxGridError, NoGridFound, TaskFailed


def make_failure(task_id: int = 7) -> TaskFailed:
    return TaskFailed(
        f"task {task_id} failed",
        where="agent pc7",
        why="ValueError: no",
        advice="Mend it.",
        task_id=task_id,
        attempts=[AttemptRecord("pc7", 0, 1.0, 2.0, "failed", "ValueError: no")],
        remote_traceback="Traceback ...\nValueError: no\n",
        output="hello\n",
    )


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_survives_pickling(name: str) -> None:
    kind = getattr(errors, name)
    if not issubclass(kind, BaseException):
        return
    error = kind("what", where="where", why="why", advice="advice")
    error.extra = 5
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.extra, vars(copy)) == (str(error), 5, vars(error))


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_drawn_tree(name: str) -> None:
    assert errors.__doc__ is not None
    assert name == "AttemptRecord" or f" {name}" in errors.__doc__


def test_a_text_says_what_where_why_and_what_to_do() -> None:
    error = HxGridError("task 3 failed", where="agent pc7", why="disk full", advice="Free some.")
    assert str(error) == "task 3 failed (agent pc7): disk full. Free some."
    assert error.headline == "task 3 failed (agent pc7): disk full"


def test_parts_that_are_missing_leave_no_trace() -> None:
    assert str(HxGridError("broken")) == "broken"
    assert str(HxGridError("broken", why="rust.", advice="Oil it.")) == "broken: rust. Oil it."


def test_a_failed_search_says_what_was_tried() -> None:
    error = NoGridFound(advice="Try connect('local').", tried=["broadcast", "pc7:4100"])
    assert str(error) == ("no grid found (tried: broadcast; pc7:4100). Try connect('local').")
    assert error.exit_status == 3


def test_a_failure_shows_its_history_its_traceback_and_its_output() -> None:
    assert str(make_failure()).splitlines() == [
        "task 7 failed (agent pc7): ValueError: no. Mend it.",
        "  attempt 1: failed on pc7 slot 0 (ValueError: no)",
        "--- traceback of the task ---",
        "Traceback ...",
        "ValueError: no",
        "--- output of the task ---",
        "hello",
    ]


def test_one_failure_stands_for_itself() -> None:
    failure = make_failure()
    assert failure.failures.exceptions == (failure,)


def test_several_failures_are_raised_as_one_that_holds_them_all() -> None:
    first, second = make_failure(7), make_failure(8)
    both = TaskFailed.from_failures([first, second])
    assert both.failures.exceptions == (first, second)
    assert both.headline == "2 tasks failed; the first: task 7 failed (agent pc7): ValueError: no"
    assert both.task_id == 7
    assert len(pickle.loads(pickle.dumps(both)).failures.exceptions) == 2
