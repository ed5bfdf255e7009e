"""What lines hit: every triangle near them is tried.

Triangles lie in small heaps, heaps in groups and groups in groups, with a sphere around each. A
line tries all triangles of all heaps whose spheres it touches; nothing depends on the order in
which it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

HEAP, GROUP, TOP = 2, 8, 32
AT_ONCE = 2048


class Hits(NamedTuple):
    """Hits of many lines, by line and then by triangle; a place is corner 0 + u e1 + v e2."""

    line: Array
    triangle: Array
    t: Array
    u: Array
    v: Array


def heaps(middles: Array, size: int) -> Array:
    """Return the numbers of neighbours, so many to a row; some may stand in a row twice."""
    done: list[Array] = []
    todo = [np.arange(len(middles))]
    while todo:
        part = todo.pop()
        if len(part) <= size:
            done.append(np.resize(part, size))
            continue
        widest = np.ptp(middles[part], axis=0).argmax()
        ordered = part[np.argsort(middles[part, widest], kind="stable")]
        half = -(-len(ordered) // (2 * size)) * size
        todo += [ordered[:half], ordered[half:]]
    return np.array(done)


class Spheres:
    """Spheres around sets of points (n, points, 3), a little larger than they need be."""

    def __init__(self, points: Array) -> None:
        self.centre = (points.min(axis=1) + points.max(axis=1)) / 2
        reach = np.sqrt(((points - self.centre[:, None]) ** 2).sum(axis=2)).max(axis=1)
        self.reach = reach * 1.001 + 1e-6 * np.abs(points).max()

    def are_touched(
        self, starts: Array, ways: Array, line: Array, number: Array, *, only_ahead: bool
    ) -> Array:
        """Tell of pairs of a line and a sphere whether they touch."""
        along, far = np.zeros(len(line)), np.zeros(len(line))
        for axis in range(3):
            to = self.centre[:, axis][number] - starts[:, axis][line]
            along += to * ways[:, axis][line]
            far += to * to
        reach = self.reach[number]
        found = far - along * along <= reach * reach
        return np.asarray(found & (along >= -reach) if only_ahead else found)


class Lines:
    """Lines against these triangles (n, 3 corners, 3)."""

    def __init__(self, corners: Array, epsilon: float) -> None:
        self.epsilon = epsilon
        self.origin = corners[:, 0].astype(float)
        # The description takes these differences in floats.
        self.e1 = (corners[:, 1] - corners[:, 0]).astype(float)
        self.e2 = (corners[:, 2] - corners[:, 0]).astype(float)
        members = heaps(corners.mean(axis=1), HEAP)
        points = corners[members].reshape(len(members), -1, 3).astype(float)
        # From the largest spheres down: what is in each.
        self.levels = [(Spheres(points), members)]
        while len(members) > TOP:
            members = heaps(self.levels[0][0].centre, GROUP)
            points = points[members].reshape(len(members), -1, 3)
            self.levels.insert(0, (Spheres(points), members))

    def hits(self, starts: Array, ways: Array) -> Hits:
        """Return all hits, in front and behind."""
        found = [[np.empty(0, int)] * 2 + [np.empty(0)] * 3]
        for begin in range(0, len(starts), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            line, *rest = self._tried(starts[part], ways[part], only_ahead=False)
            found.append([line + begin, *rest])
        joined = [np.concatenate(column) for column in zip(*found, strict=True)]
        # A heap may hold a triangle twice.
        _, first = np.unique(np.stack(joined[:2]), axis=1, return_index=True)
        return Hits(*(column[first] for column in joined))

    def are_blocked(self, starts: Array, ways: Array) -> Array:
        """Tell of each ray whether anything lies ahead of it."""
        found = np.zeros(len(starts), bool)
        for begin in range(0, len(starts), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            line, _, t, _, _ = self._tried(starts[part], ways[part], only_ahead=True)
            found[line[t > 0] + begin] = True
        return found

    def _touched(self, starts: Array, ways: Array, *, only_ahead: bool) -> tuple[Array, Array]:
        """Return pairs of a line and a triangle that may be hit."""
        count = len(self.levels[0][1])
        line = np.repeat(np.arange(len(starts)), count)
        number = np.tile(np.arange(count), len(starts))
        for spheres, members in self.levels:
            is_near = spheres.are_touched(starts, ways, line, number, only_ahead=only_ahead)
            line = np.repeat(line[is_near], members.shape[1])
            number = members[number[is_near]].ravel()
        return line, number

    def _tried(self, starts: Array, ways: Array, *, only_ahead: bool) -> Iterator[Array]:
        line, triangle = self._touched(starts, ways, only_ahead=only_ahead)
        d, e1, e2 = ways[line].T, self.e1[triangle].T, self.e2[triangle].T
        s = (starts[line] - self.origin[triangle]).T
        p = _cross(d, e2)
        determinant = _dot(e1, p)
        sign = np.sign(determinant)
        size = np.abs(determinant)
        u = _dot(s, p) * sign
        is_hit = np.flatnonzero((size > self.epsilon) & (u >= 0) & (u <= size))
        line, triangle, size, u = line[is_hit], triangle[is_hit], size[is_hit], u[is_hit]
        q = _cross(s[:, is_hit], e1[:, is_hit])
        v = _dot(d[:, is_hit], q) * sign[is_hit]
        t = _dot(e2[:, is_hit], q) * sign[is_hit]
        is_hit = np.flatnonzero((v >= 0) & (u + v <= size))
        size = size[is_hit]
        yield from (line[is_hit], triangle[is_hit])
        yield from (each[is_hit] / size for each in (t, u, v))


def _cross(a: Array, b: Array) -> Array:
    return np.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
