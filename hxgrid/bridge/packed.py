"""The original's compressed form of a stream: two words, the size, and a zlib stream.

`CompressStream` makes it, and the bytes may then be copied about before they come back as an input
or as global data. Two words are no proof, so only what expands to exactly the size it declares
is taken for compressed: other data that begin alike stay what they are.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

_HEAD: Final = struct.Struct("<III")
_FIRST: Final = 0x94903495
_SECOND: Final = 0xA40943FF
_MOST_EXPANSION: Final = 1032
"""What a byte of a zlib stream can stand for at the most."""


def compress(data: bytes) -> bytes | None:
    """Return the compressed form; None where it already is that, or would not be smaller."""
    if expand(data) is not None:
        return None
    packed = _HEAD.pack(_FIRST, _SECOND, len(data)) + zlib.compress(data, 1)
    return packed if len(packed) < len(data) else None


def expand(data: bytes) -> bytes | None:
    """Return what was compressed, or None if this is not the compressed form of anything."""
    if len(data) < _HEAD.size:
        return None
    first, second, size = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :]
    if (first, second) != (_FIRST, _SECOND) or size > len(body) * _MOST_EXPANSION:
        return None
    expander = zlib.decompressobj()
    try:
        expanded = expander.decompress(body, max(1, size))
        # Whether that was all shows only when it is asked for more.
        rest = expander.decompress(expander.unconsumed_tail, 1)
    except zlib.error:
        return None
    is_whole = expander.eof and not expander.unused_data and not rest
    return expanded if is_whole and len(expanded) == size else None


def expanded_or_same(data: bytes) -> bytes:
    """Return what was compressed, or the data themselves."""
    expanded = expand(data)
    return data if expanded is None else expanded
