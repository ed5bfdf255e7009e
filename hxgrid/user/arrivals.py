"""Results of one agent as they arrive: small ones at once, large ones when their last chunk is in.

The core hears of a large result only when it is whole. Until then it is kept here, and the agent
keeps it too, because nothing is acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.errors import StoreError
from hxgrid.logs import get_logger
from hxgrid.transport.flow import Finished, Inbox
from hxgrid.user.results import ResultBuffer, ResultFile, ResultMemory
from hxgrid.wire.batches import Chunk, Key, ResultRecord
from hxgrid.wire.documents import pack_reason
from hxgrid.wire.messages import AttemptFlag, ChunkOf, Outcome, Reason

_CHUNKED: Final = int(AttemptFlag.CHUNKED)
_RESULT: Final = int(ChunkOf.RESULT)

_log: Final = get_logger("user")


class Arrivals:
    """Puts the large results of one connection together."""

    def __init__(self, memory: ResultMemory) -> None:
        self._memory = memory
        self._inbox = Inbox()
        self._partial: dict[Key, ResultRecord] = {}

    def whole(self, records: list[ResultRecord]) -> Sequence[ResultRecord]:
        """Return those records whose payload is there, and begin to wait for the others'."""
        for record in records:
            if record.flags & _CHUNKED:
                return self._sort(records)
        return records

    def take(self, chunk: Chunk) -> ResultRecord | None:
        """Take a chunk; returns the record of a result that it has completed."""
        try:
            finished = self._inbox.take(chunk)
            return None if finished is None else self._finish(finished)
        except StoreError as error:
            return self._fail((chunk.id, chunk.attempt), error)

    def credit_due(self) -> int | None:
        """Return what to put into a CREDIT now, or None."""
        return self._inbox.credit_due()

    def abandon(self, key: Key) -> ResultRecord | None:
        """Want this result no more; returns its record as that of a cancelled attempt."""
        record = self._partial.pop(key, None)
        if record is None:
            return None
        self._inbox.cancel(_RESULT, *key)
        return _without_payload(record, Outcome.CANCELLED)

    def _sort(self, records: Sequence[ResultRecord]) -> list[ResultRecord]:
        there = []
        for record in records:
            if not record.flags & _CHUNKED:
                there.append(record)
                continue
            failed = self._begin(record)
            if failed is not None:
                there.append(failed)
        return there

    def _begin(self, record: ResultRecord) -> ResultRecord | None:
        key = (record.task, record.attempt)
        try:
            into = self._memory.place(record.stored_bytes)
        except StoreError as error:
            return _failed(record, error)
        self._partial[key] = record
        self._inbox.expect(_RESULT, *key, record.stored_bytes, into)
        return None

    def _finish(self, finished: Finished) -> ResultRecord | None:
        record = self._partial.pop((finished.id, finished.attempt), None)
        into = finished.into
        if record is None or not isinstance(into, ResultBuffer | ResultFile):
            return None
        try:
            payload = into.payload()
        except StoreError as error:
            return _failed(record, error)
        return record._replace(flags=record.flags & ~_CHUNKED, payload=payload)

    def _fail(self, key: Key, error: StoreError) -> ResultRecord | None:
        self._inbox.cancel(_RESULT, *key)
        record = self._partial.pop(key, None)
        return None if record is None else _failed(record, error)


def _failed(record: ResultRecord, error: StoreError) -> ResultRecord:
    _log.warning("result lost on its way", task=record.task, reason=error)
    reason = Reason(text=f"the result of {record.stored_bytes} bytes could not be kept: {error}")
    return _without_payload(record, Outcome.FAILED)._replace(payload=pack_reason(reason))


def _without_payload(record: ResultRecord, outcome: Outcome) -> ResultRecord:
    return record._replace(outcome=int(outcome), flags=0, stored_bytes=0, raw_bytes=0, payload=b"")
