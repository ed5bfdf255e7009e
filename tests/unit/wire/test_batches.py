"""The hot path: what goes in comes out, and nonsense is refused before it is used."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.errors import RemoteProtocolError
from hxgrid.wire import batches
from hxgrid.wire.batches import AttemptRecord, Buffer, Chunk, ResultRecord
from hxgrid.wire.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_CHUNK_BYTES,
    MAX_PAYLOAD_BYTES,
    SMALL_PAYLOAD_BYTES,
)
from hxgrid.wire.messages import AttemptFlag, Batch
from tests.unit.wire import examples

TASKS = st.integers(0, 2**64 - 1)
ATTEMPT_NUMBERS = st.integers(0, 65535)
HANDLES = st.integers(0, 2**32 - 1)
TIMES = st.floats(0, 1e9)


@st.composite
def attempt_records(draw: st.DrawFn) -> AttemptRecord:
    payload = draw(st.binary(max_size=200))
    flags = draw(st.sampled_from([0, int(AttemptFlag.COMPRESSED), int(AttemptFlag.CHUNKED)]))
    stored = len(payload)
    if flags & AttemptFlag.CHUNKED:
        payload, stored = b"", draw(st.integers(0, MAX_PAYLOAD_BYTES))
    raw = draw(st.integers(0, MAX_PAYLOAD_BYTES)) if flags else stored
    task, number, function = draw(TASKS), draw(ATTEMPT_NUMBERS), draw(HANDLES)
    return AttemptRecord(task, number, flags, function, stored, raw, payload)


@st.composite
def result_records(draw: st.DrawFn) -> ResultRecord:
    attempt = draw(attempt_records())
    return ResultRecord(
        attempt.task,
        attempt.attempt,
        draw(st.integers(0, 7)),
        attempt.flags,
        draw(HANDLES),
        attempt.stored_bytes,
        attempt.raw_bytes,
        draw(TIMES),
        draw(TIMES),
        attempt.payload,
    )


@given(HANDLES, st.lists(attempt_records(), max_size=20))
def test_attempts_come_out_as_they_went_in(handle: int, records: list[AttemptRecord]) -> None:
    assert batches.unpack_attempts(*batches.pack_attempts(handle, records)) == (handle, records)


@given(HANDLES, st.lists(result_records(), max_size=20))
def test_results_come_out_as_they_went_in(handle: int, records: list[ResultRecord]) -> None:
    assert batches.unpack_results(*batches.pack_results(handle, records)) == (handle, records)


@given(HANDLES, st.lists(st.tuples(TASKS, ATTEMPT_NUMBERS), max_size=50))
def test_keys_come_out_as_they_went_in(handle: int, keys: list[batches.Key]) -> None:
    frames = batches.pack_keys(Batch.CANCEL, handle, keys)
    assert batches.unpack_keys(frames[0]) == (handle, keys)


@given(st.sampled_from(Batch), st.binary(max_size=300), st.binary(max_size=300))
def test_noise_is_refused_or_read_but_never_anything_else(
    batch: Batch, header: bytes, payload: bytes
) -> None:
    with contextlib.suppress(RemoteProtocolError):
        examples.read_batch(batch, [bytes((batch,)) + header, payload])


@given(st.sampled_from(Batch), st.data())
def test_a_damaged_message_is_refused_or_read_but_never_anything_else(
    batch: Batch, data: st.DataObject
) -> None:
    frames: list[Buffer] = [bytearray(frame) for frame in examples.packed_batches()[batch]]
    damaged = data.draw(st.sampled_from(frames))
    assert isinstance(damaged, bytearray)
    at = data.draw(st.integers(0, len(damaged) - 1))
    if data.draw(st.booleans()):
        damaged[at] ^= data.draw(st.integers(1, 255))
    else:
        del damaged[at:]
    with contextlib.suppress(RemoteProtocolError):
        examples.read_batch(batch, [*frames])


@pytest.mark.parametrize("batch", Batch, ids=lambda batch: batch.name)
def test_a_header_with_a_byte_too_many_is_refused(batch: Batch) -> None:
    frames = examples.packed_batches()[batch]
    with pytest.raises(RemoteProtocolError):
        examples.read_batch(batch, [bytes(frames[0]) + b"\0", *frames[1:]])


@pytest.mark.parametrize("batch", [Batch.ATTEMPTS, Batch.RESULTS])
def test_a_payload_of_another_size_than_the_records_say_is_refused(batch: Batch) -> None:
    (frame,) = examples.packed_batches()[batch]
    with pytest.raises(RemoteProtocolError, match="the frame has"):
        examples.read_batch(batch, [bytes(frame) + b"x"])


def test_more_payload_than_a_message_may_have_is_refused() -> None:
    size = SMALL_PAYLOAD_BYTES
    count = MAX_BATCH_BYTES // size + 2
    records = [AttemptRecord(i, 1, 0, 1, size, size, bytes(size)) for i in range(count)]
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        batches.unpack_attempts(*batches.pack_attempts(1, records))


def test_a_small_payload_that_is_too_large_is_refused() -> None:
    size = SMALL_PAYLOAD_BYTES + 1
    frames = batches.pack_attempts(1, [AttemptRecord(1, 1, 0, 1, size, size, bytes(size))])
    with pytest.raises(RemoteProtocolError):
        batches.unpack_attempts(*frames)


def test_sizes_beyond_the_limit_are_refused_before_anything_is_reserved() -> None:
    lie = AttemptRecord(1, 1, int(AttemptFlag.CHUNKED), 1, MAX_PAYLOAD_BYTES + 1, 1, b"")
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        batches.unpack_attempts(*batches.pack_attempts(1, [lie]))


def test_unknown_flags_and_outcomes_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="flags"):
        batches.unpack_attempts(*batches.pack_attempts(1, [AttemptRecord(1, 1, 64, 1, 0, 0, b"")]))
    strange = examples.RESULTS[0]._replace(outcome=200)
    with pytest.raises(RemoteProtocolError, match="outcome"):
        batches.unpack_results(*batches.pack_results(1, [strange]))


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(0, 1, 1, 1, 8, 10, b"abc"),
        Chunk(0, 1, 1, 1, 0, MAX_PAYLOAD_BYTES + 1, b"abc"),
        Chunk(3, 1, 1, 1, 0, 10, b"abc"),
        Chunk(0, 1, 1, 1, 0, 1 << 30, bytes(MAX_CHUNK_BYTES + 1)),
    ],
    ids=["beyond its total", "total over the limit", "unknown kind", "too large"],
)
def test_a_chunk_that_cannot_be_is_refused(chunk: Chunk) -> None:
    frames = batches.pack_chunk(chunk)
    with pytest.raises(RemoteProtocolError):
        batches.unpack_chunk(frames[0], frames[1])


def test_a_chunk_is_handed_on_and_not_copied() -> None:
    payload = memoryview(bytearray(100_000))
    frames = batches.pack_chunk(Chunk(0, 1, 1, 1, 0, 100_000, payload))
    assert frames[1] is payload


@given(st.lists(st.integers(0, SMALL_PAYLOAD_BYTES), max_size=60))
def test_messages_are_cut_where_the_limits_are(sizes: list[int]) -> None:
    records = [AttemptRecord(i, 1, 0, 1, size, size, bytes(size)) for i, size in enumerate(sizes)]
    parts = list(batches.split_batches(records))
    assert [record for part in parts for record in part] == records
    for part in parts:
        assert 0 < len(part) <= MAX_BATCH_RECORDS
        assert sum(record.stored_bytes for record in part) <= MAX_BATCH_BYTES
        batches.unpack_attempts(*batches.pack_attempts(1, part))


def test_more_records_than_a_message_may_have_become_two_messages() -> None:
    record = AttemptRecord(1, 1, 0, 1, 0, 0, b"")
    parts = list(batches.split_batches([record] * (MAX_BATCH_RECORDS + 1)))
    assert [len(part) for part in parts] == [MAX_BATCH_RECORDS, 1]


def test_a_ping_carries_any_clock() -> None:
    assert math.isinf(batches.unpack_ping(batches.pack_ping(math.inf)[0]))
