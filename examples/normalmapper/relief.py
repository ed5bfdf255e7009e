"""Height maps: from grey values to normals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .tga import read_tga

if TYPE_CHECKING:
    Normals = np.ndarray[Any, np.dtype[np.float32]]
    Heights = np.ndarray[Any, np.dtype[np.float64]]


def read_relief(path: Path, scale: float) -> Normals:
    """Return the normals of a TGA height map: (height, width, 3). Raises `JobError`."""
    return relief_normals(read_tga(path)[:, :, 0] / 255.0 * scale)


def relief_normals(heights: Heights) -> Normals:
    """Return the normals of heights that repeat endlessly; row 0 is v = 0.

    The slope is Sobel's, without its factor of 1/8, and across the rows it has the sign that the
    original gives it.
    """

    def moved(across: int, along: int) -> Heights:
        return np.roll(heights, (-along, -across), axis=(0, 1))

    def three(values: tuple[Heights, Heights, Heights]) -> Heights:
        return values[0] + 2 * values[1] + values[2]

    right = three((moved(1, -1), moved(1, 0), moved(1, 1)))
    left = three((moved(-1, -1), moved(-1, 0), moved(-1, 1)))
    before = three((moved(-1, -1), moved(0, -1), moved(1, -1)))
    behind = three((moved(-1, 1), moved(0, 1), moved(1, 1)))
    across, along = right - left, before - behind
    length = np.sqrt(across * across + along * along + 1)
    return np.stack([-across / length, -along / length, 1 / length], axis=2).astype(np.float32)
