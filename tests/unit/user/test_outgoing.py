"""Attempts leave in order, in as few messages as the limits on records and bytes allow."""

from __future__ import annotations

from hxgrid.user.outgoing import Outgoing
from hxgrid.wire.batches import Buffer, pack_attempt, unpack_attempts
from hxgrid.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_RECORDS, SMALL_PAYLOAD_BYTES

HANDLE = 7


def gathered(payloads: list[Buffer]) -> Outgoing:
    outgoing = Outgoing()
    for number, payload in enumerate(payloads):
        size = len(payload)
        outgoing.add([pack_attempt(number, 1, 0, 3, size, size)], [payload], size)
    return outgoing


def told(messages: list[list[bytes]]) -> list[tuple[int, bytes]]:
    """What an agent reads, which refuses what passes the limits."""
    read: list[tuple[int, bytes]] = []
    for (frame,) in messages:
        handle, records = unpack_attempts(frame)
        assert handle == HANDLE
        assert 0 < len(records) <= MAX_BATCH_RECORDS
        assert sum(len(record.payload) for record in records) <= MAX_BATCH_BYTES
        read += [(record.task, bytes(record.payload)) for record in records]
    return read


def test_what_fits_leaves_as_one_message_and_is_gone() -> None:
    payloads: list[Buffer] = [b"one", b"", b"three"]
    outgoing = gathered(payloads)
    assert len(outgoing) == 3
    messages = outgoing.take(HANDLE)
    assert len(messages) == 1
    assert told(messages) == list(enumerate(payloads))
    assert not outgoing


def test_too_many_records_are_cut() -> None:
    count = 2 * MAX_BATCH_RECORDS + 1
    messages = gathered([b"%d" % number for number in range(count)]).take(HANDLE)
    assert len(messages) == 3
    assert told(messages) == [(number, b"%d" % number) for number in range(count)]


def test_too_many_bytes_are_cut() -> None:
    each = MAX_BATCH_BYTES // SMALL_PAYLOAD_BYTES
    count = 2 * each + 1
    messages = gathered([bytes(SMALL_PAYLOAD_BYTES)] * count).take(HANDLE)
    assert len(messages) == 3
    assert [number for number, _ in told(messages)] == list(range(count))


def test_the_limits_themselves_are_not_passed_and_not_feared() -> None:
    full: list[Buffer] = [bytes(SMALL_PAYLOAD_BYTES)] * (MAX_BATCH_BYTES // SMALL_PAYLOAD_BYTES)
    assert len(gathered(full).take(HANDLE)) == 1
    assert len(gathered([*full, b"x"]).take(HANDLE)) == 2
    assert len(gathered([b""] * MAX_BATCH_RECORDS).take(HANDLE)) == 1
