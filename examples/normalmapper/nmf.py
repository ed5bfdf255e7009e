"""NMF files: the mesh format of NormalMapper.

A file is a row of chunks, each a tag of four characters and the count of its bytes (u32, the lowest
byte first). "NMF " holds the others: reading goes on right behind its head. "TRIS" has a count
(i32) and the triangles, 24 floats each: three positions, three normals, three texture coordinates.
Other chunks are skipped. Only the first TRIS counts.

A mesh is an array of float32 of shape (triangles, 24).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import JobError

if TYPE_CHECKING:
    Mesh = np.ndarray[Any, np.dtype[np.float32]]

FLOATS = 24
MOST_TRIANGLES = 1 << 28

_HEAD = struct.Struct("<4sI")
_COUNT = struct.Struct("<i")
_TRIANGLE_BYTES = 4 * FLOATS


def read_nmf(path: Path) -> Mesh:
    """Return the triangles of the file. Raises `JobError`; `OSError` if it cannot be opened."""
    size = path.stat().st_size
    with path.open("rb") as file:
        count = _find_triangles(file, path, size)
        left = size - file.tell()
        if count * _TRIANGLE_BYTES > left:
            raise JobError(
                f"{path} ends too early: it announces {count:,} triangles"
                f" ({count * _TRIANGLE_BYTES:,} bytes), but {left:,} bytes are left"
            )
        return np.fromfile(file, dtype="<f4", count=count * FLOATS).reshape(count, FLOATS)


def write_nmf(path: Path, mesh: Mesh) -> None:
    """Write a mesh."""
    body = np.ascontiguousarray(mesh, dtype="<f4")
    tris_bytes = _COUNT.size + body.nbytes
    with path.open("wb") as file:
        file.write(_HEAD.pack(b"NMF ", _HEAD.size + tris_bytes))
        file.write(_HEAD.pack(b"TRIS", tris_bytes))
        file.write(_COUNT.pack(len(body)))
        body.tofile(file)


def _find_triangles(file: BinaryIO, path: Path, size: int) -> int:
    """Go to the first triangle and return how many there are."""
    is_first = True
    while True:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise JobError(
                f"{path} is empty" if size == 0 else f"{path} has no triangles (no chunk TRIS)"
            )
        tag, chunk_bytes = _HEAD.unpack(head)
        if is_first and tag != b"NMF ":
            raise JobError(f"{path} is no NMF file: it does not begin with 'NMF '")
        is_first = False
        if tag == b"TRIS":
            return _count(file.read(_COUNT.size), path)
        if tag != b"NMF ":
            if chunk_bytes > size - file.tell():
                raise JobError(
                    f"{path} ends too early: its chunk {tag!r} announces {chunk_bytes:,} bytes"
                )
            file.seek(chunk_bytes, 1)


def _count(field: bytes, path: Path) -> int:
    count = _COUNT.unpack(field)[0] if len(field) == _COUNT.size else 0
    if count < 1:
        raise JobError(f"{path} has no triangles")
    if count > MOST_TRIANGLES:
        raise JobError(f"{path} announces {count:,} triangles; {MOST_TRIANGLES:,} is the most")
    return int(count)
