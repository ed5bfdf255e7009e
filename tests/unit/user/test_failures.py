"""How a task that ended badly is told."""

from __future__ import annotations

from hxgrid.errors import ModuleError, TaskCancelled, TaskFailed
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState
from hxgrid.user.failures import AgentNames, error_of, merge
from hxgrid.wire.messages import Reason

AGENT = "a" * 32


def _record(*outcomes: tuple[str, object], state: TaskState = TaskState.FAILED) -> TaskRecord:
    record = TaskRecord(5, 1, b"", stored_bytes=0, raw_bytes=0)
    record.state = state
    for number, (outcome, reason) in enumerate(outcomes, 1):
        attempt = Attempt(number, AGENT, 0.0, False)
        attempt.state = AttemptState.ENDED
        attempt.outcome, attempt.reason, attempt.slot = outcome, reason, 2
        attempt.started_at, attempt.ended_at = 110.0, 111.5
        record.attempts = [*record.attempts, attempt]
    return record


def _names() -> AgentNames:
    names = AgentNames()
    names.set_name(AGENT, "pc7")
    names.set_clock_offset(AGENT, 100.0)
    return names


def test_the_history_is_told_in_names_and_on_our_clock() -> None:
    error = error_of(_record(("FAILED", Reason(text="odd")), ("lost", "silent")), _names())
    assert isinstance(error, TaskFailed)
    first, second = error.attempts
    assert (first.agent, first.slot, first.started, first.ended) == ("pc7", 2, 10.0, 11.5)
    assert (first.outcome, first.reason) == ("failed", "odd")
    assert (second.outcome, second.reason) == ("lost", "silent")
    assert error.task_id == 5


def test_a_cancelled_task_says_so() -> None:
    error = error_of(_record(state=TaskState.CANCELLED), _names())
    assert isinstance(error, TaskCancelled)
    assert "task 5" in str(error)


def test_an_unusable_function_is_a_module_error_at_heart() -> None:
    error = error_of(_record(("UNUSABLE", Reason(text="no module numpy"))), _names())
    assert isinstance(error.__cause__, ModuleError)
    assert "numpy" in str(error.__cause__)


def test_several_failures_become_one_error_with_all_of_them() -> None:
    failures = [error_of(_record(("FAILED", Reason(text=text))), _names()) for text in "ab"]
    error = merge(failures, [ValueError("in finalize")])
    assert isinstance(error, TaskFailed)
    assert len(error.failures.exceptions) == 2
    assert any("in finalize" in note for note in error.__notes__)


def test_errors_of_callbacks_alone_are_raised_as_they_are() -> None:
    first, second = ValueError("one"), KeyError("two")
    error = merge([], [first, second])
    assert error is first
    assert any("two" in note for note in error.__notes__)


def test_an_agent_without_a_name_is_told_by_its_boot_id() -> None:
    assert AgentNames().name("0123456789abcdef" * 2) == "01234567"
