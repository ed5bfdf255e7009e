"""How attempts end: by result, cancel, recall, refusal or crash; and how they are forgotten.

Every attempt that came in gets exactly one result, kept until it is acknowledged. The awkward case
is a cancel that meets a large result on its way: its transfer stops and a CANCELLED record takes
the place of the one sent before, so that the user is not left waiting for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.messages import Outcome, Reason
from hxgrid_agent.core.actions import (
    CancelInProcess,
    DropInput,
    DropResult,
    SendResults,
    TakeBack,
)
from hxgrid_agent.core.attempt import Attempt, Phase, ended_without_output
from hxgrid_agent.core.events import AttemptsEnded, AttemptsReturned
from hxgrid_agent.core.process import SlotProcess
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.table import Table

_NEW_WEIGHT: Final = 0.2
"""Part of the newest measurement in a function's average: the last dozen calls decide."""

_MOST_SURPRISE: Final = 4.0
"""A call counts for at most so many times the average: task processes run at idle priority, and one
that had to stand aside for a moment says nothing about its function."""

_CLOCK_S: Final = 1e-5
"""So that an average of nothing, by a coarse clock, can grow."""

_SAID_NO: Final = (Outcome.FAILED, Outcome.CRASHED)
_new: Final = tuple.__new__  # without the layer of Python that named tuples have


class Endings:
    """Ends attempts and forgets them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def from_process(
        self, event: AttemptsEnded, process: SlotProcess, session: Session, now: float
    ) -> None:
        """Take over what a process finished."""
        table = self._table
        handed = process.handed
        ended: list[Attempt] = []
        files = event.files
        weight, surprise = _NEW_WEIGHT, _MOST_SURPRISE
        result_bytes = 0
        for record in event.records:
            key = (record[0], record[1])
            attempt = handed.pop(key, None)
            if attempt is None:
                table.dropped += 1
                continue
            function = attempt.function
            took_s = record[8] - record[7]
            assert function is not None
            average_s = function.average_s
            if average_s is None:
                function.average_s = took_s
            else:
                took_s = min(took_s, surprise * average_s + _CLOCK_S)
                function.average_s = average_s + weight * (took_s - average_s)
            if attempt.is_cancelled and record[2] in _SAID_NO:
                record = _as_cancelled(record)  # noqa: PLW2901  it stopped because it was asked to
            if files or attempt.file:
                table.book_result(session, attempt, record, files.get(key, ""))
            else:
                attempt.phase = Phase.ENDED
                attempt.process = None
                attempt.kill_at = None
                attempt.result = record
                result_bytes += record[5]
            ended.append(attempt)
        session.result_bytes += result_bytes
        table.result_bytes += result_bytes
        process.head_since = process.heard_at = now
        process.take_back_asked = False
        if session.is_ending:
            self.forget(session, [attempt.key for attempt in ended])
        elif ended:
            table.out.append(_new(SendResults, (session, ended)))

    def returned(self, event: AttemptsReturned, process: SlotProcess, session: Session) -> None:
        """Take attempts back that a process has not started."""
        process.take_back_asked = False
        for key in reversed(event.keys):  # each goes to the front: the first must come last
            attempt = process.handed.pop(key, None)
            if attempt is not None:
                self.give_back(session, attempt)

    def give_back(self, session: Session, attempt: Attempt) -> None:
        """Put an unstarted attempt to the front of the queue, or end it if that was asked for."""
        attempt.process = None
        attempt.kill_at = None
        if attempt.is_cancelled:
            self._end_unstarted(session, attempt, Outcome.CANCELLED)
        elif attempt.is_recalled or self._table.is_frozen or self._table.is_draining:
            self._end_unstarted(session, attempt, Outcome.NOT_STARTED)
        elif not session.is_ending:
            self._table.enqueue(session, attempt, first=True)
        else:
            session.attempts.pop(attempt.key, None)

    def broken(
        self,
        session: Session,
        attempt: Attempt,
        outcome: Outcome,
        reason: Reason,
        *,
        slot: int,
        began: float,
    ) -> None:
        """End an attempt whose process is gone."""
        attempt.process = None
        if session.is_ending:
            self._drop_input(session, attempt)
            session.attempts.pop(attempt.key, None)
            return
        if attempt.is_cancelled:
            record = ended_without_output(attempt.key, Outcome.CANCELLED, None, slot, began)
        else:
            record = ended_without_output(attempt.key, outcome, reason, slot, began)
        self._table.end(session, attempt, record)

    def cancel(self, session: Session, keys: Sequence[Key], now: float) -> None:
        """Stop these, wherever they stand."""
        by_process: dict[int, list[Key]] = {}
        for key in keys:
            attempt = session.attempts.get(key)
            if attempt is None:
                continue
            if attempt.phase is Phase.HANDED:
                assert attempt.process is not None
                attempt.is_cancelled = True
                attempt.kill_at = now + session.hello.cancel_grace_s
                by_process.setdefault(attempt.process, []).append(key)
            elif attempt.phase is not Phase.ENDED:
                self._end_unstarted(session, attempt, Outcome.CANCELLED)
            elif attempt.file:
                self._stop_sending(session, attempt)
        for number, stopped in by_process.items():
            process = session.processes[number]
            self._table.out.append(CancelInProcess(process, stopped))
            running = process.runners()
            waiting = [key for key in stopped if process.handed[key] not in running]
            if waiting:
                self._table.out.append(TakeBack(process, waiting))

    def recall(self, session: Session, keys: Sequence[Key]) -> None:
        """Give these back to the user if they have not started; say nothing of the others."""
        behind: dict[int, list[Key]] = {}
        for key in keys:
            attempt = session.attempts.get(key)
            if attempt is None or attempt.phase is Phase.ENDED:
                continue
            number = attempt.process
            if number is None:
                self._end_unstarted(session, attempt, Outcome.NOT_STARTED)
            elif attempt not in session.processes[number].runners():
                attempt.is_recalled = True
                behind.setdefault(number, []).append(key)
        for number, waiting in behind.items():
            self._table.out.append(TakeBack(session.processes[number], waiting))

    def give_back_waiting(self, session: Session) -> None:
        """Give everything back that has not begun: the agent freezes, drains or leaves."""
        for attempt in list(session.attempts.values()):
            if attempt.phase < Phase.HANDED:
                self._end_unstarted(session, attempt, Outcome.NOT_STARTED)

    def acknowledge(self, session: Session, keys: Sequence[Key]) -> None:
        """Forget results that the user has."""
        attempts = session.attempts
        freed = 0
        for key in keys:
            attempt = attempts.get(key)
            if attempt is None or attempt.result is None:
                continue
            del attempts[key]
            freed += attempt.result[5]
            if attempt.file:
                self._table.filed_bytes -= attempt.result[5]
                self._table.out.append(DropResult(session, key, attempt.file))
        session.result_bytes -= freed
        self._table.result_bytes -= freed

    def forget(self, session: Session, keys: Sequence[Key]) -> None:
        """Forget ended attempts without an acknowledgement: nobody wants them."""
        self.acknowledge(session, keys)

    def abandon(self, session: Session) -> None:
        """Forget everything of an ending session that no process has."""
        ended = []
        for attempt in list(session.attempts.values()):
            if attempt.phase is Phase.ENDED:
                ended.append(attempt.key)
            elif attempt.phase is not Phase.HANDED:
                self._table.leave_queue(session, attempt)
                self._drop_input(session, attempt)
                del session.attempts[attempt.key]
        self.forget(session, ended)
        session.queue.clear()

    def _end_unstarted(self, session: Session, attempt: Attempt, outcome: Outcome) -> None:
        self._table.end(session, attempt, ended_without_output(attempt.key, outcome, None))

    def _stop_sending(self, session: Session, attempt: Attempt) -> None:
        assert attempt.result is not None
        freed = attempt.result.stored_bytes
        session.result_bytes -= freed
        self._table.result_bytes -= freed
        self._table.filed_bytes -= freed
        self._table.out.append(DropResult(session, attempt.key, attempt.file))
        attempt.result = _as_cancelled(attempt.result)
        attempt.file = ""
        self._table.out.append(SendResults(session, (attempt,)))

    def _drop_input(self, session: Session, attempt: Attempt) -> None:
        if attempt.file or attempt.phase is Phase.RECEIVING:
            self._table.out.append(DropInput(session, attempt))


def _as_cancelled(record: ResultRecord) -> ResultRecord:
    """Keep where and when it ran; what it returned is not wanted."""
    return record._replace(
        outcome=Outcome.CANCELLED, flags=0, stored_bytes=0, raw_bytes=0, payload=b""
    )
