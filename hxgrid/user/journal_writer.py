"""The thread of a journal: writes what has come, in batches, and reads what is asked for.

The loop only ever puts something into its queue. What waits there is bounded: if the disk does not
keep up, further results are left out of the journal (they would run again), which is said once.
After a kill of the program nothing is lost that was handed to the system; against a crash of the
computer what was written is put on the disk at least every `SYNC_EVERY_S`, and at the end.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from hxgrid.errors import RemoteProtocolError
from hxgrid.logs import get_logger
from hxgrid.modules.calls import Status, unpack_outcomes
from hxgrid.streams.compression import unpack
from hxgrid.user import journal_format as fmt
from hxgrid.user.journal_file import JournalFile
from hxgrid.user.journal_format import Kind
from hxgrid.user.journal_index import Place
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag

SYNC_EVERY_S: Final = 2.0
PENDING_BYTES: Final = 256 * 1024 * 1024
"""Results in memory that wait to be written; large ones come from files when memory is short."""
BATCH_BYTES: Final = 1 << 20
USED_AT_ONCE: Final = 1000
"""Only compaction asks which results were used: what a killed program did not write is no loss."""

_COMPRESSED: Final = int(AttemptFlag.COMPRESSED)

_log = get_logger("user")


class Entry(NamedTuple):
    """A result to be written."""

    key: bytes | tuple[bytes | None, ...]
    """Of a batch of calls, one for each that is kept: its outcome is an entry of its own."""
    payload: Any
    flags: int
    raw_bytes: int
    node: int


class JournalWriter:
    """Does everything with the file that may wait for the disk."""

    def __init__(self, file: JournalFile, name: str) -> None:
        self._file = file
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_started = False
        self._used: deque[bytes] = deque()
        self._lock = threading.Lock()  # guards the two below
        self._pending_bytes = 0
        self.left_out = 0
        """Results that were not written because too many waited."""

    def start(self) -> None:
        """Begin."""
        self._is_started = True
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what waits, and end; False if it takes longer than that."""
        if not self._is_started:
            return True
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -- from any thread

    def put(self, work: Callable[[], None]) -> None:
        """Have this done after what was put before it. Never waits."""
        self._queue.put(work)

    def write(self, entries: Sequence[Entry]) -> None:
        """Have results written. Never waits."""
        with self._lock:
            accepted = []
            for entry in entries:
                size = _held_bytes(entry.payload)
                if self._pending_bytes and self._pending_bytes + size > PENDING_BYTES:
                    self.left_out += 1
                    continue
                self._pending_bytes += size
                accepted.append(entry)
            is_first = 0 < self.left_out <= len(entries) - len(accepted)
        if is_first:
            _log.warning(
                "the disk of the journal does not keep up: results are left out of it",
                journal=self._file.path,
            )
        if accepted:
            self._queue.put(lambda: self._write(accepted))

    def write_record(self, record: bytes) -> None:
        """Have a record written that nobody looks for."""
        self._queue.put(lambda: self._append_record(record))

    def note_used(self, key: bytes) -> None:
        """Have it noted, sooner or later, that a result was used again."""
        used = self._used
        used.append(key)
        if len(used) == USED_AT_ONCE:
            self._queue.put(self._write_used)

    # -- on the thread

    def _run(self) -> None:
        sync_at: float | None = None
        while True:
            try:
                left_s = None if sync_at is None else max(sync_at - time.monotonic(), 0.0)
                work = self._queue.get(timeout=left_s)
            except Empty:
                self._file.sync()
                sync_at = None
                continue
            if work is None:
                self._write_used()
                self._file.sync()
                return
            before = self._file.size_bytes
            try:
                work()
            except Exception:  # noqa: BLE001 - a fault of ours; what follows may go well
                _log.exception("work on the journal failed")
            now = time.monotonic()
            if sync_at is None and self._file.size_bytes != before:
                sync_at = now + SYNC_EVERY_S
            elif sync_at is not None and now >= sync_at:
                self._file.sync()
                sync_at = None

    def _write_used(self) -> None:
        keys: list[bytes] = []
        while self._used:
            keys.append(self._used.popleft())
        if keys:
            self._file.append([fmt.pack_record(Kind.USED, b"".join(keys))])

    def _append_record(self, record: bytes) -> None:
        self._file.append([record])

    def _write(self, entries: Sequence[Entry]) -> None:
        batch: list[tuple[bytes, Entry]] = []
        size = 0
        for entry in entries:
            batch += _single(entry)
            size += len(entry.payload)
            if size >= BATCH_BYTES:
                self._write_batch(batch)
                batch, size = [], 0
        if batch:
            self._write_batch(batch)
        with self._lock:
            self._pending_bytes -= sum(_held_bytes(entry.payload) for entry in entries)

    def _write_batch(self, entries: Sequence[tuple[bytes, Entry]]) -> None:
        pieces: list[Any] = []
        sizes: list[int] = []
        for key, entry in entries:
            payload = entry.payload
            head = fmt.pack_head(
                Kind.RESULT,
                len(payload),
                flags=entry.flags,
                node=entry.node,
                raw_bytes=entry.raw_bytes,
                key=key,
            )
            pieces += (head, payload, fmt.body_crc(head, _cut(payload)))
            sizes.append(fmt.HEAD_BYTES + len(payload) + fmt.TAIL_BYTES)
        if all(size <= fmt.PIECE_BYTES for size in sizes):
            pieces = [b"".join(pieces)]
        at = self._file.append(pieces)
        if at is None:
            return
        index = self._file.index
        for (key, entry), size in zip(entries, sizes, strict=True):
            index.places[key] = Place(at, entry.node, index.run, size)
            at += size


def _single(entry: Entry) -> list[tuple[bytes, Entry]]:
    """Return what is written of an entry: itself, or the values among the outcomes of a batch.

    An exception of a call is no result that anybody wants again: it may be gone the next time.
    """
    keys, payload = entry.key, entry.payload
    if isinstance(keys, bytes):
        return [(keys, entry)]
    if entry.flags & _COMPRESSED:
        payload = unpack(payload, entry.raw_bytes, MAX_PAYLOAD_BYTES)
    try:
        outcomes = unpack_outcomes(payload, len(keys))
    except RemoteProtocolError:
        return []  # whoever reads the result is told
    return [
        (key, Entry(key, pickled, 0, len(pickled), entry.node))
        for key, (status, pickled) in zip(keys, outcomes, strict=True)
        if key is not None and status == Status.VALUE
    ]


def _cut(payload: Any) -> Sequence[Any]:
    view = memoryview(payload)
    return [view[i : i + fmt.PIECE_BYTES] for i in range(0, len(view), fmt.PIECE_BYTES)]


def _held_bytes(payload: Any) -> int:
    """Return what a payload holds in memory; a mapped file holds nothing."""
    is_mapped = isinstance(payload, memoryview) and isinstance(payload.obj, mmap.mmap)
    return 0 if is_mapped else len(payload)
