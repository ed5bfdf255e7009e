"""Height maps: from grey values to normals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .tga import read_tga

if TYPE_CHECKING:
    Normals = np.ndarray[Any, np.dtype[np.float32]]
    Heights = np.ndarray[Any, np.dtype[np.float32]]

# Beyond this, slopes stand upright within the precision of a float, and squares leave its range.
_STEEPEST = 1e15


def read_relief(path: Path, scale: float) -> Normals:
    """Return the normals of a TGA height map: (height, width, 3). Raises `JobError`."""
    grey = read_tga(path)[:, :, 0].astype(np.float32) / np.float32(255)
    return relief_normals(grey * np.float32(min(max(scale, -_STEEPEST), _STEEPEST)))


def relief_normals(heights: Heights) -> Normals:
    """Return the normals of heights that repeat endlessly; row 0 is v = 0.

    The slope is Sobel's, without its factor of 1/8, and across the rows it has the sign that the
    original gives it. Every step is rounded to a float, in the original's order: another one would
    move bytes of the picture here and there.
    """

    def at(across: int, along: int) -> Heights:
        return np.roll(heights, (-along, -across), axis=(0, 1))

    def slope(down: tuple[Heights, ...], up: tuple[Heights, ...]) -> Heights:
        return -down[0] - 2 * down[1] - down[2] + up[0] + 2 * up[1] + up[2]

    left, right = (tuple(at(side, row) for row in (-1, 0, 1)) for side in (-1, 1))
    before, behind = (tuple(at(column, side) for column in (-1, 0, 1)) for side in (-1, 1))
    across, along = slope(left, right), slope(behind, before)
    shrink = 1 / np.sqrt(across * across + along * along + 1)
    return np.stack([-across * shrink, -along * shrink, shrink], axis=2)
