"""The reference's meshes, and the directions of u and v at their corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tests.unit.examples.normalmapper.rules import TINY

Array = np.ndarray[Any, Any]


def unit(v: Array, otherwise: tuple[float, float, float] = (1, 0, 0)) -> Array:
    length = np.sqrt((v * v).sum(axis=-1, keepdims=True))
    return np.where(length < TINY, np.array(otherwise, float), v / np.where(length, length, 1.0))


class Frames(NamedTuple):
    """Tangent and binormal of each corner: (n, 3, 3) each."""

    tangents: Array
    binormals: Array


@dataclass
class Entry:
    """What corners share."""

    key: tuple[float, ...]
    """Position, normal, u and v."""
    total: Array
    """The sums of the tangents and of the binormals."""

    def side_of(self, other: Entry) -> int:
        """Return -1 if this comes before the other, 1 if after, 0 if they are one."""
        for mine, theirs in zip(self.key, other.key, strict=True):
            if abs(mine - theirs) > TINY:
                return -1 if mine > theirs else 1
        for mine, theirs in zip(self.total, other.total, strict=True):
            if unit(mine) @ unit(theirs) < 0.3:
                return -1 if mine[0] > theirs[0] else 1
        return 0


class Mesh:
    """Positions and normals (n, 3, 3), texture coordinates (n, 3, 2)."""

    def __init__(self, flat: Array) -> None:
        self.positions = flat[:, :9].reshape(-1, 3, 3)
        self.normals = flat[:, 9:18].reshape(-1, 3, 3)
        self.uv = flat[:, 18:].reshape(-1, 3, 2)

    def frames(self) -> Frames:
        """Corners of the same place, normal and (u, v) share one, where they do not disagree.

        They are looked for by bisection in a list that is not quite sorted, as sums change in it:
        some are missed, and which ones is part of the description.
        """
        keys = np.concatenate([self.positions, self.normals, self.uv], axis=2).astype(float)
        entries: list[Entry] = []
        sorted_entries: list[Entry] = []
        for key, own in zip(keys.reshape(-1, 8), self._own_frames().reshape(-1, 2, 3), strict=True):
            entry = Entry(tuple(key.tolist()), own.copy())
            begin, end, found = 0, len(sorted_entries), -1
            side = -1
            while found != (begin + end) // 2:
                found = (begin + end) // 2
                if found == end:
                    break
                side = entry.side_of(sorted_entries[found])
                if side == 0:
                    break
                begin, end = (begin, found) if side < 0 else (found, end)
            if side == 0:
                entry = sorted_entries[found]
                entry.total += own
            else:
                sorted_entries.insert(found + (side > 0), entry)
            entries.append(entry)
        totals = unit(np.array([entry.total for entry in entries])).reshape(-1, 3, 2, 3)
        return Frames(totals[:, :, 0], totals[:, :, 1])

    def _own_frames(self) -> Array:
        """Return where u and v rise at each corner, upright on its normal: (n, 3, 2, 3)."""
        found = np.empty((len(self.uv), 3, 2, 3))
        for number, normals in enumerate(self.normals.astype(float)):
            if not self.uv[number, :, 0].any():
                found[number] = (1, 0, 0), (0, 0, 1)
                continue
            order = [0, 1, 2]
            for index, otherwise in enumerate(((1, 0, 0), (0, 0, 1))):
                way = self._rising(number, 1 - index, order)
                upright = way - normals * (normals * way).sum(axis=1, keepdims=True)
                length = np.sqrt((upright * upright).sum(axis=1, keepdims=True))
                whole = upright * (1 / np.where(length, length, 1.0))
                found[number, :, index] = np.where(length < TINY, np.array(otherwise), whole)
        return found

    def _rising(self, number: int, by: int, order: list[int]) -> Array:
        """Return the way that is level in coordinate `by`; the corners get into its order."""
        uv, positions = self.uv[number].astype(float), self.positions[number].astype(float)
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if uv[order[a], by] < uv[order[b], by]:
                order[a], order[b] = order[b], order[a]
        top, middle, bottom = order
        fall = uv[bottom, by] - uv[top, by]
        share = 1.0 if abs(fall) < TINY else (uv[middle, by] - uv[top, by]) / fall
        across = uv[top, 1 - by] + (uv[bottom, 1 - by] - uv[top, 1 - by]) * share
        way = positions[top] + (positions[bottom] - positions[top]) * share - positions[middle]
        return np.asarray(-way if across < uv[middle, 1 - by] else way)
