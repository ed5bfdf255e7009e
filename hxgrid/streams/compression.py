"""When bytes are compressed, how, and how they are expanded without trusting anybody.

Inputs and results follow one rule: compress if larger than the threshold, not compressed yet, and
the first 64 KiB shrink by more than a tenth. The sample costs tens of microseconds and saves the
attempt on data that is packed already (images, archives).

LZ4, as blocks and not as frames: a frame carries its size, checksums and 64 KiB to 4 MiB block
headers that a message has already, and costs more on the small payloads that are most of them (a
quarter more time at 64 KiB; no difference at 8 MiB). The price is that the receiver must be told
the size. It is told beside the bytes, as it is told *that* they are compressed: nothing in the
bytes says so, hence no data can be mistaken for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lz4.block

from hxgrid.errors import RemoteProtocolError
from hxgrid.streams.buffers import flat_view
from hxgrid.streams.errors import CorruptPayload

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from hxgrid.streams.stream import Stream

SAMPLE_BYTES = 64 * 1024
WORTHWHILE_RATIO = 0.9
"""What the sample must shrink below, as a part of its size."""
MAX_BLOCK_BYTES = 0x7E000000
"""The largest input of one LZ4 block; anything larger travels as it is."""
_MAX_EXPANSION = 255
"""An LZ4 byte stands for at most 255; whoever declares more lies about the size."""


def pack(data: ReadableBuffer, threshold_bytes: int) -> tuple[ReadableBuffer, bool]:
    """Return the bytes to send and whether they are compressed.

    Not compressed means `data` itself, not a copy. Compressed bytes are smaller than `data`; to
    expand them the receiver needs the size of `data`.
    """
    view = flat_view(data)
    if not threshold_bytes < len(view) <= MAX_BLOCK_BYTES or not _is_worthwhile(view):
        return data, False
    packed: bytes = lz4.block.compress(view, store_size=False)
    return (packed, True) if len(packed) < len(view) else (data, False)


def unpack(payload: ReadableBuffer, raw_size: int, limit_bytes: int) -> bytes:
    """Return the bytes that `pack` made `payload` from.

    `raw_size` is what the sender declares. It is held against `limit_bytes` (more raises
    `RemoteProtocolError`) and against what `payload` could possibly expand to before any memory is
    taken; bytes that expand to anything else raise `CorruptPayload`.
    """
    if raw_size > limit_bytes:
        raise RemoteProtocolError(
            f"a payload declares {raw_size} bytes after expansion",
            why=f"at most {limit_bytes} are allowed",
        )
    packed_size = memoryview(payload).nbytes
    if not 0 <= raw_size <= min(packed_size * _MAX_EXPANSION, MAX_BLOCK_BYTES):
        raise CorruptPayload(f"{packed_size} compressed bytes cannot expand to {raw_size}")
    try:
        data: bytes = lz4.block.decompress(payload, uncompressed_size=raw_size)
    except lz4.block.LZ4BlockError as error:
        raise CorruptPayload(
            f"{packed_size} compressed bytes do not expand to {raw_size}", why=str(error)
        ) from error
    if len(data) != raw_size:
        raise CorruptPayload(
            f"{packed_size} compressed bytes expand to {len(data)}, not to {raw_size} as declared"
        )
    return data


def compress_stream(stream: Stream, threshold_bytes: int) -> bool:
    """Compress a stream in place if the rule says so; return whether it is compressed now.

    Then its bytes are the compressed ones, its position is 0, and `stream.raw_size` is the size
    before. A stream that is compressed already is left alone.
    """
    if stream.is_compressed:
        return True
    raw_size = len(stream)
    payload, is_compressed = pack(stream.getbuffer(), threshold_bytes)
    if is_compressed:
        stream.set_content(bytes(payload), raw_size=raw_size)
    return is_compressed


def expand_stream(stream: Stream, limit_bytes: int) -> None:
    """Undo `compress_stream`; the position is 0 afterwards if there was something to undo."""
    if stream.is_compressed:
        stream.set_content(unpack(stream.getbuffer(), stream.raw_size, limit_bytes))


def _is_worthwhile(view: memoryview) -> bool:
    sample = view[:SAMPLE_BYTES]
    packed = lz4.block.compress(sample, store_size=False)
    return len(packed) < len(sample) * WORTHWHILE_RATIO
