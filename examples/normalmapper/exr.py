"""OpenEXR files: single scan lines of 32-bit floats, compressed like a ZIP file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Plane = np.ndarray[Any, np.dtype[np.float32]]

_MAGIC = 20000630
_VERSION = 2
_FLOAT = 2
_ZIP_SINGLE_LINES = 2


def write_exr(path: Path, planes: Mapping[str, Plane]) -> None:
    """Write channels of one size by their names, each with its rows from the bottom up."""
    names = sorted(planes)
    height, width = planes[names[0]].shape
    head = struct.pack("<II", _MAGIC, _VERSION) + _attributes(names, width, height)
    lines = [_line([planes[name][height - 1 - row] for name in names]) for row in range(height)]
    offset = len(head) + 8 * height
    offsets, blocks = [], []
    for row, line in enumerate(lines):
        offsets.append(offset)
        blocks.append(struct.pack("<iI", row, len(line)) + line)
        offset += len(blocks[-1])
    path.write_bytes(head + struct.pack(f"<{height}Q", *offsets) + b"".join(blocks))


def _attributes(names: list[str], width: int, height: int) -> bytes:
    channels = b"".join(
        name.encode("ascii") + b"\0" + struct.pack("<iB3xii", _FLOAT, 0, 1, 1) for name in names
    )
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    fields = [
        ("channels", "chlist", channels + b"\0"),
        ("compression", "compression", bytes([_ZIP_SINGLE_LINES])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    packed = [
        f"{name}\0{kind}\0".encode("ascii") + struct.pack("<i", len(value)) + value
        for name, kind, value in fields
    ]
    return b"".join(packed) + b"\0"


def _line(rows: list[Plane]) -> bytes:
    """Return one line as the format wants it: halves apart, differences of bytes, deflated."""
    raw = np.frombuffer(b"".join(row.astype("<f4").tobytes() for row in rows), np.uint8)
    parted = np.concatenate([raw[0::2], raw[1::2]])
    differences = parted.copy()
    differences[1:] = parted[1:] - parted[:-1] + np.uint8(128)
    packed = zlib.compress(differences.tobytes(), 6)
    # A line that does not get smaller is stored as it is.
    return packed if len(packed) < len(raw) else raw.tobytes()
