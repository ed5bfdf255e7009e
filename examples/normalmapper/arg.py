""".arg files: pictures of more than 8 bits, in the layouts that NormalMapper's flags name.

A packed head (u16 width, u16 height, u8 bits of a texel, u32 format, u32 that meant something to
the program that wrote it; 0 here), then texels from the bottom up, little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import JobError

if TYPE_CHECKING:
    from .picture import Floats

    Words = np.ndarray[Any, np.dtype[np.int16]]

HEAD = struct.Struct("<HHBII")
_GREY_16 = 5
_HALF = 32767.5
_WHOLE = 65535.0


class Layout(NamedTuple):
    """How a texel lies in the file."""

    code: int
    channels: int
    """2: x, y; 4: x, y, z and openness."""
    kept_bits: int = 16
    """Of each 16; what is below is cut off."""
    is_packed: bool = False
    """All in 32 bits: ten each for x, y, z from the lowest bit up, two for openness."""

    @property
    def bits(self) -> int:
        """The size of a texel."""
        return 32 if self.is_packed else 16 * self.channels


# By the letter of the flag.
LAYOUTS: dict[str, Layout] = {
    "h": Layout(code=8, channels=2),
    "H": Layout(code=9, channels=4),
    "i": Layout(code=10, channels=4, is_packed=True),
    "s": Layout(code=9, channels=4, kept_bits=10),
    "S": Layout(code=9, channels=4, kept_bits=11),
}
DEFAULT_LAYOUT = "H"


def write_arg(path: Path, layout: Layout, normals: Floats, openness: Floats | None) -> None:
    """Write normals as signed numbers, 1 as 32767, and openness (1 where there is none)."""
    height, width = normals.shape[:2]
    wide = np.clip(normals.astype(np.float64), -1, 1)
    open_sky = np.ones((height, width)) if openness is None else openness.astype(np.float64)
    open_sky = np.clip(open_sky, 0, 1)
    if layout.is_packed:
        texels = _packed(wide, open_sky).astype("<u4")
    else:
        texels = _words(wide, open_sky, layout).astype("<i2")
    _write(path, width, height, layout.bits, layout.code, texels.tobytes())


def write_grey(path: Path, values: Floats) -> None:
    """Write one channel of 16 bits: values over the largest of them, 0 in the middle."""
    height, width = values.shape
    largest = float(np.abs(values).max()) or 1.0
    grey = np.rint(32767 * (values.astype(np.float64) / largest)) + 32768
    _write(path, width, height, 16, _GREY_16, grey.astype("<u2").tobytes())


def _words(normals: Any, openness: Any, layout: Layout) -> Words:
    words = np.trunc(_HALF * normals[:, :, : min(layout.channels, 3)])
    words = np.clip(words, -32768, 32767).astype(np.int16)
    if layout.channels == 4:
        # The same 16 bits as an unsigned number.
        alpha = np.trunc(_WHOLE * openness).astype(np.uint16).view(np.int16)
        words = np.dstack([words, alpha])
    return np.asarray(words & np.int16(-1 << (16 - layout.kept_bits)))


def _packed(normals: Any, openness: Any) -> Any:
    x, y, z = np.moveaxis(np.trunc(511.5 * normals + 511.5).astype(np.uint32), 2, 0)
    alpha = np.trunc(3 * openness).astype(np.uint32)
    return x | y << np.uint32(10) | z << np.uint32(20) | alpha << np.uint32(30)


def _write(path: Path, width: int, height: int, bits: int, code: int, texels: bytes) -> None:
    if max(width, height) > 0xFFFF:
        raise JobError(f"an .arg picture has at most 65535 pixels each way, not {width} x {height}")
    path.write_bytes(HEAD.pack(width, height, bits, code, 0) + texels)
