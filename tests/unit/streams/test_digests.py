"""The names of blobs."""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxgrid.errors import StoreError
from hxgrid.streams.digests import (
    CHUNK_BYTES,
    ChunkHasher,
    chunk_count,
    chunk_digest,
    digest_bytes,
    digest_file,
    digest_of_chunks,
    hash_bytes,
    hash_file,
    is_digest,
)

DATA = random.Random(3).randbytes(2 * CHUNK_BYTES + 12345)


def test_a_digest_is_the_hash_of_the_chunk_digests_and_the_size() -> None:
    chunks = [DATA[i : i + CHUNK_BYTES] for i in range(0, len(DATA), CHUNK_BYTES)]
    digests = b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)
    expected = hashlib.sha256(digests + len(DATA).to_bytes(8, "little")).hexdigest()
    assert digest_bytes(DATA) == expected


def test_a_digest_never_changes() -> None:
    assert digest_bytes(b"") == "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    assert (
        digest_bytes(b"abc")
        == hashlib.sha256(hashlib.sha256(b"abc").digest() + (3).to_bytes(8, "little")).hexdigest()
    )


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES]
)
def test_chunks_and_size_are_told_with_the_digest(size: int) -> None:
    result = hash_bytes(DATA[:size])
    assert result.size_bytes == size
    assert len(result.chunks) == chunk_count(size)
    assert digest_of_chunks(result.chunks, size) == result.digest
    for number, digest in enumerate(result.chunks):
        start = number * CHUNK_BYTES
        assert chunk_digest(DATA[start : min(start + CHUNK_BYTES, size)]) == digest


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(DATA)), max_size=12))
def test_the_pieces_in_which_bytes_come_do_not_matter(cuts: list[int]) -> None:
    hasher = ChunkHasher()
    edges = [0, *sorted(cuts), len(DATA)]
    for start, end in itertools.pairwise(edges):
        hasher.update(memoryview(DATA)[start:end])
    assert hasher.result() == hash_bytes(DATA)


def test_a_result_in_between_disturbs_nothing() -> None:
    hasher = ChunkHasher()
    hasher.update(DATA[:100])
    assert hasher.result() == hash_bytes(DATA[:100])
    hasher.update(DATA[100:])
    assert hasher.result() == hash_bytes(DATA)


def test_a_size_alone_makes_another_name() -> None:
    assert digest_of_chunks([], 0) != digest_of_chunks([], 1)


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    assert digest_file(path) == digest_bytes(DATA)
    assert hash_file(path) == hash_bytes(DATA)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no\.bin.*No such file"):
        digest_file(tmp_path / "no.bin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0" * 64, True), ("g" * 64, False), ("A" * 64, False), ("0" * 63, False), ("", False)],
)
def test_the_form_of_a_digest_is_checked(text: str, expected: bool) -> None:
    assert is_digest(text) is expected
    assert is_digest(digest_bytes(b"x"))
