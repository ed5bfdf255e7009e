"""PNG files with 8 or 16 bits a channel, and an example of how little it takes to write one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Pixels = np.ndarray[Any, np.dtype[np.uint8]] | np.ndarray[Any, np.dtype[np.uint16]]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
_UP = 2


def encode_png(pixels: Pixels, words: Mapping[str, str] | None = None) -> bytes:
    """Return a file of rows of pixels with 1, 3 or 4 channels, uint8 or uint16, from the top down.

    `words` are its text entries.
    """
    height, width, channels = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    head = struct.pack(">2I5B", width, height, bits, _COLOUR_TYPES[channels], 0, 0, 0)
    ordered = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = np.frombuffer(ordered.tobytes(), np.uint8).reshape(height, -1)
    # Differences to the row above compress best of what is quick to compute.
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", head),
            *(_chunk(b"tEXt", _text(name, value)) for name, value in (words or {}).items()),
            _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _text(name: str, value: str) -> bytes:
    return name.encode("latin-1") + b"\0" + value.encode("latin-1", "replace")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
