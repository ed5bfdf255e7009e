"""The frames at the corners of a mesh, for showing it: where a map's x and y point there.

The map itself is computed by the C++ library with frames of its own; for looking at it, the usual
ones do: the directions in which u and v grow, averaged over the triangles that share a corner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .nmf import Mesh

    Vectors = np.ndarray[Any, np.dtype[np.float64]]
    Table = np.ndarray[Any, np.dtype[np.float32]]


def corner_table(mesh: Mesh) -> Table:
    """Return a row of 14 floats for each corner: position, tangent, binormal, normal, u, v."""
    wide = mesh.astype(np.float64)
    positions = wide[:, 0:9].reshape(-1, 3, 3)
    normals = _unit(wide[:, 9:18].reshape(-1, 3, 3))
    uv = wide[:, 18:24].reshape(-1, 3, 2)
    tangents, binormals = _directions(positions, uv)
    same = _same_corners(np.concatenate([positions, normals, uv], axis=2).reshape(-1, 8))
    frame = [
        _across(_averaged(np.repeat(directions, 3, axis=0), same), normals.reshape(-1, 3))
        for directions in (tangents, binormals)
    ]
    columns = [positions.reshape(-1, 3), *frame, normals.reshape(-1, 3), uv.reshape(-1, 2)]
    return np.concatenate(columns, axis=1).astype("<f4")


def _directions(positions: Vectors, uv: Vectors) -> tuple[Vectors, Vectors]:
    """Return the way in which u grows, and v, on each triangle."""
    edges, steps = positions[:, 1:] - positions[:, :1], uv[:, 1:] - uv[:, :1]
    area = steps[:, 0, 0] * steps[:, 1, 1] - steps[:, 1, 0] * steps[:, 0, 1]
    sign = np.where(area < 0, -1.0, 1.0)[:, None]
    along_u = sign * (edges[:, 0] * steps[:, 1, 1, None] - edges[:, 1] * steps[:, 0, 1, None])
    along_v = sign * (edges[:, 1] * steps[:, 0, 0, None] - edges[:, 0] * steps[:, 1, 0, None])
    return _unit(along_u), _unit(along_v)


def _same_corners(rows: Vectors) -> Any:
    """Return for each corner the number of its group: equal position, normal, u and v."""
    _, groups = np.unique(np.round(rows, 6), axis=0, return_inverse=True)
    return groups.reshape(-1)


def _averaged(vectors: Vectors, groups: Any) -> Vectors:
    totals = np.zeros((int(groups.max()) + 1, 3))
    np.add.at(totals, groups, vectors)
    return np.asarray(totals[groups])


def _across(vectors: Vectors, normals: Vectors) -> Vectors:
    along = (vectors * normals).sum(axis=-1, keepdims=True)
    return _unit(vectors - normals * along)


def _unit(vectors: Vectors) -> Vectors:
    length = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    return np.asarray(vectors / np.where(length > 0, length, 1))
