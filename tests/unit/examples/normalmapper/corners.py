"""The reference's meshes, and the directions of u and v at their corners."""

from __future__ import annotations

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


class Mesh:
    """Positions and normals (n, 3, 3), texture coordinates (n, 3, 2)."""

    def __init__(self, flat: Array) -> None:
        self.positions = flat[:, :9].reshape(-1, 3, 3)
        self.normals = flat[:, 9:18].reshape(-1, 3, 3)
        self.uv = flat[:, 18:].reshape(-1, 3, 2)

    def frames(self) -> Frames:
        """Corners of the same place, normal and (u, v) share one, where they do not disagree."""
        alone = self._own_frames()
        keys = np.concatenate([self.positions, self.normals, self.uv], axis=2) + 0.0
        known: dict[bytes, list[Array]] = {}
        sums = []
        for key, own in zip(keys.reshape(-1, 8), alone.reshape(-1, 2, 3), strict=True):
            entries = known.setdefault(key.tobytes(), [])
            for entry in entries:
                if ((unit(entry) * own).sum(axis=1) >= 0.3).all():
                    np.add(entry, own, out=entry)
                    break
            else:
                entry = own.copy()
                entries.append(entry)
            sums.append(entry)
        found = unit(np.array(sums)).reshape(-1, 3, 2, 3)
        return Frames(found[:, :, 0], found[:, :, 1])

    def _own_frames(self) -> Array:
        """Return dP/du and dP/dv of each corner, upright on its normal."""
        positions, normals, uv = (
            part.astype(float) for part in (self.positions, self.normals, self.uv)
        )
        u1, v1 = (uv[:, 1] - uv[:, 0]).T[..., None]
        u2, v2 = (uv[:, 2] - uv[:, 0]).T[..., None]
        e1, e2 = positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]
        area = u1 * v2 - u2 * v1
        t, b = (e1 * v2 - e2 * v1) / area, (e2 * u1 - e1 * u2) / area
        upright = [
            way[:, None] - normals * (normals * way[:, None]).sum(axis=2, keepdims=True)
            for way in (t, b)
        ]
        return np.stack([unit(upright[0]), unit(upright[1], (0, 0, 1))], axis=2)
