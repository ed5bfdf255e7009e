"""The original's compressed form: what it is told from."""

from __future__ import annotations

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from hxgrid.bridge.packed import compress, expand, expanded_or_same

WORDS = struct.pack("<II", 0x94903495, 0xA40943FF)


def test_compressing_makes_the_original_layout() -> None:
    data = b"abc" * 1000
    packed = compress(data)
    assert packed is not None
    assert packed[:8] == bytes.fromhex("95349094ff4309a4")
    assert packed[8:12] == struct.pack("<I", 3000)
    assert zlib.decompress(packed[12:]) == data


@given(st.binary(max_size=2000))
def test_what_was_compressed_expands_to_itself(data: bytes) -> None:
    packed = compress(data)
    assert packed is None or (expand(packed) == data and len(packed) < len(data))


def test_compressing_twice_changes_nothing() -> None:
    packed = compress(bytes(5000))
    assert packed is not None
    assert compress(packed) is None


@given(st.binary(max_size=300))
def test_data_that_begin_alike_stay_what_they_are(rest: bytes) -> None:
    assert expanded_or_same(WORDS + rest) == WORDS + rest


def test_a_wrong_size_is_not_believed() -> None:
    body = zlib.compress(bytes(100))
    for size in (0, 99, 101, 0xFFFFFFFF):
        assert expand(WORDS + struct.pack("<I", size) + body) is None
    assert expand(WORDS + struct.pack("<I", 100) + body + b"x") is None
    assert expand(WORDS + struct.pack("<I", 100) + body[:-1]) is None
    assert expand(WORDS + struct.pack("<I", 100) + body) == bytes(100)


def test_nothing_compressed_is_still_something() -> None:
    assert expand(WORDS + struct.pack("<I", 0) + zlib.compress(b"")) == b""
