""".arg files: pictures of more than 8 bits, in the layouts that NormalMapper's flags name.

A packed head (u16 width, u16 height, u8 bits of a texel, u32 format, u32 that meant something to
the program that wrote it; 0 here), then texels from the bottom up, little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import JobError

if TYPE_CHECKING:
    from .picture import Floats

HEAD = struct.Struct("<HHBII")
_GREY_16 = 5
_HALF = 32767.5


class Layout(NamedTuple):
    """How a texel lies in the file."""

    code: int
    channels: int
    """2: x, y; 4: x, y, z and openness."""
    kept_bits: tuple[int, int, int] | None = None
    """Of each 16 for x, y, z; what is below is cut off. Such numbers are unsigned: -1 is 0."""
    is_packed: bool = False
    """All in 32 bits: ten each for x, y, z from the highest bit down, two for nothing."""

    @property
    def bits(self) -> int:
        """The size of a texel."""
        return 32 if self.is_packed else 16 * self.channels


# By the letter of the flag.
LAYOUTS: dict[str, Layout] = {
    "h": Layout(code=8, channels=2),
    "H": Layout(code=9, channels=4),
    "i": Layout(code=10, channels=4, is_packed=True),
    "s": Layout(code=7, channels=4, kept_bits=(10, 10, 10)),
    "S": Layout(code=7, channels=4, kept_bits=(11, 11, 10)),
}
DEFAULT_LAYOUT = "H"


def write_arg(path: Path, layout: Layout, normals: Floats, openness: Floats | None) -> None:
    """Write normals, and openness where the layout has a place for it (0 where there is none)."""
    height, width = normals.shape[:2]
    inside = np.clip(normals, -1, 1)
    if layout.is_packed:
        texels = _packed(inside)
    elif layout.kept_bits is not None:
        texels = _cut(inside, layout.kept_bits)
    else:
        texels = _whole(inside, openness, layout.channels)
    _write(path, width, height, layout.bits, layout.code, texels)


def write_grey(path: Path, values: Floats) -> None:
    """Write one channel of 16 bits: values over the largest of them, with their sign."""
    height, width = values.shape
    largest = np.abs(values).max() or np.float32(1)
    _write(path, width, height, 16, _GREY_16, _signed(values / largest))


def _signed(values: Floats) -> bytes:
    """Return numbers from -1 to 1 as words from -32767 to 32767."""
    return np.trunc(_HALF * values.astype(np.float64)).astype("<i2").tobytes()


def _whole(normals: Floats, openness: Floats | None, channels: int) -> bytes:
    signed = np.frombuffer(_signed(normals), "<u2").reshape(normals.shape)
    words = np.zeros((*normals.shape[:2], channels), "<u2")
    words[:, :, :3] = signed[:, :, :channels]
    if channels == 4 and openness is not None:
        words[:, :, 3] = (np.clip(openness, 0, 1) * np.float32(65535)).astype(np.uint16)
    return words.tobytes()


def _cut(normals: Floats, kept_bits: tuple[int, int, int]) -> bytes:
    # The fourth word is the middle, always: what the original takes for nothing there.
    words = np.full((*normals.shape[:2], 4), int(_HALF), "<u2")
    masks = np.array([0xFFFF << (16 - bits) & 0xFFFF for bits in kept_bits], np.uint16)
    words[:, :, :3] = (normals.astype(np.float64) * _HALF + _HALF).astype(np.uint16) & masks
    return words.tobytes()


def _packed(normals: Floats) -> bytes:
    x, y, z = np.moveaxis(np.trunc(normals * np.float32(511)).astype(np.int64) + 511, 2, 0)
    texels = np.asarray(x << 22 | y << 12 | z << 2, "<u4")
    return texels.tobytes()


def _write(path: Path, width: int, height: int, bits: int, code: int, texels: bytes) -> None:
    if max(width, height) > 0xFFFF:
        raise JobError(f"an .arg picture has at most 65535 pixels each way, not {width} x {height}")
    path.write_bytes(HEAD.pack(width, height, bits, code, 0) + texels)
