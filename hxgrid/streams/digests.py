"""What a blob is called: a digest over the digests of its chunks.

The bytes are cut into chunks of 1 MiB (the last may be shorter). Each chunk is hashed once, and the
blob's digest is the hash of all chunk digests in order followed by the total size as a u64. So
whoever holds the list of chunk digests can check it against the name, and then each chunk by itself
as it arrives, from whomever; no byte is hashed a second time.

Digests are 64 lower-case hex digits where they are names and 32 bytes where they are many.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hxgrid.errors import StoreError
from hxgrid.streams.buffers import flat_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import ReadableBuffer, StrPath

CHUNK_BYTES = 1024 * 1024
CHUNK_DIGEST_BYTES = 32
_SIZE = struct.Struct("<Q")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobDigests(NamedTuple):
    """All there is to know about a blob's bytes."""

    digest: str
    """The blob's name."""
    size_bytes: int
    chunks: tuple[bytes, ...]
    """The digest of each chunk, in order."""


def new_hash(data: ReadableBuffer = b"") -> hashlib._Hash:
    """Return a new hash that has taken in `data`. This alone decides the algorithm."""
    return hashlib.sha256(data)


def chunk_digest(data: ReadableBuffer) -> bytes:
    """Return the digest of one chunk."""
    return new_hash(data).digest()


def digest_of_chunks(chunks: Iterable[bytes], size_bytes: int) -> str:
    """Return the name of the blob with these chunk digests and this size."""
    blob = new_hash()
    for digest in chunks:
        blob.update(digest)
    blob.update(_SIZE.pack(size_bytes))
    return blob.hexdigest()


def chunk_count(size_bytes: int) -> int:
    """Return how many chunks a blob of this size has; an empty one has none."""
    return -(-size_bytes // CHUNK_BYTES)


def is_digest(text: str) -> bool:
    """Tell whether `text` has the form of a digest; those from a peer must be asked."""
    return _HEX_DIGEST.fullmatch(text) is not None


class ChunkHasher:
    """Hashes a blob that comes in pieces of any size, each byte once."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []  # digests of the chunks that are complete
        self._open = new_hash()  # the chunk that is not
        self._open_bytes = 0
        self._size_bytes = 0

    def update(self, data: ReadableBuffer) -> None:
        """Take in the next bytes."""
        rest = flat_view(data)
        self._size_bytes += len(rest)
        while rest:
            piece = rest[: CHUNK_BYTES - self._open_bytes]
            rest = rest[len(piece) :]
            self._open.update(piece)
            self._open_bytes += len(piece)
            if self._open_bytes == CHUNK_BYTES:
                self._chunks.append(self._open.digest())
                self._open, self._open_bytes = new_hash(), 0

    @property
    def chunks(self) -> Sequence[bytes]:
        """The digests of the chunks that are complete."""
        return self._chunks

    def rewind(self, count: int) -> int:
        """Go back to the end of the first `count` chunks; returns how many bytes these are."""
        if not 0 <= count <= len(self._chunks):
            raise ValueError(f"cannot go back to chunk {count} of {len(self._chunks)}")
        del self._chunks[count:]
        self._open, self._open_bytes = new_hash(), 0
        self._size_bytes = count * CHUNK_BYTES
        return self._size_bytes

    def result(self) -> BlobDigests:
        """Return the digests of what has come so far; more may follow."""
        last = [self._open.digest()] if self._open_bytes else []
        chunks = (*self._chunks, *last)
        return BlobDigests(digest_of_chunks(chunks, self._size_bytes), self._size_bytes, chunks)


def hash_bytes(data: ReadableBuffer) -> BlobDigests:
    """Return the digests of bytes."""
    hasher = ChunkHasher()
    hasher.update(data)
    return hasher.result()


def hash_file(path: StrPath) -> BlobDigests:
    """Return the digests of a file, read in pieces; raise `StoreError` if it cannot be read."""
    hasher = ChunkHasher()
    buffer = bytearray(CHUNK_BYTES)
    view = memoryview(buffer)
    try:
        with Path(path).open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                hasher.update(view[:count])
    except OSError as error:
        raise StoreError(
            "a file cannot be read", where=os.fspath(path), why=error.strerror or str(error)
        ) from error
    return hasher.result()


def digest_bytes(data: ReadableBuffer) -> str:
    """Return the name of these bytes as a blob."""
    return hash_bytes(data).digest


def digest_file(path: StrPath) -> str:
    """Return the name of a file's bytes as a blob; raise `StoreError` if it cannot be read."""
    return hash_file(path).digest
