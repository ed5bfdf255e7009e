"""Bulk under a window: on slow and fast lines, in turns, and put together again."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.errors import LocalProtocolError, RemoteProtocolError
from hxgrid.transport.flow import (
    CREDIT_QUANTUM_BYTES,
    FIRST_WINDOW_BYTES,
    MAX_WINDOW_BYTES,
    MIN_WINDOW_BYTES,
    Finished,
    Inbox,
    Outbox,
    RateLimit,
    SendWindow,
)
from hxgrid.wire.batches import Buffer, Chunk
from hxgrid.wire.limits import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES

MBIT = 1_000_000 / 8


class Line:
    """A link of one rate and delay under a virtual clock; what is sent waits behind what was."""

    def __init__(self, bytes_per_s: float, delay_s: float, outbox: Outbox) -> None:
        self.now = 0.0
        self.outbox = outbox
        self.inbox = Inbox()
        self.worst_wait_s = 0.0
        """How long a control message sent at the worst moment would have waited."""
        self.finished: list[tuple[float, Finished]] = []
        self._rate = bytes_per_s
        self._delay_s = delay_s
        self._free_at = 0.0
        self._events: list[tuple[float, int, Chunk | int]] = []
        self._order = 0

    def run_until(self, limit_s: float) -> None:
        self._send()
        while self._events and self._events[0][0] <= limit_s:
            self.now, _, arrived = heapq.heappop(self._events)
            if isinstance(arrived, Chunk):
                self._arrive(arrived)
            else:
                self.outbox.credit(arrived, self.now)
                self._send()

    def _send(self) -> None:
        for chunk in self.outbox.next_chunks(self.now):
            self._free_at = max(self._free_at, self.now) + len(chunk.payload) / self._rate
            self._push(self._free_at + self._delay_s, chunk)
        self.worst_wait_s = max(self.worst_wait_s, self._free_at - self.now)

    def _arrive(self, chunk: Chunk) -> None:
        done = self.inbox.take(chunk)
        if done is not None:
            self.finished.append((self.now, done))
        credit = self.inbox.credit_due()
        if credit is not None:
            self._push(self.now + self._delay_s, credit)

    def _push(self, at: float, what: Chunk | int) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, what))


def line_with_transfer(rate: float, delay_s: float, total_bytes: int) -> Line:
    line = Line(rate, delay_s, Outbox())
    line.outbox.add_transfer(0, 1, 1, 1, bytes(total_bytes))
    line.inbox.expect(0, 1, 1, total_bytes, bytearray(total_bytes))
    return line


@pytest.mark.parametrize(
    ("rate", "delay_s", "total_bytes"),
    [
        (10 * MBIT, 0.001, 20 << 20),
        (100 * MBIT, 0.001, 64 << 20),
        (10_000 * MBIT, 0.0002, 256 << 20),
    ],
    ids=["10 Mbit/s", "100 Mbit/s", "10 Gbit/s"],
)
def test_a_line_is_used_well_and_never_blocked_for_long(
    rate: float, delay_s: float, total_bytes: int
) -> None:
    line = line_with_transfer(rate, delay_s, total_bytes)
    line.run_until(60)
    ((ended_at, _),) = line.finished
    assert ended_at < 1.15 * total_bytes / rate + 0.05
    assert line.worst_wait_s <= 0.25


def test_a_line_of_long_delay_is_still_used() -> None:
    line = line_with_transfer(100 * MBIT, 0.02, 64 << 20)
    line.run_until(60)
    assert line.finished[0][0] < 2 * (64 << 20) / (100 * MBIT)


def test_a_line_that_becomes_slow_is_blocked_no_longer_than_it_must() -> None:
    line = line_with_transfer(1000 * MBIT, 0.001, 512 << 20)
    line.run_until(0.5)
    line._rate = 10 * MBIT
    line.run_until(20)
    line.worst_wait_s = 0.0
    line.run_until(40)
    assert line.worst_wait_s <= 0.25


def test_the_window_keeps_its_bounds_whatever_the_delay() -> None:
    for delay_s in (0.0, 10.0):
        window = SendWindow()
        for step in range(40):
            now = step * 20.0
            while window.may_send(window.chunk_bytes):
                window.sent(window.chunk_bytes, now)
            window.credit(window.sent_bytes, now + delay_s)
        assert window.window_bytes == (MIN_WINDOW_BYTES if delay_s else MAX_WINDOW_BYTES)
        assert MIN_CHUNK_BYTES <= window.chunk_bytes <= MAX_CHUNK_BYTES


def test_the_window_does_not_grow_while_there_is_little_to_send() -> None:
    window = SendWindow()
    for step in range(100):
        assert window.may_send(1000)
        window.sent(1000, step)
        window.credit(window.sent_bytes, step + 0.001)
    assert window.window_bytes == FIRST_WINDOW_BYTES


def test_the_measured_rate_is_that_of_the_line() -> None:
    line = line_with_transfer(100 * MBIT, 0.001, 64 << 20)
    line.run_until(2.0)
    assert line.outbox.window.rate == pytest.approx(100 * MBIT, rel=0.1)


def test_a_credit_for_more_than_was_sent_is_refused() -> None:
    outbox = Outbox()
    outbox.add_transfer(0, 1, 1, 1, bytes(1000))
    outbox.next_chunks(0.0)
    with pytest.raises(RemoteProtocolError, match="CREDIT"):
        outbox.credit(1001, 1.0)


def test_an_older_credit_changes_nothing() -> None:
    window = SendWindow()
    window.sent(1000, 0.0)
    window.credit(600, 1.0)
    window.credit(500, 2.0)
    assert window.taken_bytes == 600


def test_something_is_always_sent_when_nothing_is_under_way() -> None:
    window = SendWindow(first_bytes=1)
    assert window.may_send(MAX_CHUNK_BYTES)
    window.sent(MAX_CHUNK_BYTES, 0.0)
    assert not window.may_send(1)


def test_transfers_take_turns() -> None:
    outbox = Outbox()
    for number in (1, 2, 3):
        outbox.add_transfer(0, 1, number, 1, bytes(MIN_CHUNK_BYTES * 2))
    order = [chunk.id for chunk in outbox.next_chunks(0.0)]
    assert order == [1, 2, 3, 1]


def test_a_small_transfer_does_not_wait_for_a_large_one() -> None:
    line = Line(10 * MBIT, 0.001, Outbox())
    line.outbox.add_transfer(2, 1, 1, 0, bytes(100 << 20))
    line.inbox.expect(2, 1, 0, 100 << 20, bytearray(100 << 20))
    line.run_until(2.0)
    line.outbox.add_transfer(0, 1, 5, 1, bytes(100_000))
    line.inbox.expect(0, 5, 1, 100_000, bytearray(100_000))
    line.run_until(3.0)
    assert [done.id for _, done in line.finished] == [5]


def test_a_cancelled_transfer_sends_no_more() -> None:
    outbox = Outbox()
    outbox.add_transfer(0, 1, 1, 1, bytes(10 << 20))
    sent = outbox.next_chunks(0.0)
    assert outbox.cancel_transfer(0, 1, 1)
    assert not outbox.cancel_transfer(0, 1, 1)
    outbox.credit(sum(len(chunk.payload) for chunk in sent), 0.001)
    assert outbox.next_chunks(0.002) == []
    assert len(outbox) == 0
    assert outbox.waiting_bytes == 0


def test_a_transfer_added_again_starts_from_the_beginning() -> None:
    outbox = Outbox()
    outbox.add_transfer(0, 1, 1, 1, bytes(MIN_CHUNK_BYTES * 3))
    outbox.next_chunks(0.0)
    outbox.add_transfer(0, 1, 1, 1, b"new")
    (chunk,) = outbox.next_chunks(0.0)
    assert (bytes(chunk.payload), chunk.offset, chunk.total_bytes) == (b"new", 0, 3)


@pytest.mark.parametrize(("size", "offset"), [(0, 0), (10, 10), (10, -1)])
def test_nothing_to_send_is_our_mistake(size: int, offset: int) -> None:
    with pytest.raises(LocalProtocolError):
        Outbox().add_transfer(0, 1, 1, 1, bytes(size), offset=offset)


def test_chunks_are_slices_of_the_buffer_itself() -> None:
    buffer = bytearray(MIN_CHUNK_BYTES)
    outbox = Outbox()
    outbox.add_transfer(0, 1, 1, 1, buffer)
    (chunk,) = outbox.next_chunks(0.0)
    buffer[0] = 7
    assert chunk.payload[0] == 7


@given(st.integers(1, 400_000), st.integers(0, 300_000))
def test_what_is_sent_arrives_from_any_offset(size: int, offset: int) -> None:
    offset = min(offset, size - 1)
    data = bytes(i & 255 for i in range(size))
    outbox, inbox = Outbox(), Inbox()
    outbox.add_transfer(2, 1, 9, 0, data, offset=offset)
    target = bytearray(size)
    target[:offset] = data[:offset]
    inbox.expect(2, 9, 0, size, target, offset=offset)
    done, now = None, 0.0
    while done is None:
        now += 0.001
        for chunk in outbox.next_chunks(now):
            done = inbox.take(chunk)
        outbox.credit(inbox.credit_due() or 0, now)
    assert done == Finished(2, 9, 0, target, size)
    assert target == data


class FileLike:
    """A sink as the blob store's writer is one."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: Buffer) -> None:
        self.written.append((offset, bytes(data)))


def test_a_transfer_may_go_into_a_sink_made_for_its_size() -> None:
    asked: list[int] = []
    sink = FileLike()

    def make(total_bytes: int) -> FileLike:
        asked.append(total_bytes)
        return sink

    inbox = Inbox()
    inbox.expect(2, 1, 0, 6, make)
    assert inbox.take(Chunk(2, 0, 1, 1, 0, 6, b"abc")) is None
    done = inbox.take(Chunk(2, 0, 1, 1, 3, 6, b"def"))
    assert done is not None
    assert done.into is sink
    assert asked == [6]
    assert sink.written == [(0, b"abc"), (3, b"def")]


def test_a_buffer_of_another_size_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="buffer of 5"):
        Inbox().expect(0, 1, 1, 6, bytearray(5))


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(0, 1, 1, 1, 2, 10, b"abc"),
        Chunk(0, 1, 1, 1, 4, 10, b"abc"),
        Chunk(0, 1, 1, 1, 3, 11, b"abc"),
        Chunk(0, 1, 1, 1, 3, 10, b""),
    ],
    ids=["overlaps", "leaves a gap", "of another total", "empty"],
)
def test_a_chunk_that_does_not_continue_the_transfer_is_refused(chunk: Chunk) -> None:
    inbox = Inbox()
    inbox.expect(0, 1, 1, 10, bytearray(10))
    inbox.take(Chunk(0, 1, 1, 1, 0, 10, b"xyz"))
    with pytest.raises(RemoteProtocolError, match="expected one at 3 of 10"):
        inbox.take(chunk)
    assert not inbox.expects(0, 1, 1)


def test_late_chunks_are_counted_credited_and_dropped() -> None:
    inbox = Inbox()
    inbox.expect(0, 1, 1, 10, bytearray(10))
    assert inbox.cancel(0, 1, 1)
    assert not inbox.cancel(0, 1, 1)
    assert inbox.take(Chunk(0, 1, 1, 1, 0, 10, b"abc")) is None
    assert inbox.late_chunk_count == 1
    assert inbox.credit_due() == 3


def test_credit_is_told_by_the_quantum_and_at_the_end() -> None:
    inbox = Inbox()
    total = CREDIT_QUANTUM_BYTES + 20
    inbox.expect(0, 1, 1, total, bytearray(total))
    inbox.take(Chunk(0, 1, 1, 1, 0, total, bytes(10)))
    assert inbox.credit_due() is None
    inbox.take(Chunk(0, 1, 1, 1, 10, total, bytes(CREDIT_QUANTUM_BYTES - 10)))
    assert inbox.credit_due() == CREDIT_QUANTUM_BYTES
    assert inbox.credit_due() is None
    inbox.take(Chunk(0, 1, 1, 1, CREDIT_QUANTUM_BYTES, total, bytes(20)))
    assert inbox.credit_due() == total


def test_of_a_buffer_that_is_being_filled_only_what_is_there_is_sent() -> None:
    outbox = Outbox()
    outbox.add_transfer(2, 1, 7, 0, bytes(300_000), offset=10, available_bytes=10)
    assert outbox.next_chunks(0.0) == []
    outbox.extend_transfer(2, 7, 0, 70_000)
    sent = outbox.next_chunks(0.0)
    assert [(each.offset, each.total_bytes) for each in sent] == [(10, 300_000), (65_546, 300_000)]
    assert sum(len(each.payload) for each in sent) == 70_000 - 10
    assert outbox.next_chunks(0.0) == []
    outbox.extend_transfer(2, 7, 0, 60_000)  # never back
    outbox.extend_transfer(2, 7, 0, 70_001)
    assert sum(len(each.payload) for each in outbox.next_chunks(0.0)) == 1
    assert len(outbox) == 1


def test_a_transfer_that_waits_for_more_can_be_cancelled() -> None:
    outbox = Outbox()
    outbox.add_transfer(2, 1, 7, 0, bytes(300_000), available_bytes=0)
    assert outbox.cancel_transfer(2, 7, 0)
    outbox.extend_transfer(2, 7, 0, 300_000)
    assert outbox.next_chunks(0.0) == []


def test_with_a_budget_no_chunk_is_begun_beyond_it() -> None:
    outbox = Outbox()
    outbox.add_transfer(2, 1, 7, 0, bytes(1_000_000))
    assert outbox.next_chunks(0.0, 0.0) == []
    assert len(outbox.next_chunks(0.0, 1.0)) == 1
    assert len(outbox.next_chunks(0.0, 65_537.0)) == 2


def test_a_rate_is_kept_over_time() -> None:
    limit = RateLimit(1_000_000)
    now, sent = 10.0, 0
    while now < 20.0:
        if limit.budget(now) > 0:
            limit.sent(65_536)
            sent += 65_536
        else:
            assert limit.ready_at() > now
            now = limit.ready_at()
    assert 9_500_000 < sent < 10_300_000


def test_no_rate_is_no_limit() -> None:
    limit = RateLimit(0)
    limit.sent(1 << 40)
    assert limit.budget(1.0) > 1 << 60
