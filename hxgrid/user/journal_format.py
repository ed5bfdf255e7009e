"""The bytes of a journal: a head, then records one after the other, each with its own checksums.

A record is a head of fixed size, a body, and the body's checksum::

    u8 kind | u8 flags | u16 0 | u32 node | u64 body bytes | u64 raw bytes | 16 bytes key | u32 crc
    body
    u32 crc of the body, begun with that of the head

The head's checksum makes its length worth believing, the body's tells whether all of it was
written, and that it belongs to this head. A file is only ever appended to; what follows the first
record that is not whole was not finished, and is cut off. All numbers are little-endian.

Kinds of records, and what their bodies hold:

* RESULT: the output of one task, under its key. `node` says what global data it may depend on: 0 is
  none. The newest of a key counts.
* NODE: one answer that an agent was given, after those of the node `parent`: u32 parent, u16 bytes
  of the digest, the digest (empty: there was no such data), the name. `node` is its own number, by
  which results refer to it and to all before it.
* USED: keys whose results were used again, 16 bytes each.
* RUN: a run of a program began here.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol

VERSION: Final = 1
KEY_BYTES: Final = 16
CHECKED_BYTES: Final = 1 << 20
"""Bodies up to this size are checked when a journal is opened; larger ones when they are read."""
PIECE_BYTES: Final = 1 << 20

_MAGIC: Final = b"hxGridJ\n"
_FILE = struct.Struct("<8sHHI")
_HEAD = struct.Struct("<BBHIQQ16sI")
_CRC = struct.Struct("<I")
_PARENT = struct.Struct("<IH")
FILE_BYTES: Final = _FILE.size
HEAD_BYTES: Final = _HEAD.size
TAIL_BYTES: Final = _CRC.size
_NO_KEY: Final = bytes(KEY_BYTES)


class Kind(enum.IntEnum):
    """What a record is."""

    RESULT = 1
    NODE = 2
    USED = 3
    RUN = 4


class Head(NamedTuple):
    """The fixed part of a record, and where it stands."""

    kind: int
    flags: int
    node: int
    body_bytes: int
    raw_bytes: int
    key: bytes
    crc: int
    at: int
    """Where the record begins in the file."""

    @property
    def body_at(self) -> int:
        """Where the body begins."""
        return self.at + HEAD_BYTES

    @property
    def end_at(self) -> int:
        """Where the next record begins."""
        return self.at + HEAD_BYTES + self.body_bytes + TAIL_BYTES


class Node(NamedTuple):
    """An answer to a request for global data; all those of `parent` were given before it."""

    number: int
    parent: int
    name: str
    digest: str
    """Empty: there was none."""


class Reader(Protocol):
    """What a journal is read from."""

    def __call__(self, at: int, size: int, /) -> Any:
        """Return up to `size` bytes from `at` on; fewer only at the end."""


def pack_file_head() -> bytes:
    """Make the beginning of a journal."""
    start = _FILE.pack(_MAGIC, VERSION, 0, 0)[:-4]
    return start + _CRC.pack(zlib.crc32(start))


def version_of(start: bytes) -> int | None:
    """Return the version of the journal that begins so; None if it is no journal."""
    if len(start) < FILE_BYTES:
        return None
    magic, version, _, crc = _FILE.unpack_from(start)
    is_whole = crc == zlib.crc32(start[: FILE_BYTES - 4])
    return int(version) if magic == _MAGIC and is_whole else None


def may_become_journal(start: bytes) -> bool:
    """Say whether a file that begins so is a journal whose making was cut short, or is empty."""
    return len(start) < FILE_BYTES and pack_file_head().startswith(start)


def pack_head(
    kind: Kind,
    body_bytes: int,
    *,
    flags: int = 0,
    node: int = 0,
    raw_bytes: int = 0,
    key: bytes = b"",
) -> bytes:
    """Make the head of a record."""
    start = _HEAD.pack(kind, flags, 0, node, body_bytes, raw_bytes, key or _NO_KEY, 0)[:-4]
    return start + _CRC.pack(zlib.crc32(start))


def body_crc(head: bytes, pieces: Iterable[Any]) -> bytes:
    """Make what follows the body, given in pieces, of the record with this head."""
    (crc,) = _CRC.unpack(head[-4:])
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return _CRC.pack(crc)


def pack_record(kind: Kind, body: Any, **fields: Any) -> bytes:
    """Make a small record as a whole; `fields` as in `pack_head`."""
    head = pack_head(kind, len(body), **fields)
    return b"".join((head, body, body_crc(head, (body,))))


def pack_node(node: Node) -> bytes:
    """Make a NODE record."""
    digest = node.digest.encode("ascii")
    body = _PARENT.pack(node.parent, len(digest)) + digest + node.name.encode("utf-8")
    return pack_record(Kind.NODE, body, node=node.number)


def read_node(head: Head, body: bytes) -> Node | None:
    """Read the body of a NODE record; None if it makes no sense."""
    if len(body) < _PARENT.size:
        return None
    parent, digest_bytes = _PARENT.unpack_from(body)
    end = _PARENT.size + digest_bytes
    try:
        digest, name = body[_PARENT.size : end].decode("ascii"), body[end:].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Node(head.node, parent, name, digest) if parent < head.node else None


def read_head(start: Any, at: int) -> Head | None:
    """Read the head of the record at `at`; None if it is not whole."""
    if len(start) < HEAD_BYTES:
        return None
    kind, flags, _, node, body_bytes, raw_bytes, key, crc = _HEAD.unpack_from(start)
    if crc != zlib.crc32(start[: HEAD_BYTES - 4]):
        return None
    return Head(kind, flags, node, body_bytes, raw_bytes, key, crc, at)


def is_body_whole(head: Head, pieces: Iterable[Any], tail: Any) -> bool:
    """Say whether a body, given in pieces, is what was written with this head."""
    crc = head.crc
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return bytes(tail) == _CRC.pack(crc)


def scan(read: Reader, size: int) -> Iterator[tuple[Head, bytes]]:
    """Give the records of a journal up to the first that is not whole, in order.

    The bodies of results are left out: `b""`.
    """
    at = FILE_BYTES
    while (head := read_head(read(at, HEAD_BYTES), at)) is not None and head.end_at <= size:
        body = b""
        if head.body_bytes <= CHECKED_BYTES:
            body = bytes(read(head.body_at, head.body_bytes))
            if not is_body_whole(head, (body,), read(head.end_at - TAIL_BYTES, TAIL_BYTES)):
                return
        elif head.kind != Kind.RESULT:
            return
        yield head, b"" if head.kind == Kind.RESULT else body
        at = head.end_at
