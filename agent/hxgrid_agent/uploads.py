"""Sending blobs to neighbours: out of mapped files, inside each one's window, below a common rate.

What the core has opened is sent as far as it says that the bytes are right. Neighbours take turns;
while the rate is used up all wait, so that the owner's own traffic is not behind ours.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from hxgrid.logs import get_logger
from hxgrid.transport.flow import Outbox, RateLimit
from hxgrid.wire.batches import Chunk, pack_chunk
from hxgrid.wire.messages import ChunkOf
from hxgrid_agent.core import actions as act
from hxgrid_agent.core.events import Event, UploadEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxgrid.clock import Clock
    from hxgrid.wire.batches import Buffer

_BLOB: Final = int(ChunkOf.BLOB)


FORGET_AFTER_S: Final = 30.0
"""A neighbour closes a connection that it does not use after `neighbours.IDLE_S`. Until then what
was sent and taken in counts on: both ends began to count together."""


class Sender(Protocol):
    """Whoever sends messages to peers."""

    def send(self, peer: bytes, frames: Sequence[Buffer]) -> bool:
        """Send one message; False if the peer is gone or does not read."""


class _Line:
    """One neighbour's connection."""

    __slots__ = ("outbox", "requests", "used_at")

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.requests: set[int] = set()
        self.used_at = 0.0


class Uploading:
    """Moves blobs to neighbours. Belongs to the loop's thread."""

    def __init__(
        self,
        sender: Sender,
        clock: Clock,
        on_event: Callable[[Event], None],
        bytes_per_s: int,
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._on_event = on_event
        self._limit = RateLimit(bytes_per_s)
        self._lines: dict[bytes, _Line] = {}
        self.sent_bytes = 0
        self._is_held_up = False
        """The rate is used up, and there is more to send."""
        self._log = get_logger("agent")

    def open(self, order: act.OpenUpload) -> None:
        """Begin with a blob."""
        if order.offset >= order.size:
            self._on_event(UploadEnded(order.peer, order.request))
            return
        try:
            with open(order.path, "rb") as file:  # noqa: PTH123 - a plain text from the core
                buffer = memoryview(mmap.mmap(file.fileno(), order.size, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            self._log.warning("a blob cannot be read for a neighbour", path=order.path, why=error)
            self._on_event(UploadEnded(order.peer, order.request))
            return
        line = self._lines.setdefault(order.peer, _Line())
        line.requests.add(order.request)
        line.outbox.add_transfer(
            _BLOB,
            0,
            order.request,
            0,
            buffer,
            offset=order.offset,
            available_bytes=order.available_bytes,
        )

    def extend(self, order: act.ExtendUpload) -> None:
        """Go on with a blob of which more is here."""
        line = self._lines.get(order.peer)
        if line is not None:
            line.outbox.extend_transfer(_BLOB, order.request, 0, order.available_bytes)

    def close(self, order: act.CloseUpload) -> None:
        """Send no more of a blob."""
        line = self._lines.get(order.peer)
        if line is not None:
            line.outbox.cancel_transfer(_BLOB, order.request, 0)
            line.requests.discard(order.request)

    def credit(self, peer: bytes, taken_bytes: int) -> None:
        """Learn how much a neighbour has taken in; RemoteProtocolError if it lies."""
        line = self._lines.get(peer)
        if line is not None:
            line.outbox.credit(taken_bytes, self._clock.now())

    def flush(self) -> None:
        """Send what windows and rate allow; who was served last has the last turn next time."""
        self._is_held_up = False
        now = self._clock.now()
        for peer, line in list(self._lines.items()):
            if not line.requests:
                continue
            line.used_at = now
            budget_bytes = self._limit.budget(now)
            if budget_bytes <= 0:
                self._is_held_up = True
                return
            chunks = line.outbox.next_chunks(now, budget_bytes)
            if chunks:
                self._lines[peer] = self._lines.pop(peer)
            for chunk in chunks:
                self._send(peer, chunk)

    def next_deadline(self) -> float | None:
        """Return when `flush` is wanted though nothing happens."""
        return self._limit.ready_at() if self._is_held_up else None

    def retire(self, now: float) -> None:
        """Forget neighbours that want nothing any more, and have closed their connection."""
        self._lines = {
            peer: line
            for peer, line in self._lines.items()
            if line.requests or now < line.used_at + FORGET_AFTER_S
        }

    def _send(self, peer: bytes, chunk: Chunk) -> None:
        line = self._lines.get(peer)
        if line is None:
            return
        size = len(chunk.payload)
        self._limit.sent(size)
        self.sent_bytes += size
        if not self._sender.send(peer, pack_chunk(chunk)):
            del self._lines[peer]
            for request in line.requests:
                self._on_event(UploadEnded(peer, request))
        elif chunk.offset + size == chunk.total_bytes:
            line.requests.discard(chunk.id)
            self._on_event(UploadEnded(peer, chunk.id))
