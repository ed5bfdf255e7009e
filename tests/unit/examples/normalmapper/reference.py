"""A second NormalMapper, for tests: in numpy, slow, and with no code in common.

It follows the description of what is computed, one triangle of the low mesh after the other. What a
line hits is told by `lines.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tests.unit.examples.normalmapper.corners import Mesh, unit
from tests.unit.examples.normalmapper.lines import Hits, Lines
from tests.unit.examples.normalmapper.rules import TINY, Rule

Array = np.ndarray[Any, Any]

UP = np.array([0.0, 0.0, 1.0])


def samples(digit: int = 0, *, has_corners: bool = False) -> Array:
    """Return the places of the samples of `digit`; 0 is the middle alone, 10 is the digit 0."""
    corners = [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5)] if has_corners else []
    steps = [(i + 1) / (digit + 2) - 0.5 for i in range(digit + 1 if digit else 0)]
    return np.array([(0.0, 0.0), *corners, *((x, y) for y in steps for x in steps)])


def rays(divisions: int) -> Array:
    """Return rays over z, and their weights."""
    quarter = []
    for i in range(1, divisions + 1):
        for j in range(1, divisions + 1):
            z, turn = i / (divisions + 1), j / (divisions + 1) * math.pi / 2
            wide = math.sqrt(1 - z * z)
            quarter.append((wide * math.cos(turn), wide * math.sin(turn), z, z))
    whole = [(a * x, b * y, z, w) for a in (1, -1) for b in (1, -1) for x, y, z, w in quarter]
    return np.array([*whole, (0, 0, 1, 1)])  # those on the horizon weigh nothing


class Seen(NamedTuple):
    """What was found of the high mesh."""

    place: Array
    """Numbers of the places from which something was seen, rising."""
    normals: Array
    bent: Array
    openness: Array


class Reference:
    """Computes a picture."""

    def __init__(
        self,
        low: Array,
        high: Array,
        size: tuple[int, int],
        *,
        rule: Rule | None = None,
        samples: Array = np.zeros((1, 2)),  # noqa: B008 - nobody writes into it
        rays: Array = np.empty((0, 4)),  # noqa: B008
        is_bent: bool = False,
        is_world: bool = False,
        pad: int = 2,
        copies_edges: bool = True,
        relief: Array | None = None,
    ) -> None:
        self.low, self.high = Mesh(low), Mesh(high)
        self.width, self.height = size
        self.rule = rule or Rule()
        self.samples, self.rays = samples, rays
        self.is_bent, self.is_world = is_bent, is_world
        self.pad, self.copies_edges = pad, copies_edges
        self.relief = relief
        self.frames = self.low.frames()
        self.high_frames = self.high.frames() if relief is not None else None
        self.lines = Lines(self.high.positions, self.rule.epsilon)

    def run(self, wanted: Array | None = None) -> tuple[Array, Array]:
        """Return sums of normals (height, width, 3) and the openness, of these texels or of all."""
        shape = (self.height, self.width)
        wanted = np.ones(shape, bool) if wanted is None else wanted
        main, edge = np.zeros((*shape, 3), np.float32), np.zeros((*shape, 3), np.float32)
        alpha, edge_alpha = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for number in range(len(self.low.uv)):
            x, y = self._visited(number, wanted)
            if not len(x):
                continue
            total, openness, is_found = self._texels(number, x, y)
            main[y[is_found], x[is_found]] += total[is_found].astype(np.float32)
            alpha[y[is_found], x[is_found]] = openness[is_found]
            if self.copies_edges and not is_found.all():
                x, y = x[~is_found], y[~is_found]
                total, openness, is_found = self._edges(number, x, y)
                edge[y[is_found], x[is_found]] += total[is_found].astype(np.float32)
                edge_alpha[y[is_found], x[is_found]] = openness[is_found]
        is_empty = (np.abs(main) < TINY).all(axis=2) & ~(np.abs(edge) < TINY).all(axis=2)
        main[is_empty], alpha[is_empty] = edge[is_empty], edge_alpha[is_empty]
        return main, alpha

    def _visited(self, number: int, wanted: Array) -> tuple[Array, Array]:
        found = np.array(list(self._visits(number)), int).reshape(-1, 2)
        x, y = found[wanted[found[:, 1], found[:, 0]]].T
        return x, y

    def _visits(self, number: int) -> Iterator[tuple[int, int]]:
        """Walk the edges row by row, as the original does, its late start included."""
        uv = self.low.uv[number]
        sizes = np.array([self.width - 1, self.height - 1], np.float32)
        xs, ys = (uv * sizes + np.float32(0.5)).astype(int).T
        if abs(self._area(number)) < TINY:
            return
        walks = []
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if uv[b, 1] < uv[a, 1]:
                a, b = b, a  # noqa: PLW2901 - from the upper end to the lower
            walks.append((int(xs[a]), int(ys[a]), int(xs[b]), int(ys[b])))
        top, bottom, pad = int(ys.min()), int(ys.max()), self.pad
        is_late = top < pad
        for y in range(max(top - pad, 0), min(bottom + pad, self.height - 1) + 1):
            q = min(max(y, top), bottom)
            stops = []
            for xa, ya, xb, yb in walks:
                if ya <= q <= yb and not (is_late and q <= top):
                    k = q - (max(ya, top + 1) if is_late else ya)
                    stops.append(xa if ya == yb else xa - (-(k * (xb - xa)) // (yb - ya)))
            first, last = (min(stops), max(stops)) if stops else (0, 0)
            for x in range(max(first - pad, 0), min(last + pad, self.width - 1) + 1):
                yield x, y

    def _corners(self, number: int) -> Array:
        sizes = np.array([self.width - 1, self.height - 1], float)
        return np.asarray(self.low.uv[number].astype(float) * sizes)

    def _area(self, number: int) -> float:
        (x1, y1), (x2, y2), (x3, y3) = self._corners(number)
        return float((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1))

    def _weights(self, number: int, x: Array, y: Array) -> Array:
        (x1, y1), (x2, y2), (x3, y3) = self._corners(number)
        found = [
            (x2 - x) * (y3 - y) - (x3 - x) * (y2 - y),
            (x3 - x) * (y1 - y) - (x1 - x) * (y3 - y),
            (x1 - x) * (y2 - y) - (x2 - x) * (y1 - y),
        ]
        return np.stack(found, axis=-1) / self._area(number)

    def _texels(self, number: int, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Return what the samples inside add up to, the mean openness, and where there is any."""
        places = np.stack([x, y], axis=1)[:, None] + self.samples
        b = self._weights(number, places[..., 0], places[..., 1])
        texel, sample = np.nonzero(((b >= 0) & (b <= 1)).all(axis=2))
        seen = self._cast(number, b[texel, sample])
        texel = texel[seen.place]
        total, open_sum = np.zeros((len(x), 3)), np.zeros(len(x))
        np.add.at(total, texel, seen.bent if self.is_bent else seen.normals)
        np.add.at(open_sum, texel, seen.openness)
        count = np.bincount(texel, minlength=len(x))
        return self._turned(number, x, y, total), open_sum / np.maximum(count, 1), count > 0

    def _edges(self, number: int, x: Array, y: Array) -> tuple[Array, Array, Array]:
        b = np.array([snapped(*each) for each in self._weights(number, x, y).tolist()])
        seen = self._cast(number, b)
        total, openness = np.zeros((len(x), 3)), np.zeros(len(x))
        total[seen.place] = seen.normals + seen.bent if self.is_bent else seen.normals
        openness[seen.place] = seen.openness
        return self._turned(number, x, y, total), openness, np.isin(np.arange(len(x)), seen.place)

    def _turned(self, number: int, x: Array, y: Array, v: Array) -> Array:
        if self.is_world:
            return v
        b = self._weights(number, x, y)
        axes = (
            self.frames.tangents[number],
            self.frames.binormals[number],
            self.low.normals[number].astype(float),
        )
        return np.stack([(v * (b @ axis)).sum(axis=1) for axis in axes], axis=1)

    def _cast(self, number: int, b: Array) -> Seen:
        """Look at the high mesh from these places of a triangle."""
        positions = b @ self.low.positions[number].astype(float)
        directions = unit(b @ self.low.normals[number].astype(float))
        hits = self.lines.hits(positions, directions)
        mixed = np.stack([1 - hits.u - hits.v, hits.u, hits.v], axis=1)
        normals = unit(mix(mixed, self.high.normals[hits.triangle]))
        held = self._bumped(hits, mixed, normals)
        along = directions[hits.line]
        chosen = self.rule.choose(hits, (normals * along).sum(1), (held * along).sum(1))
        at = mix(mixed[chosen], self.high.positions[hits.triangle[chosen]])
        chosen_normals = unit(held[chosen])
        return Seen(hits.line[chosen], chosen_normals, *self._look(at, chosen_normals))

    def _bumped(self, hits: Hits, mixed: Array, normals: Array) -> Array:
        """Return the normals of hits as the height map turns them."""
        if self.relief is None or self.high_frames is None:
            return normals
        height, width = self.relief.shape[:2]
        uv = mix(mixed, self.high.uv[hits.triangle])
        uv = np.where((uv < 0) | (uv > 1), uv - np.floor(uv), uv)
        x, y = uv[:, 0] * (width - 1), uv[:, 1] * (height - 1)
        looked_up = np.zeros_like(normals)
        for row, row_share in ((np.floor(y), 1 - y % 1), (np.ceil(y), y % 1)):
            for column, share in ((np.floor(x), 1 - x % 1), (np.ceil(x), x % 1)):
                value = self.relief[row.astype(int), column.astype(int)]
                looked_up += (row_share * share)[:, None] * value
        frames = (*self.high_frames, self.high.normals)
        axes = [mix(mixed, frame[hits.triangle]) for frame in frames]
        return np.asarray((np.stack(axes, axis=1) * looked_up[:, :, None]).sum(axis=1))

    def _look(self, positions: Array, normals: Array) -> tuple[Array, Array]:
        """Return the bent normals, and how open the sky is."""
        if not len(self.rays):
            return normals, np.ones(len(normals))
        turns = np.array([turn(normal) for normal in normals]).reshape(-1, 3, 3)
        ways = np.einsum("rk,nik->nri", self.rays[:, :3], turns)
        starts = np.broadcast_to((positions + 1e-5 * normals)[:, None], ways.shape)
        are_blocked = self.lines.are_blocked(starts.reshape(-1, 3), ways.reshape(-1, 3))
        weights = self.rays[:, 3] * ~are_blocked.reshape(ways.shape[:2])
        bent = unit(normals + np.einsum("nr,nri->ni", weights, ways))
        return bent, weights.sum(axis=1) / self.rays[:, 3].sum()


def mix(weights: Array, corners: Array) -> Array:
    """Return the sum of three corners with these weights, for each of many."""
    return np.asarray((weights[:, :, None] * corners.astype(float)).sum(axis=1))


def turn(normal: Array) -> Array:
    """Return the matrix that turns z to the normal, the short way."""
    e = normal[2]
    if abs(e) > 1 - TINY:
        a, b = np.array([0.0, 1, -1]), np.array([0.0, 1, 0]) - normal
        return np.asarray((np.eye(3) - 2 * np.outer(b, b) / (b @ b)) @ (np.eye(3) - np.outer(a, a)))
    k = np.cross(UP, normal)
    across = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return np.asarray(e * np.eye(3) + across + (1 - e) / (k @ k) * np.outer(k, k))


def snapped(b1: float, b2: float, b3: float) -> tuple[float, float, float]:
    """Return the weights of a place beside a triangle, moved into it as the original does."""
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
    return b1, b2, b3
