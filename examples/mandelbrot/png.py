"""Writing pictures as PNG, with words in them that say what they show."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Picture = np.ndarray[Any, np.dtype[np.uint8]]

_HEAD = b"\x89PNG\r\n\x1a\n"
_RGB = 2
_UP = 2


def encode_png(picture: Picture, words: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG file of rows x columns x (red, green, blue); `words` are its text entries."""
    rows, columns, _ = picture.shape
    # Differences to the row above compress best of what is quick to compute.
    above = np.zeros_like(picture)
    above[1:] = picture[:-1]
    filtered = (picture - above).reshape(rows, columns * 3)
    lines = np.insert(filtered, 0, _UP, axis=1)
    return b"".join(
        [
            _HEAD,
            _chunk(b"IHDR", struct.pack(">2I5B", columns, rows, 8, _RGB, 0, 0, 0)),
            *(_chunk(b"tEXt", _text(name, value)) for name, value in (words or {}).items()),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _text(name: str, value: str) -> bytes:
    return name.encode("latin-1") + b"\0" + value.encode("latin-1", "replace")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
