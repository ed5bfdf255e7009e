"""TGA files: what NormalMapper writes, and the height maps that it reads.

Row 0 of every array here is the first row of the file, which is v = 0: the bottom of the picture.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import JobError

if TYPE_CHECKING:
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]

# id length, colour map type, image type, colour map (5 bytes), x, y, width, height, depth, flags
_HEAD = struct.Struct("<BBB5sHHHHBB")
_TRUE_COLOUR = 2
_GREY = 3
_FLAGS = 8


def write_tga(path: Path, pixels: Bytes) -> None:
    """Write rows of pixels R, G, B or R, G, B, A, from the bottom up."""
    height, width, channels = pixels.shape
    if max(width, height) > 0xFFFF:
        raise JobError(f"a TGA picture has at most 65535 pixels each way, not {width} x {height}")
    head = _HEAD.pack(0, 0, _TRUE_COLOUR, bytes(5), 0, 0, width, height, 8 * channels, _FLAGS)
    order = [2, 1, 0, 3][:channels]
    path.write_bytes(head + pixels[:, :, order].tobytes())


def read_tga(path: Path) -> Bytes:
    """Return the bytes of an uncompressed picture: (height, width, bytes of a pixel).

    Pixels stay as they lie in the file (B, G, R, A), rows too: bits that say where a picture begins
    are not looked at. Raises `JobError`.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) < _HEAD.size:
        raise JobError(f"{path} is no TGA picture: it has only {len(raw)} bytes")
    id_length, has_map, kind, _, _, _, width, height, depth, _ = _HEAD.unpack_from(raw)
    if has_map or kind not in (_TRUE_COLOUR, _GREY) or depth not in (8, 16, 24, 32):
        raise JobError(
            f"{path} is not an uncompressed TGA picture of 8, 16, 24 or 32 bits"
            f" (type {kind}, {depth} bits)"
        )
    if not width or not height:
        raise JobError(f"{path} has no pixels: it is {width} x {height}")
    begin, needed = _HEAD.size + id_length, width * height * depth // 8
    if len(raw) - begin < needed:
        raise JobError(
            f"{path} ends too early: {width} x {height} pixels of {depth} bits take {needed:,}"
            f" bytes, {max(0, len(raw) - begin):,} are there"
        )
    body = np.frombuffer(raw, dtype=np.uint8, count=needed, offset=begin)
    return body.reshape(height, width, depth // 8)
