"""Reading the pictures that examples write, by the specification and as far as ours go."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

CHANNELS = {0: 1, 2: 3, 6: 4}


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and content of each chunk, its sum checked."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = [], 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + size)[0]
        found.append((kind, body))
        at += 12 + size
    assert at == len(data)
    return found


def decoded_png(data: bytes) -> np.ndarray[Any, Any]:
    """Return rows of pixels, from the top down."""
    chunks = png_chunks(data)
    assert (chunks[0][0], chunks[-1]) == (b"IHDR", (b"IEND", b""))
    width, height, bits, colours, *zeros = struct.unpack(">IIBBBBB", chunks[0][1])
    assert zeros == [0, 0, 0]
    body = zlib.decompress(b"".join(part for kind, part in chunks if kind == b"IDAT"))
    rows = np.frombuffer(body, np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 2).all()
    plain = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    words = np.frombuffer(plain.tobytes(), f">u{bits // 8}")
    return words.reshape(height, width, CHANNELS[colours]).astype(f"u{bits // 8}")
