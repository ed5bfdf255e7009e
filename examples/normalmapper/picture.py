"""The picture: put together from tiles, then made whole, and turned into bytes.

All of this happens in the application, after the last task. Row 0 is v = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .options import Options

if TYPE_CHECKING:
    from .plan import Part

    Floats = np.ndarray[Any, np.dtype[np.float32]]
    Doubles = np.ndarray[Any, np.dtype[np.float64]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]
    Words = np.ndarray[Any, np.dtype[np.uint16]]

TINY = 1e-7


@dataclass
class Picture:
    """Normals (height, width, 3), and what else was asked for (height, width)."""

    normals: Floats
    openness: Floats | None = None
    """1 where nothing hides the sky; the alpha channel."""
    distances: Floats | None = None

    @classmethod
    def blank(cls, width: int, height: int, options: Options) -> Picture:
        """Return a picture with nothing in it."""

        def plane() -> Floats:
            return np.zeros((height, width), np.float32)

        return cls(
            np.zeros((height, width, 3), np.float32),
            plane() if options.has_occlusion else None,
            plane() if options.has_displacement else None,
        )

    def place(self, part: Part, numbers: Floats) -> None:
        """Put what a task has computed where it belongs."""
        extra = [plane for plane in (self.openness, self.distances) if plane is not None]
        texels = numbers.reshape(part.texel_count, 3 + len(extra))
        begin = 0
        for x0, y0, x1, y1 in part.tiles.tolist():
            shape = (y1 - y0, x1 - x0)
            tile = texels[begin : begin + shape[0] * shape[1]].reshape(*shape, -1)
            begin += shape[0] * shape[1]
            self.normals[y0:y1, x0:x1] = tile[:, :, :3]
            for index, plane in enumerate(extra):
                plane[y0:y1, x0:x1] = tile[:, :, 3 + index]

    def finish(self, options: Options) -> None:
        """Make normals unit, fill what is near, filter."""
        filled = (np.abs(self.normals) >= TINY).any(axis=2)
        self.normals[filled] = _unit(self.normals[filled].astype(np.float64))
        for _ in range(options.dilation_passes):
            if not self._dilate():
                break
        if options.has_box_filter:
            self._filter()

    def halved(self) -> Picture:
        """Return the next level: each texel the mean of four."""
        height, width = self.normals.shape[:2]
        rows = _pairs(height)
        columns = _pairs(width)

        def four(plane: Floats) -> Doubles:
            wide = plane.astype(np.float64)
            top, bottom = wide[rows[0]], wide[rows[1]]
            return np.asarray(
                (top[:, columns[0]] + top[:, columns[1]])
                + (bottom[:, columns[0]] + bottom[:, columns[1]])
            )

        return Picture(
            _unit(four(self.normals), otherwise=(0, 0, 0)),
            _mean(four, self.openness),
            _mean(four, self.distances),
        )

    def to_bytes(self) -> Bytes:
        """Return R, G, B, and with occlusion A, of 8 bits."""
        colours = _scaled(self.normals, 127.5)
        if self.openness is None:
            return colours.astype(np.uint8)
        alpha = np.trunc(np.clip(np.float32(255) * self.openness, 0, 255))
        return np.dstack([colours, alpha]).astype(np.uint8)

    def to_words(self) -> Words:
        """Return R, G, B, and with occlusion A, of 16 bits."""
        colours = _scaled(self.normals, 32767.5)
        if self.openness is None:
            return colours.astype(np.uint16)
        alpha = np.trunc(np.clip(np.float32(65535) * self.openness, 0, 65535))
        return np.dstack([colours, alpha]).astype(np.uint16)

    # ------------------------------------------------------------------ filling

    def _dilate(self) -> bool:
        """Give empty texels what their neighbours have; False: there was nothing to do."""
        height, width = self.normals.shape[:2]
        is_filled: Mask = np.asarray((np.abs(self.normals) > TINY).any(axis=2))
        rows, columns = np.nonzero(~is_filled)
        neighbours = (
            (rows, (columns - 1) % width),
            (rows, (columns + 1) % width),
            ((rows - 1) % height, columns),
            ((rows + 1) % height, columns),
        )
        counts = sum(is_filled[place].astype(np.int64) for place in neighbours)
        near = np.asarray(counts) > 0
        if not near.any():
            return False
        places = [(row[near], column[near]) for row, column in neighbours]
        target = (rows[near], columns[near])
        total = np.zeros((len(target[0]), 3))
        for place in places:  # what is empty adds nothing, or less than matters
            total += np.where(is_filled[place][:, None], self.normals[place], 0)
        values = [
            (plane, _mean_of_filled(plane, places, is_filled))
            for plane in (self.openness, self.distances)
            if plane is not None
        ]
        self.normals[target] = _unit(total)
        for plane, mean in values:
            plane[target] = mean
        return True

    def _filter(self) -> None:
        """Make each texel the mean of four; the last row and column stay."""
        for plane in (self.openness, self.distances):
            if plane is not None:
                plane[:-1, :-1] = _squares(plane) / 4
        self.normals[:-1, :-1] = _unit(_squares(self.normals), otherwise=(0, 0, 0))


def level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return the sizes of a chain of mip levels, from the whole down to a single texel."""
    sizes = [(width, height)]
    while max(sizes[-1]) > 1:
        sizes.append((max(sizes[-1][0] // 2, 1), max(sizes[-1][1] // 2, 1)))
    return sizes


def _pairs(size: int) -> tuple[list[int], list[int]]:
    """Return which rows are joined with which; a single row with itself."""
    if size == 1:
        return [0], [0]
    return list(range(0, size - 1, 2)), list(range(1, size, 2))


def _squares(plane: Floats) -> Doubles:
    wide = plane.astype(np.float64)
    return np.asarray(wide[:-1, :-1] + wide[:-1, 1:] + wide[1:, :-1] + wide[1:, 1:])


def _mean(four: Any, plane: Floats | None) -> Floats | None:
    return None if plane is None else (four(plane) / 4).astype(np.float32)


def _mean_of_filled(plane: Floats, places: list[tuple[Any, Any]], is_filled: Mask) -> Doubles:
    total = np.zeros(len(places[0][0]))
    counts = np.zeros(len(places[0][0]))
    for place in places:
        total += np.where(is_filled[place], plane[place], 0)
        counts += is_filled[place]
    return np.asarray(total / counts)


def _unit(vectors: Doubles, otherwise: tuple[int, int, int] = (1, 0, 0)) -> Floats:
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    length = np.sqrt(x * x + y * y + z * z)
    is_long = length >= TINY
    scaled = vectors / np.where(is_long, length, 1)[..., None]
    return np.where(is_long[..., None], scaled, np.array(otherwise, float)).astype(np.float32)


def _scaled(normals: Floats, half: float) -> Doubles:
    return np.asarray(np.trunc(np.clip(half * normals.astype(np.float64) + half, 0, 2 * half)))
