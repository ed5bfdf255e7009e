"""How a task that ended badly is told to the application: its history, and the error made of it."""

from __future__ import annotations

from collections.abc import Sequence

from hxgrid.errors import (
    AttemptRecord,
    ModuleError,
    SessionClosed,
    TaskCancelled,
    TaskError,
    TaskFailed,
)
from hxgrid.user.core.task import Attempt, TaskRecord, TaskState
from hxgrid.wire.messages import Outcome, Reason

_UNUSABLE = Outcome.UNUSABLE.name.lower()


class AgentNames:
    """Names instead of boot ids, our clock instead of theirs: agents as people see them.

    Written by the loop, read by everybody.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # by boot id
        self._offsets: dict[str, float] = {}  # their clock minus ours, by boot id

    def set_name(self, agent: str, name: str) -> None:
        """Note what people call an agent."""
        self._names[agent] = name

    def set_clock_offset(self, agent: str, offset_s: float) -> None:
        """Note how much an agent's clock is ahead of ours."""
        self._offsets[agent] = offset_s

    def name(self, agent: str) -> str:
        """Return what people call this agent; the start of its boot id if nobody has said."""
        return self._names.get(agent) or agent[:8]

    def on_our_clock(self, agent: str, moment: float) -> float | None:
        """Turn a moment of the agent's clock into one of ours; 0 means that it never came."""
        return moment - self._offsets.get(agent, 0.0) if moment else None


def session_closed() -> SessionClosed:
    """Return what every use of a closed session raises."""
    return SessionClosed("the session is closed", advice="Make a new one with hxgrid.connect().")


def history(attempts: Sequence[Attempt], names: AgentNames) -> tuple[AttemptRecord, ...]:
    """Return the attempts of a task as people see them."""
    return tuple(_line(attempt, names) for attempt in list(attempts))


def error_of(record: TaskRecord, names: AgentNames) -> TaskError:
    """Return the error that a failed or cancelled task raises from `result()`."""
    if record.state is TaskState.CANCELLED:
        return TaskCancelled(f"task {record.id} was cancelled", task_id=record.id)
    attempts = history(record.attempts, names)
    last = _last_failure(record)
    reason = _reason(last)
    failed = TaskFailed(
        f"task {record.id} failed",
        where=f"on {names.name(last.agent)}" if last is not None else "",
        why=_why(reason) or record.unfit_reason,
        task_id=record.id,
        attempts=attempts,
        remote_traceback=reason.traceback,
        output=reason.output,
    )
    if last is not None and last.outcome.lower() == _UNUSABLE:
        failed.__cause__ = ModuleError(reason.text, where=failed.where, task_id=record.id)
    return failed


def merge(failures: Sequence[TaskError], callback_errors: Sequence[BaseException]) -> BaseException:
    """Return the one error that tells of all these; at least one of the two must not be empty."""
    failed = [error for error in failures if isinstance(error, TaskFailed)]
    if not failed:
        first = callback_errors[0]
        _add_notes(first, callback_errors[1:])
        return first
    error = TaskFailed.from_failures(failed)
    if callback_errors:
        error.__context__ = callback_errors[0]
        _add_notes(error, callback_errors)
    return error


def _add_notes(error: BaseException, others: Sequence[BaseException]) -> None:
    for other in others:
        error.add_note(f"finalize also raised {type(other).__name__}: {other}")


def _line(attempt: Attempt, names: AgentNames) -> AttemptRecord:
    return AttemptRecord(
        agent=names.name(attempt.agent),
        slot=attempt.slot if attempt.slot >= 0 else None,
        started=names.on_our_clock(attempt.agent, attempt.started_at),
        ended=names.on_our_clock(attempt.agent, attempt.ended_at),
        outcome=attempt.outcome.lower() or attempt.state.value,
        reason=_why(_reason(attempt)),
    )


def _last_failure(record: TaskRecord) -> Attempt | None:
    """Return the last attempt that says why; else the last one."""
    for attempt in reversed(record.attempts):
        if attempt.reason is not None and _reason(attempt).text:
            return attempt
    return record.attempts[-1] if record.attempts else None


def _reason(attempt: Attempt | None) -> Reason:
    reason = None if attempt is None else attempt.reason
    if isinstance(reason, Reason):
        return reason
    return Reason(text=str(reason or ""))


def _why(reason: Reason) -> str:
    if reason.exception and reason.exception not in reason.text:
        return f"{reason.exception}: {reason.text}"
    return reason.text
