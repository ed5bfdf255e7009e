"""A batch of calls as one task: its front, for futures and for `map`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hxgrid.errors import HxGridError, TaskError
from hxgrid.modules.calls import Outcome, unpack_outcomes
from hxgrid.streams.compression import unpack
from hxgrid.user.core.task import TaskRecord, TaskState
from hxgrid.user.futures import CallFuture
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag

_COMPRESSED = int(AttemptFlag.COMPRESSED)


def read_outcomes(result: ResultRecord, expected: int) -> list[Outcome]:
    """Take a good result apart, without unpickling. Raises `RemoteProtocolError`."""
    payload: Any = result.payload
    if result.flags & _COMPRESSED:
        payload = unpack(payload, result.raw_bytes, MAX_PAYLOAD_BYTES)
    return unpack_outcomes(payload, expected)


class FutureBatch:
    """Ends the futures of a batch of calls."""

    __slots__ = ("_error_of", "_forget", "_futures", "_record", "_result")

    def __init__(
        self,
        futures: Sequence[CallFuture],
        error_of: Callable[[TaskRecord], TaskError],
        forget: Callable[[Sequence[CallFuture]], None],
    ) -> None:
        self._futures = futures
        self._error_of = error_of
        self._forget = forget
        """Told when they have ended."""
        self._record: TaskRecord | None = None
        self._result: ResultRecord | None = None

    def end(self, record: TaskRecord, result: ResultRecord | None) -> bool:
        """End them now, unless that takes long or runs code of the application."""
        self._record, self._result = record, result
        is_large = result is not None and bool(result.flags & _COMPRESSED)
        if is_large or any(future.must_be_called() for future in self._futures):
            return True
        self.call()
        return False

    def call(self) -> None:
        """End them."""
        record, result = self._record, self._result
        assert record is not None
        try:
            if record.state is TaskState.CANCELLED:
                for future in self._futures:
                    future.end_cancelled()
            elif result is None:
                self._end_badly(self._error_of(record))
            else:
                self._end_well(result)
        finally:
            self._forget(self._futures)
            self._futures, self._result = (), None

    def _end_well(self, result: ResultRecord) -> None:
        try:
            outcomes = read_outcomes(result, len(self._futures))
        except HxGridError as error:
            self._end_badly(error)
            return
        for future, outcome in zip(self._futures, outcomes, strict=True):
            future.end(outcome)

    def _end_badly(self, error: HxGridError) -> None:
        for future in self._futures:
            future.end_badly(error)


class MapBatch:
    """One piece of a `map`: keeps its end and tells the iterator."""

    __slots__ = ("_tell", "count", "is_over", "known", "record", "result")

    def __init__(self, count: int, tell: Callable[[MapBatch], None]) -> None:
        self.count = count
        """Calls in it."""
        self.known: Sequence[Outcome | None] = ()
        """By call, what the journal knows; empty: nothing of any."""
        self.is_over = False
        self.record: TaskRecord | None = None
        self.result: ResultRecord | None = None
        self._tell = tell

    def end(self, record: TaskRecord, result: ResultRecord | None) -> bool:
        """Keep the end; the iterator's own thread does the rest."""
        self.record, self.result = record, result
        self.is_over = True
        self._tell(self)
        return False

    def end_known(self) -> None:
        """End without a task: the journal knows all."""
        self.is_over = True
        self._tell(self)

    def call(self) -> None:
        """Do nothing: `end` never asks for it."""

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes of all calls in order, once. Raises `RemoteProtocolError`."""
        known, result = self.known, self.result
        self.known, self.result = (), None
        missing = self._ran_count(known)
        ran = iter(read_outcomes(result, missing) if result is not None else ())
        if not known:
            return list(ran)
        return [next(ran) if outcome is None else outcome for outcome in known]

    def _ran_count(self, known: Sequence[Outcome | None]) -> int:
        return sum(outcome is None for outcome in known) if known else self.count

    @property
    def seconds_per_call(self) -> float:
        """What a call took by the slot's own clock."""
        result = self.result
        if result is None:
            return 0.0
        return (result.ended_at - result.started_at) / self._ran_count(self.known)
