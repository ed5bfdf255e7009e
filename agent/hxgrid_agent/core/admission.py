"""Admission: what the agent accepts, and the reasons for which it refuses.

A refusal is a result like every other: it is kept until the user acknowledges it. Only a user who
goes on sending far beyond the limits gets refusals that are not kept, because its own books are of
no concern to us any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.wire.batches import AttemptRecord, Key
from hxgrid.wire.messages import AttemptFlag, Outcome
from hxgrid_agent.core.actions import DropInput, ExpectInput, SendResults
from hxgrid_agent.core.attempt import (
    Attempt,
    Function,
    FunctionState,
    Phase,
    ended_without_output,
)
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import MAX_SESSION_ATTEMPTS
from hxgrid_agent.core.table import Table

_CHUNKED: Final = int(AttemptFlag.CHUNKED)
_READY: Final = FunctionState.READY


class Admission:
    """Takes attempts in, or refuses them with a reason."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def receive(self, session: Session, records: Sequence[AttemptRecord]) -> None:
        """Take a batch in. An attempt that is here already is ignored: it was sent twice."""
        table = self._table
        closed = self._closed_because()
        attempts = session.attempts
        room = min(
            table.settings.max_waiting_attempts - table.waiting,
            MAX_SESSION_ATTEMPTS - len(attempts),
        )
        functions = session.functions
        append = session.queue.append
        function: Function | None = None
        queued = 0
        for record in records:
            key = (record[0], record[1])
            if key in attempts:
                table.dropped += 1
                continue
            if function is None or function.id != record[3]:
                function = functions.get(record[3])
            if closed or queued >= room or function is None or function.state is not _READY:
                self._receive_other(session, key, record, function, closed, room - queued)
            elif record[2] & _CHUNKED:
                self._receive_large(session, Attempt(key, record, function))
            else:
                attempt = attempts[key] = Attempt(key, record, function)
                append(attempt)
                queued += 1
        if queued:
            session.queued += queued
            table.waiting += queued
            table.hungry[session.handle] = session

    def input_arrived(self, session: Session, key: Key, path: str) -> None:
        """Go on with an attempt whose large input is here."""
        attempt = session.attempts.get(key)
        if attempt is None or attempt.phase is not Phase.RECEIVING:
            return
        attempt.file = path
        assert attempt.function is not None
        self._table.waiting -= 1
        self._place(session, attempt, attempt.function)

    def input_failed(self, session: Session, key: Key, text: str) -> None:
        """Refuse an attempt whose input cannot be taken in."""
        attempt = session.attempts.get(key)
        if attempt is not None and attempt.phase is Phase.RECEIVING:
            self._table.end(session, attempt, ended_without_output(key, Outcome.REFUSED, text))

    def function_settled(self, session: Session, function: Function) -> None:
        """Queue the attempts that waited for a function, or end them if it cannot be had."""
        pending, function.pending = function.pending, []
        for attempt in pending:
            if attempt.phase is Phase.LACKING:
                self._table.waiting -= 1
                self._place(session, attempt, function)

    def _closed_because(self) -> str:
        table = self._table
        settings = table.settings
        if table.is_leaving:
            return f"agent {settings.name} is ending"
        if table.is_draining or table.is_frozen:
            return f"agent {settings.name} takes no tasks: {table.reason}"
        if table.sample.free_memory_bytes < settings.memory_reserve_bytes:
            free_mib = table.sample.free_memory_bytes >> 20
            return f"agent {settings.name} has only {free_mib} MiB of memory left"
        if table.is_full_of_results:
            return f"agent {settings.name} holds {table.result_bytes} bytes of results, its limit"
        return ""

    def _receive_other(
        self,
        session: Session,
        key: Key,
        record: AttemptRecord,
        function: Function | None,
        closed: str,
        room: int,
    ) -> None:
        """Take in what is not simply queued."""
        attempt = Attempt(key, record, function)
        if function is None and not closed:
            closed = f"function {record.function} was not offered to this agent"
        elif room <= 0 and not closed:
            limit = min(self._table.settings.max_waiting_attempts, MAX_SESSION_ATTEMPTS)
            closed = f"agent {self._table.settings.name} holds {limit} attempts, its limit"
        if closed or function is None:
            self._refuse(session, attempt, closed)
        elif record.flags & _CHUNKED:
            self._receive_large(session, attempt)
        else:
            session.attempts[key] = attempt
            self._place(session, attempt, function)

    def _receive_large(self, session: Session, attempt: Attempt) -> None:
        record = attempt.record
        sample = self._table.sample
        if sample.free_memory_bytes - self._table.settings.memory_reserve_bytes < record.raw_bytes:
            text = f"an input of {record.raw_bytes} bytes does not fit the memory that is free"
            self._refuse(session, attempt, f"agent {self._table.settings.name}: {text}")
            return
        session.attempts[attempt.key] = attempt
        attempt.phase = Phase.RECEIVING
        self._table.waiting += 1
        self._table.out.append(ExpectInput(session, attempt))

    def _place(self, session: Session, attempt: Attempt, function: Function) -> None:
        """Put an attempt with its input complete where the state of its function wants it."""
        match function.state:
            case FunctionState.READY:
                self._table.enqueue(session, attempt)
            case FunctionState.FETCHING:
                attempt.phase = Phase.LACKING
                function.pending.append(attempt)
                self._table.waiting += 1
            case FunctionState.REFUSED:
                self._end(session, attempt, Outcome.REFUSED, function.problem)
            case FunctionState.UNUSABLE:
                self._end(session, attempt, Outcome.UNUSABLE, function.problem)

    def _end(self, session: Session, attempt: Attempt, outcome: Outcome, text: str) -> None:
        record = ended_without_output(attempt.key, outcome, text)
        self._table.book_result(session, attempt, record, "")
        self._table.out.append(SendResults(session, (attempt,)))

    def _refuse(self, session: Session, attempt: Attempt, text: str) -> None:
        if len(session.attempts) < MAX_SESSION_ATTEMPTS:
            session.attempts[attempt.key] = attempt
            self._end(session, attempt, Outcome.REFUSED, text)
            return
        attempt.result = ended_without_output(attempt.key, Outcome.REFUSED, text)
        if attempt.record.flags & _CHUNKED:
            self._table.out.append(DropInput(session, attempt))
        self._table.out.append(SendResults(session, (attempt,)))
