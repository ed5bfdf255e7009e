"""`map` over the grid: lazy on both ends, in pieces whose size follows what was measured.

Only a window of pieces is under way; a piece is made when the iterator is asked and there is room.
With `chunksize="auto"` a piece begins with one call and grows, at most fourfold from one to the
next, until it takes about `PIECE_S` of a slot's time, so that short calls do not drown in what
each task costs and long ones still spread over all slots. A piece is also bounded in bytes.

Everything happens in the thread that iterates, except that the loop's thread reports the ends.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from hxgrid.errors import TaskError
from hxgrid.modules.calls import Call, open_outcome, pack_calls
from hxgrid.user.batches import MapBatch
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.journal_calls import CallJournal
from hxgrid.user.waiting import deadline_after, wait_until_true

PIECE_S = 0.05
"""A fiftieth of a second is long against the cost of a task (some microseconds) and short against
the patience of whoever watches a progress bar or waits for the last piece."""
LARGEST_PIECE = 4096
LARGEST_PIECE_BYTES = 1 << 20
GROWTH = 4
PIECES_PER_SLOT = 4
"""Under way per slot: one runs, one waits at the agent, two are on the way there or back."""
FEWEST_PIECES = 16


class Submitter(Protocol):
    """What a map needs of its session."""

    call_journal: CallJournal | None
    """Finds calls in the journal, if there is one."""

    def submit_calls(
        self,
        function: Callable[..., Any],
        packed: tuple[bytes, frozenset[str]],
        front: Any,
        *,
        idempotent: bool,
        keys: tuple[bytes | None, ...] | None = None,
    ) -> TaskRecord:
        """Accept a batch of calls as one task; never blocks."""

    def slot_count(self) -> int:
        """Slots of the agents connected now."""

    def cancel(self, task_ids: list[int]) -> None:
        """Ask for these tasks to be dropped."""

    def error_of(self, record: TaskRecord) -> TaskError:
        """The error of a task that ended badly."""


class Progress(Protocol):
    """The part of tqdm's interface that a map uses."""

    def update(self, n: int) -> object:
        """Move on by so many."""

    def close(self) -> object:
        """End the display."""


class GridMap:
    """One `map` in progress. Iterate over it once."""

    def __init__(
        self,
        submitter: Submitter,
        function: Callable[..., Any],
        calls: Iterable[Call],
        *,
        ordered: bool = True,
        chunksize: int | None = None,
        buffersize: int | None = None,
        idempotent: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
        journal_key: str | None = None,
    ) -> None:
        self._submitter = submitter
        self._function = function
        self._calls = iter(calls)
        self._ordered = ordered
        self._is_auto = chunksize is None
        self._size = chunksize or 1
        self._buffersize = buffersize
        """Calls under way at most; None: by the number of slots."""
        self._idempotent = idempotent
        self._deadline = deadline_after(timeout)
        self._progress = progress
        self._journal_key = journal_key
        self._pieces: deque[MapBatch] = deque()
        """Under way or not yet taken, oldest first."""
        self._call_count = 0
        self._over: deque[MapBatch] = deque()
        """Ended and not yet taken, in the order of their ends; only if that order is wanted."""
        self._changed = threading.Condition()
        self._is_exhausted = False

    def submit_all(self) -> None:
        """Submit every call now, as `Executor.map` without a buffer size promises."""
        while self._submit_piece():
            pass

    def __iter__(self) -> Iterator[Any]:
        """Give the values; raises the exception of a call in its place and drops the rest."""
        try:
            while True:
                self._fill()
                if not self._pieces:
                    return
                yield from self._values(self._next_piece())
        finally:
            self._drop()

    def _fill(self) -> None:
        while not self._is_exhausted and self._has_room():
            self._submit_piece()

    def _has_room(self) -> bool:
        if self._buffersize is not None:
            return not self._pieces or self._call_count + self._size <= self._buffersize
        slots = self._submitter.slot_count()
        return len(self._pieces) < max(FEWEST_PIECES, PIECES_PER_SLOT * slots)

    def _submit_piece(self) -> bool:
        calls = list(itertools.islice(self._calls, self._size))
        if not calls:
            self._is_exhausted = True
            return False
        piece, keys = MapBatch(len(calls), self._tell), None
        journal = self._submitter.call_journal
        if journal is not None:
            recalled = journal.recall(self._function, calls, self._journal_key)
            piece.known, calls, keys = recalled.outcomes, recalled.missing, recalled.keys
        self._pieces.append(piece)
        self._call_count += piece.count
        if not calls:
            piece.end_known()
            return True
        packed = pack_calls(calls)
        self._bound_bytes(len(calls), len(packed[0]))
        piece.record = self._submitter.submit_calls(
            self._function, packed, piece, idempotent=self._idempotent, keys=keys
        )
        return True

    def _bound_bytes(self, count: int, packed_bytes: int) -> None:
        if self._is_auto and packed_bytes > LARGEST_PIECE_BYTES:
            self._size = max(1, count * LARGEST_PIECE_BYTES // packed_bytes)

    def _tell(self, piece: MapBatch) -> None:
        with self._changed:
            if not self._ordered:
                self._over.append(piece)
            self._changed.notify_all()

    def _next_piece(self) -> MapBatch:
        with self._changed:
            if not wait_until_true(self._changed, self._has_next, self._deadline):
                raise TimeoutError("a result of map did not arrive in time")
            if self._ordered:
                piece = self._pieces.popleft()
            else:
                piece = self._over.popleft()
                self._pieces.remove(piece)
        self._call_count -= piece.count
        self._learn(piece)
        return piece

    def _has_next(self) -> bool:
        return self._pieces[0].is_over if self._ordered else bool(self._over)

    def _learn(self, piece: MapBatch) -> None:
        if not self._is_auto or piece.result is None:
            return
        wanted = int(PIECE_S / max(piece.seconds_per_call, 1e-6))
        self._size = max(1, min(wanted, self._size * GROWTH, LARGEST_PIECE))
        self._bound_bytes(piece.count, piece.result.stored_bytes)

    def _values(self, piece: MapBatch) -> Iterator[Any]:
        if piece.result is None and piece.record is not None:
            raise self._submitter.error_of(piece.record)
        for outcome in piece.take_outcomes():
            value = open_outcome(outcome)
            if self._progress is not None:
                self._progress.update(1)
            yield value

    def _drop(self) -> None:
        left = [piece.record.id for piece in self._pieces if piece.record is not None]
        self._pieces.clear()
        self._is_exhausted = True
        if left:
            self._submitter.cancel(left)
        if self._progress is not None:
            self._progress.close()
