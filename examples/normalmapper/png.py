"""PNG files with 8 or 16 bits a channel, and an example of how little it takes to write one."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Pixels = np.ndarray[Any, np.dtype[np.uint8]] | np.ndarray[Any, np.dtype[np.uint16]]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
_FILTER_UP = 2


def write_png(path: Path, pixels: Pixels) -> None:
    """Write rows of pixels with 1, 3 or 4 channels, uint8 or uint16, from the bottom up."""
    height, width, channels = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    head = struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPES[channels], 0, 0, 0)
    # A PNG begins at the top.
    flipped = pixels[::-1].astype(pixels.dtype.newbyteorder(">"))
    rows = np.frombuffer(flipped.tobytes(), np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    body = zlib.compress(filtered.tobytes(), 6)
    path.write_bytes(
        _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    )


def _chunk(tag: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(tag + body))
    return struct.pack(">I", len(body)) + tag + body + check
