"""What is compressed, and what an expansion refuses."""

from __future__ import annotations

import random
import tracemalloc
from typing import TYPE_CHECKING

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.errors import RemoteProtocolError
from hxgrid.streams import CorruptPayload, Stream, StreamReadOnly
from hxgrid.streams.compression import (
    SAMPLE_BYTES,
    compress_stream,
    expand_stream,
    pack,
    unpack,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

THRESHOLD = 1000
LIMIT = 10_000_000
TEXT = b"all work and no play makes a dull task\n" * 5000
NOISE = random.Random(7).randbytes(len(TEXT))


def test_data_that_shrinks_is_compressed() -> None:
    payload, is_compressed = pack(TEXT, THRESHOLD)
    assert is_compressed
    assert len(memoryview(payload)) < len(TEXT) // 10
    assert unpack(payload, len(TEXT), LIMIT) == TEXT


@pytest.mark.parametrize("size", [0, 1, THRESHOLD])
def test_data_up_to_the_threshold_is_left_alone(size: int) -> None:
    data = bytes(size)
    payload, is_compressed = pack(data, THRESHOLD)
    assert payload is data
    assert not is_compressed


def test_the_first_byte_over_the_threshold_counts() -> None:
    assert pack(bytes(THRESHOLD + 1), THRESHOLD)[1]


def test_noise_is_left_alone() -> None:
    payload, is_compressed = pack(NOISE, THRESHOLD)
    assert payload is NOISE
    assert not is_compressed


def test_only_the_first_64_kib_decide() -> None:
    assert not pack(NOISE[:SAMPLE_BYTES] + TEXT, THRESHOLD)[1]
    assert pack(TEXT[:SAMPLE_BYTES] + NOISE, THRESHOLD)[1]


@pytest.mark.parametrize(("zero_percent", "expected"), [(8, False), (13, True)])
def test_the_sample_must_shrink_by_more_than_a_tenth(zero_percent: int, expected: bool) -> None:
    zeroes = SAMPLE_BYTES * zero_percent // 100
    data = bytes(zeroes) + NOISE[: SAMPLE_BYTES - zeroes]
    assert pack(data, THRESHOLD)[1] is expected


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_can_be_packed(kind: type) -> None:
    data: ReadableBuffer = kind(TEXT)
    payload, is_compressed = pack(data, THRESHOLD)
    assert is_compressed
    assert unpack(memoryview(payload), len(TEXT), LIMIT) == TEXT


@given(st.binary(max_size=3000), st.integers(1, 20))
def test_packing_loses_nothing(data: bytes, times: int) -> None:
    raw = data * times
    payload, is_compressed = pack(raw, 100)
    assert (unpack(payload, len(raw), LIMIT) if is_compressed else payload) == raw


def test_b15_data_that_looks_compressed_passes_unharmed() -> None:
    original_signature = bytes.fromhex("95349094FF4309A4") + (12).to_bytes(4, "little")
    looks_packed = lz4.block.compress(TEXT, store_size=False)
    for data in (original_signature + b"rest", original_signature, looks_packed):
        stream = Stream(data)
        expand_stream(stream, LIMIT)
        assert stream.getvalue() == data
        compress_stream(stream, 0)
        expand_stream(stream, LIMIT)
        assert stream.getvalue() == data


def test_a_declared_size_over_the_limit_is_refused_before_anything_is_expanded() -> None:
    payload, _ = pack(TEXT, THRESHOLD)
    with pytest.raises(RemoteProtocolError, match=f"{len(TEXT)} bytes .* at most 1000"):
        unpack(payload, len(TEXT), 1000)


def test_a_declared_size_that_cannot_be_takes_no_memory() -> None:
    payload, _ = pack(TEXT, THRESHOLD)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptPayload, match="cannot expand to"):
            unpack(payload, 2_000_000_000, 2**40)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("raw_size", [-1, 2**31, 2**64])
def test_sizes_that_no_block_has_are_refused(raw_size: int) -> None:
    with pytest.raises(CorruptPayload):
        unpack(b"x" * 100, raw_size, 2**65)


@pytest.mark.parametrize("difference", [-1, 1, 100])
def test_a_wrong_declared_size_is_refused(difference: int) -> None:
    payload, _ = pack(TEXT, THRESHOLD)
    with pytest.raises(CorruptPayload):
        unpack(payload, len(TEXT) + difference, LIMIT)


@pytest.mark.parametrize("payload", [b"", b"\xff" * 100, NOISE[:1000]])
def test_b14_corrupt_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(CorruptPayload):
        unpack(payload, 1000, LIMIT)


def test_b14_a_payload_cut_short_is_refused() -> None:
    payload, _ = pack(TEXT, THRESHOLD)
    with pytest.raises(CorruptPayload):
        unpack(memoryview(payload)[:-3], len(TEXT), LIMIT)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_stream_is_compressed_once_and_remembers(readonly: bool) -> None:
    stream = Stream(TEXT, readonly=readonly)
    stream.seek(7)
    assert compress_stream(stream, THRESHOLD)
    compressed = stream.getvalue()
    assert (stream.is_compressed, stream.raw_size, stream.tell()) == (True, len(TEXT), 0)
    assert compress_stream(stream, THRESHOLD)
    assert stream.getvalue() is compressed
    assert "compressed from" in repr(stream)


def test_an_expanded_stream_is_what_it_was() -> None:
    stream = Stream(TEXT)
    compress_stream(stream, THRESHOLD)
    expand_stream(stream, LIMIT)
    assert (stream.is_compressed, stream.raw_size) == (False, len(TEXT))
    assert stream.read() == TEXT
    stream.write(b"more")
    assert stream.getvalue() == TEXT + b"more"


def test_a_stream_that_would_not_shrink_is_not_touched() -> None:
    stream = Stream(NOISE)
    stream.seek(7)
    assert not compress_stream(stream, THRESHOLD)
    assert (stream.is_compressed, stream.raw_size, stream.tell()) == (False, len(NOISE), 7)
    assert stream.getvalue() is NOISE


def test_a_compressed_stream_cannot_be_written() -> None:
    stream = Stream(TEXT)
    compress_stream(stream, THRESHOLD)
    assert not stream.writable()
    with pytest.raises(StreamReadOnly, match="compressed"):
        stream.write(b"x")
