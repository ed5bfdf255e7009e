"""A second NormalMapper, for tests: slow, in numpy, without a tree, and with no code in common.

It follows the description of what is computed, one texel after the other, with every triangle of
the high mesh tried for every line. Rules beyond "closest" and "furthest" are not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TINY = 1e-7


def unit(v: Array, otherwise: tuple[float, float, float] = (1, 0, 0)) -> Array:
    length = math.sqrt(float(v @ v))
    return np.array(otherwise, float) if length < TINY else v / length


@dataclass
class Mesh:
    """Positions, normals (n, 3, 3), texture coordinates (n, 3, 2)."""

    flat: Array
    positions: Array = field(init=False)
    normals: Array = field(init=False)
    uv: Array = field(init=False)

    def __post_init__(self) -> None:
        self.positions = self.flat[:, :9].reshape(-1, 3, 3)
        self.normals = self.flat[:, 9:18].reshape(-1, 3, 3)
        self.uv = self.flat[:, 18:].reshape(-1, 3, 2)


def frames(mesh: Mesh) -> Array:
    """Return (tangent, binormal) of each corner: (n, 3, 2, 3)."""
    entries: list[dict[str, Any]] = []
    members = []
    for positions, normals, uv in zip(mesh.positions, mesh.normals, mesh.uv, strict=True):
        for corner in range(3):
            key = np.concatenate([positions[corner], normals[corner], uv[corner]]).astype(float)
            t, b = corner_frame(positions.astype(float), normals[corner].astype(float), uv)
            for entry in entries:
                if (
                    np.abs(entry["key"] - key).max() <= TINY
                    and unit(entry["t"]) @ t >= 0.3
                    and unit(entry["b"]) @ b >= 0.3
                ):
                    break
            else:
                entry = {"key": key, "t": np.zeros(3), "b": np.zeros(3), "n": 0}
                entries.append(entry)
            entry["t"], entry["b"], entry["n"] = entry["t"] + t, entry["b"] + b, entry["n"] + 1
            members.append(entry)
    found = [[unit(entry["t"] / entry["n"]), unit(entry["b"] / entry["n"])] for entry in members]
    return np.array(found).reshape(-1, 3, 2, 3)


def corner_frame(positions: Array, normal: Array, uv: Array) -> tuple[Array, Array]:
    """Return dP/du and dP/dv of a triangle with an area, upright on the normal."""
    du, dv = uv[1:].astype(float) - uv[0].astype(float)
    edges = positions[1:] - positions[0]
    determinant = du[0] * dv[1] - dv[0] * du[1]
    t = (edges[0] * dv[1] - edges[1] * du[1]) / determinant
    b = (edges[1] * du[0] - edges[0] * dv[0]) / determinant
    return (
        unit(t - normal * (normal @ t)),
        unit(b - normal * (normal @ b), (0, 0, 1)),
    )


class Reference:
    """Computes a picture: `normals` is what the library calls the sum for each texel."""

    def __init__(self, low: Array, high: Array, size: tuple[int, int], **options: Any) -> None:
        self.low, self.high = Mesh(low), Mesh(high)
        self.width, self.height = size
        self.samples: Array = options.get("samples", np.zeros((1, 2)))
        self.rays: Array = options.get("rays", np.empty((0, 4)))
        self.is_furthest = options.get("is_furthest", False)
        self.is_bent = options.get("is_bent", False)
        self.relief: Array | None = options.get("relief")
        self.frames = frames(self.low)
        self.high_frames = frames(self.high) if self.relief is not None else None
        corners = self.high.positions
        self.origin = corners[:, 0].astype(float)
        self.e1 = (corners[:, 1] - corners[:, 0]).astype(float)
        self.e2 = (corners[:, 2] - corners[:, 0]).astype(float)

    def run(self) -> tuple[Array, Array]:
        """Return the normals (height, width, 3) and the openness."""
        shape = (self.height, self.width)
        main, edge = np.zeros((*shape, 3), np.float32), np.zeros((*shape, 3), np.float32)
        alpha, edge_alpha = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for number in range(len(self.low.uv)):
            for x, y in self.visits(number):
                total, openness = self.texel(number, x, y)
                if openness:
                    main[y, x] += total.astype(np.float32)
                    alpha[y, x] = np.mean(openness)
                else:
                    total, openness = self.edge(number, x, y)
                    edge[y, x] += total.astype(np.float32)
                    if openness:
                        edge_alpha[y, x] = openness[0]
        is_empty = (np.abs(main) < TINY).all(axis=2) & ~(np.abs(edge) < TINY).all(axis=2)
        main[is_empty], alpha[is_empty] = edge[is_empty], edge_alpha[is_empty]
        return main, alpha

    def visits(self, number: int) -> list[tuple[int, int]]:
        """Walk the edges row by row, as the original does, its late start included."""
        uv = self.low.uv[number]
        sizes = np.array([self.width - 1, self.height - 1], np.float32)
        xs, ys = (uv * sizes + np.float32(0.5)).astype(int).T
        if abs(self.area(number)) < TINY:
            return []
        walks = []
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if uv[b, 1] < uv[a, 1]:
                a, b = b, a  # noqa: PLW2901 - from the upper end to the lower
            walks.append((int(xs[a]), int(ys[a]), int(xs[b]), int(ys[b])))
        top, bottom, pad = int(ys.min()), int(ys.max()), 2
        is_late = top < pad
        found = []
        for y in range(max(top - pad, 0), min(bottom + pad, self.height - 1) + 1):
            q = min(max(y, top), bottom)
            stops = []
            for xa, ya, xb, yb in walks:
                if ya <= q <= yb and not (is_late and q <= top):
                    k = q - (max(ya, top + 1) if is_late else ya)
                    stops.append(xa if ya == yb else xa - (-(k * (xb - xa)) // (yb - ya)))
            first, last = (min(stops), max(stops)) if stops else (0, 0)
            found += [(x, y) for x in range(first - pad, last + pad + 1) if 0 <= x < self.width]
        return found

    def corners(self, number: int) -> Array:
        sizes = np.array([self.width - 1, self.height - 1], float)
        return np.asarray(self.low.uv[number].astype(float) * sizes)

    def area(self, number: int) -> float:
        (x1, y1), (x2, y2), (x3, y3) = self.corners(number)
        return float((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1))

    def weights(self, number: int, x: float, y: float) -> Array:
        (x1, y1), (x2, y2), (x3, y3) = self.corners(number)
        return np.array(
            [
                (x2 - x) * (y3 - y) - (x3 - x) * (y2 - y),
                (x3 - x) * (y1 - y) - (x1 - x) * (y3 - y),
                (x1 - x) * (y2 - y) - (x2 - x) * (y1 - y),
            ]
        ) / self.area(number)

    def texel(self, number: int, x: int, y: int) -> tuple[Array, list[float]]:
        total, openness = np.zeros(3), []
        for dx, dy in self.samples:
            b = self.weights(number, x + dx, y + dy)
            if (b < 0).any() or (b > 1).any():
                continue
            hit = self.cast(number, b)
            if hit is not None:
                bent, open_share = self.look(*hit)
                total += bent if self.is_bent else hit[1]
                openness.append(open_share)
        return self.turned(number, x, y, total), openness

    def edge(self, number: int, x: int, y: int) -> tuple[Array, list[float]]:
        b1, b2, b3 = self.weights(number, x, y)
        if b1 > 1:
            b1, b2, b3 = 1.0, b2 + (b1 - 1) / 2, b3 + (b1 - 1) / 2
        if b1 < 0:
            b1, b2, b3 = 0.0, b2 + b1 / 2, b3 + b1 / 2
        if b2 > 1:
            b1, b3 = 1 + (b2 - 1) / 2, b3 + (b2 - 1) / 2
        if b2 < 0:
            b1, b2, b3 = b1 + b2 / 2, 0.0, b3 + b2 / 2
        if b3 > 1:
            b1, b2, b3 = b1 + (b3 - 1) / 2, b2 + (b3 - 1) / 2, 1.0
        if b3 < 0:
            b1, b2, b3 = b1 + b3 / 2, b2 + b3 / 2, 0.0
        hit = self.cast(number, np.array([b1, b2, b3]))
        if hit is None:
            return np.zeros(3), []
        bent, open_share = self.look(*hit)
        total = hit[1] + bent if self.is_bent else hit[1]
        return self.turned(number, x, y, total), [open_share]

    def turned(self, number: int, x: int, y: int, v: Array) -> Array:
        b = self.weights(number, x, y)
        t, s = np.einsum("i,ijk->jk", b, self.frames[number])
        n = b @ self.low.normals[number].astype(float)
        return np.array([v @ t, v @ s, v @ n])

    def cast(self, number: int, b: Array) -> tuple[Array, Array] | None:
        position = b @ self.low.positions[number].astype(float)
        direction = unit(b @ self.low.normals[number].astype(float))
        best: tuple[float, Array, Array] | None = None
        for triangle, t, u, v in self.hits(position, direction):
            mixed = np.array([1 - u - v, u, v])
            normal = unit(mixed @ self.high.normals[triangle].astype(float))
            if normal @ direction <= 0.1:
                continue
            is_nearer = best is None or (abs(t) > best[0] if self.is_furthest else abs(t) < best[0])
            if is_nearer:
                held = self.bumped(triangle, mixed, normal)
                best = (abs(t), mixed @ self.high.positions[triangle].astype(float), held)
        return None if best is None else best[1:]

    def bumped(self, triangle: int, mixed: Array, normal: Array) -> Array:
        """Return the normal of a hit as the height map turns it."""
        if self.relief is None or self.high_frames is None:
            return normal
        height, width = self.relief.shape[:2]
        u, v = (float(value) for value in mixed @ self.high.uv[triangle].astype(float))
        u, v = (value if 0 <= value <= 1 else value - math.floor(value) for value in (u, v))
        x, y = u * (width - 1), v * (height - 1)
        looked_up = np.zeros(3)
        for row, row_share in ((math.floor(y), 1 - y % 1), (math.ceil(y), y % 1)):
            for column, share in ((math.floor(x), 1 - x % 1), (math.ceil(x), x % 1)):
                looked_up += row_share * share * self.relief[row, column]
        t, b = np.einsum("i,ijk->jk", mixed, self.high_frames[triangle])
        n = mixed @ self.high.normals[triangle].astype(float)
        return unit(t * looked_up[0] + b * looked_up[1] + n * looked_up[2])

    def hits(self, position: Array, direction: Array) -> list[tuple[int, float, float, float]]:
        p = np.cross(direction, self.e2)
        determinant = (self.e1 * p).sum(axis=1)
        s = position - self.origin
        q = np.cross(s, self.e1)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = (s * p).sum(axis=1) / determinant
            v = (q @ direction) / determinant
            t = (self.e2 * q).sum(axis=1) / determinant
            is_hit = (np.abs(determinant) > 0) & (u >= 0) & (v >= 0) & (u + v <= 1)
        return [(int(i), float(t[i]), float(u[i]), float(v[i])) for i in np.flatnonzero(is_hit)]

    def look(self, position: Array, normal: Array) -> tuple[Array, float]:
        """Return the bent normal, and how open the sky is."""
        if not len(self.rays):
            return normal, 1.0
        axis = np.cross([0, 0, 1.0], normal)
        c, cross = normal[2], np.cross(np.eye(3), axis)
        turn = np.eye(3)
        if abs(c) <= 1 - TINY:
            square = float(axis @ axis)
            turn = c * np.eye(3) - cross + (1 - c) / square * np.outer(axis, axis)
            turn = turn if np.allclose(turn @ [0, 0, 1], normal) else turn.T
        bent, is_open = normal.copy(), 0.0
        for x, y, z, weight in self.rays:
            ray = turn @ [x, y, z]
            if not any(t > 0 for _, t, _, _ in self.hits(position + 1e-5 * normal, ray)):
                is_open += weight
                bent += weight * ray
        return unit(bent), is_open / float(self.rays[:, 3].sum())
