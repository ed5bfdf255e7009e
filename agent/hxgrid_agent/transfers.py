"""Large inputs and results: chunks in and out, by way of files in the session's folder.

An input is written to its file as its chunks come, and the process maps that file. A result lies in
a file that the process wrote; it is mapped here and sent from there without a copy. Chunks are
written, not stored into a mapping: a full disk is then an error and not a signal that kills the
agent. Files that have served are written again: see `spares`.

Each connection has its own `Outbox` and `Inbox`; what an old connection had under way begins anew
over the next one. Credit for blobs is held back while the disk lags behind the network.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hxgrid.errors import RemoteProtocolError
from hxgrid.logs import get_logger
from hxgrid.transport.flow import Finished, Inbox, Outbox
from hxgrid.wire.batches import Buffer, Chunk, Key, pack_chunk, pack_credit
from hxgrid.wire.messages import ChunkOf
from hxgrid_agent.blob_work import BlobWork
from hxgrid_agent.core.attempt import Attempt
from hxgrid_agent.core.events import BlobChunkReceived, Event, InputArrived, InputFailed
from hxgrid_agent.core.session import Session
from hxgrid_agent.execution import spares
from hxgrid_agent.peers import Peers
from hxgrid_agent.uploads import Uploading

if TYPE_CHECKING:
    from hxgrid.clock import Clock

_INPUT: Final = int(ChunkOf.INPUT)
_RESULT: Final = int(ChunkOf.RESULT)
_BLOB: Final = int(ChunkOf.BLOB)

MAX_MAPPED_RESULTS: Final = 64
"""Results of one connection that are on their way at once: each mapping holds a file handle, of
which there may be fewer than results."""

MAX_LAG_BYTES: Final = 12 * 1024 * 1024
"""Of blobs received and not yet on the disk; beyond it nobody gets credit for more."""


class InputFile:
    """The file of one large input while it arrives."""

    def __init__(self, handle: int, key: Key, path: Path, size_bytes: int) -> None:
        self.handle = handle
        self.key = key
        self.path = path
        self._descriptor = spares.open_to_write(str(path), size_bytes)
        self._written_bytes = 0

    def write(self, offset: int, data: Buffer) -> None:
        """Append a piece; they come in order. OSError if the disk is full."""
        del offset
        view = memoryview(data)
        while view.nbytes:
            written = os.write(self._descriptor, view)
            self._written_bytes += written
            view = view[written:]

    def close(self) -> None:
        """Finish the file. Twice is harmless."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            spares.finish(descriptor, self._written_bytes)

    def remove(self) -> None:
        """Forget the input."""
        with contextlib.suppress(OSError):
            self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


class _Line:
    """One session's connection."""

    __slots__ = ("inbox", "is_used", "mapped", "outbox", "results", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inbox = Inbox()
        self.outbox = Outbox()
        self.results: dict[Key, Attempt] = {}
        """Large ones that have not begun to leave, oldest first."""
        self.mapped: dict[Key, mmap.mmap] = {}
        """Files of some that have begun to leave and were not dropped yet."""
        self.is_used = False
        """Something came or is to leave; the connections of small tasks are passed over."""


class Transfers:
    """Moves large payloads. Belongs to the loop's thread."""

    def __init__(self, clock: Clock, on_event: Callable[[Event], None]) -> None:
        self._clock = clock
        self._on_event = on_event
        # All set by `connect`.
        self._peers: Peers
        self._blobs: BlobWork
        self._uploading: Uploading
        self._lines: dict[bytes, _Line] = {}
        self._inputs: dict[tuple[int, Key], InputFile] = {}
        self._is_held_up = False
        """A result could not be opened, and that was said."""
        self._log = get_logger("agent")

    def connect(self, peers: Peers, blobs: BlobWork, uploading: Uploading) -> None:
        """Say who sends, who writes blobs to the disk, and who serves neighbours."""
        self._peers = peers
        self._blobs = blobs
        self._uploading = uploading

    def open(self, session: Session) -> None:
        """Begin with a session's connection."""
        self._lines[session.peer] = _Line(session)

    def move(self, session: Session, old_peer: bytes) -> None:
        """Begin anew over a session's next connection; inputs on their way are void."""
        self._lines.pop(old_peer, None)
        self.open(session)
        for handle, key in list(self._inputs):
            if handle == session.handle:
                self._fail(handle, key, "the connection broke while its input was on its way")

    def close(self, session: Session) -> None:
        """Forget everything of a session; its folder goes as a whole."""
        line = self._line_of(session.peer)
        if line is not None and line.session is session:
            del self._lines[session.peer]
        for handle, key in list(self._inputs):
            if handle == session.handle:
                with contextlib.suppress(OSError):
                    self._inputs.pop((handle, key)).close()

    def _line_of(self, peer: bytes) -> _Line | None:
        """Return a connection to do something with it, which `flush` looks at."""
        line = self._lines.get(peer)
        if line is not None:
            line.is_used = True
        return line

    # -- inputs

    def expect_input(self, session: Session, attempt: Attempt, folder: Path) -> None:
        """Be ready for the chunks of a large input."""
        line = self._line_of(session.peer)
        task, number = key = attempt.key
        if line is None:
            return
        size = attempt.record.stored_bytes
        try:
            file = InputFile(session.handle, key, folder / f"input-{task}-{number}", size)
        except OSError as error:
            self._report_failure(session.handle, key, error)
            return
        self._inputs[session.handle, key] = file
        if size == 0:
            self._arrived(file)
        else:
            line.inbox.expect(_INPUT, task, number, size, file)

    def drop_input(self, session: Session, attempt: Attempt) -> None:
        """Forget a large input, whether it has arrived or not."""
        file = self._inputs.pop((session.handle, attempt.key), None)
        if file is not None:
            file.remove()
            line = self._line_of(session.peer)
            if line is not None:
                line.inbox.cancel(_INPUT, *attempt.key)

    def take(self, peer: bytes, chunk: Chunk) -> None:
        """Take in a chunk from a user; RemoteProtocolError if it is nonsense."""
        line = self._line_of(peer)
        if line is None:
            return
        if chunk.of == _BLOB:
            # The core knows what is expected; here it only counts for the credit.
            line.inbox.take(chunk)
            self._on_event(BlobChunkReceived(peer, chunk.id, chunk.offset, chunk.payload))
            return
        if chunk.of != _INPUT:
            raise RemoteProtocolError(f"CHUNK of kind {chunk.of} from a user")
        key = (chunk.id, chunk.attempt)
        try:
            finished = line.inbox.take(chunk)
        except OSError as error:
            line.inbox.cancel(_INPUT, *key)
            self._report_failure(line.session.handle, key, error)
        except RemoteProtocolError as error:
            self._fail(line.session.handle, key, str(error))
            raise
        else:
            if isinstance(finished, Finished) and isinstance(finished.into, InputFile):
                self._arrived(finished.into)

    def _arrived(self, file: InputFile) -> None:
        try:
            file.close()
        except OSError as error:
            self._report_failure(file.handle, file.key, error)
        else:
            self._on_event(InputArrived(file.handle, file.key, str(file.path)))

    def _report_failure(self, handle: int, key: Key, error: OSError) -> None:
        why = error.strerror or str(error)
        self._fail(handle, key, f"its input cannot be written to the agent's disk: {why}")

    def _fail(self, handle: int, key: Key, text: str) -> None:
        # The core drops the input in turn, if it was still on its way; what had arrived stays.
        self._on_event(InputFailed(handle, key, text))

    # -- results

    def send_results(self, session: Session, attempts: Sequence[Attempt]) -> None:
        """Send the files of these results, behind their records."""
        line = self._lines.get(session.peer)
        if line is None:
            return
        for attempt in attempts:
            result = attempt.result
            if attempt.file and result is not None and result.stored_bytes:
                line.results[attempt.key] = attempt
                line.is_used = True

    def drop_result(self, session: Session, key: Key, path: str) -> None:
        """Stop sending a result and remove its file."""
        line = self._line_of(session.peer)
        mapping = None
        if line is not None:
            line.results.pop(key, None)
            line.outbox.cancel_transfer(_RESULT, *key)
            mapping = line.mapped.pop(key, None)
        if mapping is not None and _is_closed(mapping):
            spares.keep_or_remove(path)
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a plain text from the core

    def credit(self, peer: bytes, taken_bytes: int) -> None:
        """Learn how much a peer has taken in; RemoteProtocolError if it lies."""
        line = self._line_of(peer)
        if line is None:
            self._uploading.credit(peer, taken_bytes)
        else:
            line.outbox.credit(taken_bytes, self._clock.now())

    @property
    def is_lagging(self) -> bool:
        """Whether so much waits for the disk that nobody should send more."""
        return self._blobs.lag_bytes > MAX_LAG_BYTES

    def flush(self) -> None:
        """Send what the windows allow, and the credits that are due."""
        is_lagging = self.is_lagging
        for peer, line in self._lines.items():
            if not line.is_used:
                continue
            if line.results:
                self._begin_results(line)
            if len(line.outbox):
                for chunk in line.outbox.next_chunks(self._clock.now()):
                    self._peers.send(peer, pack_chunk(chunk))
            if not is_lagging:
                due = line.inbox.credit_due()
                if due is not None:
                    self._peers.send(peer, pack_credit(due))
            line.is_used = is_lagging or bool(line.results) or len(line.outbox) > 0

    def _begin_results(self, line: _Line) -> None:
        """Have the next results sent. One that cannot be opened now is tried in the next turn."""
        results, outbox = line.results, line.outbox
        while results and len(outbox) < MAX_MAPPED_RESULTS:
            key, attempt = next(iter(results.items()))
            try:
                mapping = _map(attempt.file)
            except OSError as error:
                if not self._is_held_up:
                    self._log.warning("result not sent yet", task=key[0], why=error)
                self._is_held_up = True
                return
            self._is_held_up = False
            del results[key]
            if len(line.mapped) < spares.SPARES:
                line.mapped[key] = mapping
            outbox.add_transfer(_RESULT, line.session.handle, *key, memoryview(mapping))


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as file:  # noqa: PTH123 - a plain text from the core
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _is_closed(mapping: mmap.mmap) -> bool:
    """Close the mapping of a result; False if some of it is still on its way to a socket."""
    try:
        mapping.close()
    except BufferError:
        return False
    return True
