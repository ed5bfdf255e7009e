"""Bulk transfers: who may send how much now, in which pieces, and putting the pieces together.

Inputs, results and blobs above `SMALL_PAYLOAD_BYTES` share a connection with control messages that
must not wait behind them. So no more than a *window* of bulk is ever on its way: what the receiver
has not yet acknowledged with a CREDIT (which counts the bytes taken in since the connection began).

How wide the window should be nobody can say beforehand: 250 ms of a 10 Mbit/s line are 0.3 MB, of
10 Gbit/s 300 MB. It is found by the delay that matters. Each credit shows how long the newest byte
that it covers was under way, which is how long a control message would have been. While that is
well under `TARGET_S` and the window was what held us back, the window doubles with every round;
when it is over, the window shrinks in proportion. The target is well under the promised 250 ms,
because it is measured with error and a line is shared.

Both ends begin at zero with each new connection (a new `Outbox`, a new `Inbox`): what an old one
had under way is sent again from the start.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from hxgrid.errors import LocalProtocolError, RemoteProtocolError
from hxgrid.wire.batches import Buffer, Chunk
from hxgrid.wire.limits import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES

TARGET_S: Final = 0.1
"""Delay of bulk that is aimed at."""

FIRST_WINDOW_BYTES: Final = 256 * 1024
"""210 ms of 10 Mbit/s; doubles within a few round trips on anything faster."""

MIN_WINDOW_BYTES: Final = 2 * MIN_CHUNK_BYTES
"""One chunk on the line while the credit of the one before is on its way back."""

MAX_WINDOW_BYTES: Final = 16 * 1024 * 1024
"""13 ms of 10 Gbit/s, ten times what is under way on a LAN. Wider is slower: what waits in the
receiver's memory drops out of its caches (loopback: 1.1 GB/s with 16 MiB, 0.75 with 64 MiB)."""

CREDIT_QUANTUM_BYTES: Final = MIN_CHUNK_BYTES
"""Bytes taken in that are worth a CREDIT: a quarter of the first window, half of the smallest."""

RATE_BURST_S: Final = 0.1
RATE_PAUSE_S: Final = 0.01
"""A limited rate is kept over the first of these; the second is how long it pauses at least."""

_CHUNKS_PER_WINDOW: Final = 8
_RATE_SPAN_S: Final = 1.0


class SendWindow:
    """How many bytes of bulk may be unacknowledged, learned from the credits. Pure."""

    def __init__(self, first_bytes: int = FIRST_WINDOW_BYTES) -> None:
        self.window_bytes = first_bytes
        self.sent_bytes = 0
        """Since the connection began."""
        self.taken_bytes = 0
        """Of these, acknowledged by the receiver."""
        self.rate = 0.0
        """Bytes a second that the receiver has lately taken in; for people and estimates."""
        self._under_way: deque[tuple[int, float]] = deque()  # (sent_bytes after it, sent at)
        self._round_ends_at_bytes = 0  # one adjustment for each window's worth of bytes
        self._was_full = False  # in this round the window held us back
        self._rate_from: tuple[int, float] | None = None  # (taken_bytes, at)

    @property
    def in_flight_bytes(self) -> int:
        """Bytes sent and not yet acknowledged."""
        return self.sent_bytes - self.taken_bytes

    @property
    def chunk_bytes(self) -> int:
        """Size of the next chunk: a fraction of the window, so that transfers take turns."""
        wanted = self.window_bytes // _CHUNKS_PER_WINDOW
        return min(max(wanted, MIN_CHUNK_BYTES), MAX_CHUNK_BYTES)

    def may_send(self, size: int) -> bool:
        """Tell whether `size` more bytes fit; something always does when nothing is under way."""
        if self.in_flight_bytes == 0 or self.in_flight_bytes + size <= self.window_bytes:
            return True
        self._was_full = True
        return False

    def sent(self, size: int, now: float) -> None:
        """Count bytes that were sent."""
        if self._rate_from is None:
            self._rate_from = (self.taken_bytes, now)
        self.sent_bytes += size
        self._under_way.append((self.sent_bytes, now))

    def credit(self, taken_bytes: int, now: float) -> None:
        """Learn what the receiver has taken in; claiming more than was sent is the peer's mistake.

        Credits never go back: one that says less than an earlier one changes nothing.
        """
        if taken_bytes > self.sent_bytes:
            raise RemoteProtocolError(
                f"CREDIT for {taken_bytes} bytes, but only {self.sent_bytes} were sent"
            )
        if taken_bytes <= self.taken_bytes:
            return
        self.taken_bytes = taken_bytes
        sent_at: float | None = None
        while self._under_way and self._under_way[0][0] <= taken_bytes:
            sent_at = self._under_way.popleft()[1]
        self._measure_rate(now)
        if sent_at is not None and taken_bytes >= self._round_ends_at_bytes:
            self._adjust(now - sent_at)
            self._round_ends_at_bytes = self.sent_bytes
            self._was_full = False

    def _adjust(self, delay_s: float) -> None:
        if delay_s > TARGET_S:
            # At most halved: one stall of the receiver says little about the line.
            wanted = int(self.window_bytes * max(0.5, TARGET_S / delay_s))
        elif delay_s < TARGET_S / 2 and self._was_full:
            wanted = self.window_bytes * 2
        else:
            return
        self.window_bytes = min(max(wanted, MIN_WINDOW_BYTES), MAX_WINDOW_BYTES)

    def _measure_rate(self, now: float) -> None:
        assert self._rate_from is not None  # sent() came before every credit
        from_bytes, from_at = self._rate_from
        elapsed_s = now - from_at
        if elapsed_s > 0:
            self.rate = (self.taken_bytes - from_bytes) / elapsed_s
        if self.in_flight_bytes == 0:
            self._rate_from = None  # what follows is not the line's doing
        elif elapsed_s >= _RATE_SPAN_S:
            self._rate_from = (self.taken_bytes, now)


Key = tuple[int, int, int]
"""(of, id, attempt): names one transfer of a connection, as its chunks do."""


class _Outgoing:
    """One transfer that is being sent."""

    __slots__ = ("available_bytes", "buffer", "handle", "key", "offset", "total_bytes")

    def __init__(
        self, key: Key, handle: int, buffer: Buffer, offset: int, available_bytes: int | None
    ) -> None:
        self.key = key
        self.handle = handle
        self.buffer = memoryview(buffer).cast("B")
        self.total_bytes = len(self.buffer)
        self.available_bytes = self.total_bytes if available_bytes is None else available_bytes
        """From the beginning; what is behind it is not there yet."""
        self.offset = offset


class Outbox:
    """Bulk transfers to one peer over one connection, taking turns inside the window. Pure.

    The driver asks `next_chunks` in each flush and sends what it gets; a `CREDIT` from the peer
    goes to `credit`. Buffers are sliced, never copied: they must not change until they are sent.
    """

    def __init__(self, window: SendWindow | None = None) -> None:
        self.window = window if window is not None else SendWindow()
        self._transfers: dict[Key, _Outgoing] = {}
        self._turns: deque[_Outgoing] = deque()  # the next to send first; cancelled ones drop out

    def __len__(self) -> int:
        return len(self._transfers)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of all transfers that were not handed out yet."""
        return sum(t.total_bytes - t.offset for t in self._transfers.values())

    def add_transfer(
        self,
        of: int,
        handle: int,
        number: int,
        attempt: int,
        buffer: Buffer,
        *,
        offset: int = 0,
        available_bytes: int | None = None,
    ) -> None:
        """Send `buffer` from `offset` on, after the messages that were sent before this call.

        A transfer of the same name starts again from the beginning with the new buffer. Of a buffer
        that is being filled, only the first `available_bytes` are sent until `extend_transfer`.
        """
        key = (of, number, attempt)
        transfer = _Outgoing(key, handle, buffer, offset, available_bytes)
        if transfer.total_bytes == 0 or not 0 <= offset < transfer.total_bytes:
            raise LocalProtocolError(
                f"nothing to send from {offset} of {transfer.total_bytes} bytes"
            )
        self.cancel_transfer(of, number, attempt)
        self._transfers[key] = transfer
        if offset < transfer.available_bytes:
            self._turns.append(transfer)

    def extend_transfer(self, of: int, number: int, attempt: int, available_bytes: int) -> None:
        """Note that more of a buffer has been filled; unknown transfers are ignored."""
        transfer = self._transfers.get((of, number, attempt))
        if transfer is None or available_bytes <= transfer.available_bytes:
            return
        was_waiting = transfer.offset >= transfer.available_bytes
        transfer.available_bytes = available_bytes
        if was_waiting and transfer.offset < available_bytes:
            self._turns.append(transfer)

    def cancel_transfer(self, of: int, number: int, attempt: int) -> bool:
        """Send no more of it; False if it is not (or no longer) under way."""
        transfer = self._transfers.pop((of, number, attempt), None)
        if transfer is None:
            return False
        if transfer.offset < transfer.available_bytes:  # else it waits for more, without a turn
            self._turns.remove(transfer)
        return True

    def credit(self, taken_bytes: int, now: float) -> None:
        """Take in a CREDIT of the peer (RemoteProtocolError if it lies)."""
        self.window.credit(taken_bytes, now)

    def next_chunks(self, now: float, budget_bytes: float = math.inf) -> list[Chunk]:
        """Return what may be sent now, in the order to send it.

        With a budget no further chunk is begun when it is used up.
        """
        chunks: list[Chunk] = []
        turns, window = self._turns, self.window
        while turns and budget_bytes > 0:
            transfer = turns[0]
            offset = transfer.offset
            size = min(window.chunk_bytes, transfer.available_bytes - offset)
            budget_bytes -= size
            if not window.may_send(size):
                break
            window.sent(size, now)
            of, number, attempt = transfer.key
            piece = transfer.buffer[offset : offset + size]
            chunks.append(
                Chunk(of, attempt, transfer.handle, number, offset, transfer.total_bytes, piece)
            )
            transfer.offset = offset + size
            turns.popleft()
            if transfer.offset < transfer.available_bytes:
                turns.append(transfer)
            elif transfer.offset == transfer.total_bytes:
                del self._transfers[transfer.key]
        return chunks


class RateLimit:
    """At most so many bytes a second over all transfers of a kind; 0 is no limit. Pure."""

    def __init__(self, bytes_per_s: int) -> None:
        self._rate = bytes_per_s
        self._burst = max(bytes_per_s * RATE_BURST_S, 1.0)
        self._left = self._burst
        self._at = 0.0

    def budget(self, now: float) -> float:
        """Return how much may be sent now; nothing or less: wait until `ready_at`."""
        if not self._rate:
            return math.inf
        self._left = min(self._left + (now - self._at) * self._rate, self._burst)
        self._at = now
        return self._left

    def sent(self, size: int) -> None:
        """Count bytes that were sent; the last chunk may go beyond what was left."""
        self._left -= size

    def ready_at(self) -> float:
        """Return when there is a budget again."""
        if not self._rate or self._left > 0:
            return self._at
        return self._at + (RATE_PAUSE_S - self._left / self._rate)


class Sink(Protocol):
    """Where an incoming transfer may go besides a buffer, such as the blob store's writer."""

    def write(self, offset: int, data: Buffer, /) -> object:
        """Put `data` at `offset`."""


class Finished(NamedTuple):
    """A transfer that has arrived whole."""

    of: int
    id: int
    attempt: int
    into: Any
    """What was given to (or made for) `Inbox.expect`."""
    total_bytes: int


class _Incoming:
    """One transfer that is arriving."""

    __slots__ = ("into", "received", "total_bytes", "view", "write")

    def __init__(self, total_bytes: int, into: object, offset: int) -> None:
        self.total_bytes = total_bytes
        self.into = into
        self.received = offset
        self.view: memoryview | None = None
        self.write: Callable[[int, Buffer], object] | None = None
        try:
            self.view = memoryview(into).cast("B")  # type: ignore[arg-type]
        except TypeError:
            self.write = into.write  # type: ignore[attr-defined]

    def put(self, offset: int, payload: Buffer) -> None:
        if self.view is not None:
            self.view[offset : offset + len(payload)] = payload
        elif self.write is not None:
            self.write(offset, payload)


class Inbox:
    """Bulk transfers from one peer over one connection. Pure but for writing where it is told.

    Chunks of one transfer come in order, because the connection keeps order: anything else, and
    anything that does not fit, is the peer's mistake (`RemoteProtocolError`). Chunks of a transfer
    that nobody expects (any more) are late, which is ordinary: counted, credited, dropped.
    """

    def __init__(self) -> None:
        self.taken_bytes = 0
        """Bytes of chunks since the connection began, the dropped ones too."""
        self.late_chunk_count = 0
        self._told_bytes = 0
        self._credit_is_due = False
        self._transfers: dict[Key, _Incoming] = {}

    def __len__(self) -> int:
        return len(self._transfers)

    def expect(
        self,
        of: int,
        number: int,
        attempt: int,
        total_bytes: int,
        into: object,
        *,
        offset: int = 0,
    ) -> None:
        """Be ready for a transfer of `total_bytes` that starts at `offset`.

        `into` is a writable buffer of that size (bytearray, memoryview, mmap), a `Sink`, or a
        function that makes one of the two from the size. A transfer of the same name is forgotten.
        """
        if callable(into):
            into = into(total_bytes)
        transfer = _Incoming(total_bytes, into, offset)
        if transfer.view is not None and len(transfer.view) != total_bytes:
            raise LocalProtocolError(
                f"a buffer of {len(transfer.view)} bytes for a transfer of {total_bytes}"
            )
        self._transfers[of, number, attempt] = transfer

    def expects(self, of: int, number: int, attempt: int) -> bool:
        """Tell whether a transfer is under way or yet to begin."""
        return (of, number, attempt) in self._transfers

    def cancel(self, of: int, number: int, attempt: int) -> bool:
        """Forget a transfer; what still comes of it is dropped. False if it is not expected."""
        return self._transfers.pop((of, number, attempt), None) is not None

    def take(self, chunk: Chunk) -> Finished | None:
        """Put a chunk where it belongs; returns the transfer when it is whole."""
        of, attempt, _, number, offset, total_bytes, payload = chunk
        size = len(payload)
        self.taken_bytes += size
        key = (of, number, attempt)
        transfer = self._transfers.get(key)
        if transfer is None:
            self.late_chunk_count += 1
            self._credit_is_due = True
            return None
        if total_bytes != transfer.total_bytes or offset != transfer.received or size == 0:
            del self._transfers[key]
            raise RemoteProtocolError(
                f"CHUNK of {size} bytes at {offset} of {total_bytes}, expected one at "
                f"{transfer.received} of {transfer.total_bytes}"
            )
        transfer.put(offset, payload)
        transfer.received = offset + size
        if transfer.received < total_bytes:
            return None
        # The last bytes of a transfer may be few, but the sender may be waiting for just them.
        self._credit_is_due = True
        del self._transfers[key]
        return Finished(of, number, attempt, transfer.into, total_bytes)

    def credit_due(self) -> int | None:
        """Return what to put into a CREDIT now, or None. Ask once per flush."""
        taken = self.taken_bytes
        if not self._credit_is_due and taken - self._told_bytes < CREDIT_QUANTUM_BYTES:
            return None
        if taken == self._told_bytes:
            return None
        self._told_bytes = taken
        self._credit_is_due = False
        return taken
