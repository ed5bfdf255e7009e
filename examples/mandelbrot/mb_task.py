"""The task in Python: points of the Mandelbrot set, in three kinds of arithmetic.

This one file is what travels to agents where the C++ module cannot; it needs numpy there. Both read
and write the same bytes and give the same picture to the last bit: each operation of the one is an
operation of the other, in the same order.

| stream | bytes, little-endian |
| --- | --- |
| input | u32 arithmetic (0 plain, 1 perturbed, 2 exact), wants steps, width, height, limit; f64 |
| | half step, centre re, im; u32 fraction bits; strings centre re, im, half step, name of the |
| | reference; u32 count, then for each tile u32 x0, y0, x1, y1, stride |
| output | of all points, tile by tile, row by row: u32 counts, f32 norms; u32 steps if wanted |

A string is its u32 length and its bytes. Exact numbers are hexadecimal, in units of 2^-fraction
bits. A count is that of the first z outside the circle of radius 256; the norm is |z|^2 then. A
point that never left has the limit for its count, and norm 0.

What plain, perturbed and exact mean is told in native/*.cpp, beside the loops.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

try:
    from gmpy2 import mpz
except ImportError:  # Python's own numbers give the same bits, only later
    mpz = int

if TYPE_CHECKING:
    import hxgrid

    Array = np.ndarray[Any, np.dtype[Any]]

long_number: Any = mpz

PLAIN, PERTURBED, EXACT = range(3)
ESCAPED = 65536.0
MAGIC = b"MBREF2\0\0"
VALUE_BYTES = 16
LEAP_DOUBLES = 5

_HEAD = struct.Struct("<5I3dI")
_U32 = struct.Struct("<I")
_NORM_BITS = 20


class Stopped(Exception):
    """The question "go on?" was answered with no."""


class Tile(NamedTuple):
    """Every `stride`-th pixel of x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int
    stride: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its points."""
        return -(-(self.y1 - self.y0) // self.stride), -(-(self.x1 - self.x0) // self.stride)


@dataclass(frozen=True)
class Request:
    """What a task is asked for."""

    arithmetic: int
    width: int
    height: int
    limit: int
    half_step: float
    re: float
    im: float
    fraction_bits: int
    exact: tuple[int, int, int]
    """Centre re, im and the half step, in units of 2^-fraction_bits."""
    reference: str
    tiles: tuple[Tile, ...]
    wants_steps: bool = False

    def pack(self) -> bytes:
        """Return it as it travels."""
        head = (self.arithmetic, self.wants_steps, self.width, self.height, self.limit)
        numbers = (self.half_step, self.re, self.im, self.fraction_bits)
        texts = [f"{number:x}" for number in self.exact] + [self.reference]
        return b"".join(
            [
                _HEAD.pack(*head, *numbers),
                *(_U32.pack(len(text)) + text.encode("ascii") for text in texts),
                _U32.pack(len(self.tiles)),
                np.array(self.tiles, dtype="<u4").tobytes(),
            ]
        )

    @classmethod
    def unpack(cls, data: bytes) -> Request:
        """Read one that has travelled."""
        head = _HEAD.unpack_from(data)
        arithmetic, wants_steps, width, height, limit, half_step, re, im, bits = head
        at, texts = _HEAD.size, []
        for _ in range(4):
            (count,) = _U32.unpack_from(data, at)
            at += _U32.size + count
            texts.append(data[at - count : at].decode("ascii"))
        (count,) = _U32.unpack_from(data, at)
        rows = np.frombuffer(data, "<u4", 5 * count, at + _U32.size).reshape(-1, 5).tolist()
        return cls(
            *(arithmetic, width, height, limit, half_step, re, im, bits),
            exact=(int(texts[0], 16), int(texts[1], 16), int(texts[2], 16)),
            reference=texts[3],
            tiles=tuple(Tile(*row) for row in rows),
            wants_steps=bool(wants_steps),
        )

    def offsets(self, tile: Tile) -> tuple[Array, Array]:
        """Return how many half steps each point of a tile is from the centre, across and upward."""
        across = 2 * np.arange(tile.x0, tile.x1, tile.stride, dtype=np.int64) - (self.width - 1)
        upward = (self.height - 1) - 2 * np.arange(tile.y0, tile.y1, tile.stride, dtype=np.int64)
        xs, ys = np.meshgrid(across, upward)
        return xs.ravel(), ys.ravel()


def run_task(
    agent: hxgrid.TaskAgent,
    session_id: int,  # noqa: ARG001 - every task has these four
    in_stream: hxgrid.Stream,
    out_stream: hxgrid.Stream,
) -> bool:
    """Compute the points that the input asks for. False: they are no longer wanted."""
    request = Request.unpack(in_stream.read())
    reference = agent.get_data(request.reference).getbuffer() if request.reference else b""
    try:
        out_stream.write(compute(request, reference, agent.test_connection))
    except Stopped:
        return False
    return True


def compute(request: Request, reference: Any, go_on: Callable[[], bool]) -> bytes:
    """Return the answer to a request. Raises `Stopped` when `go_on` returns False."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = [_points(request, reference, tile, go_on) for tile in request.tiles]
    counts, norms, steps = zip(*found, strict=True) if found else ((), (), ())
    wanted = (*counts, *norms, *steps) if request.wants_steps else (*counts, *norms)
    return b"".join(array.tobytes() for array in wanted)


class _Points:
    """The points of a tile: the answers of all, and which of them are still under way."""

    def __init__(self, count: int, limit: int) -> None:
        self.counts = np.full(count, limit, dtype="<u4")
        self.norms = np.zeros(count, dtype="<f4")
        self.steps = np.zeros(count, dtype="<u4")
        self.alive = np.arange(count)

    def settle(self, has_left: Array, counts: Any, norms: Array, steps: int) -> None:
        """Write down those that have left."""
        which = self.alive[has_left]
        self.counts[which] = counts if np.isscalar(counts) else counts[has_left]
        self.norms[which] = norms[has_left]
        self.steps[which] = steps

    def answer(self, steps: int) -> tuple[Array, Array, Array]:
        """End: what is still under way never leaves."""
        self.steps[self.alive] = steps
        return self.counts, self.norms, self.steps


def _points(
    request: Request, reference: Any, tile: Tile, go_on: Callable[[], bool]
) -> tuple[Array, Array, Array]:
    across, upward = request.offsets(tile)
    if request.arithmetic == EXACT:
        return _exact(request, across, upward, go_on)
    if request.arithmetic == PLAIN:
        re = request.re + across * request.half_step
        im = request.im + upward * request.half_step
        return _plain(re, im, request.limit, go_on)
    orbit = Orbit.unpack(reference)
    return _perturbed(
        orbit, across * request.half_step, upward * request.half_step, request.limit, go_on
    )


def _plain(
    cr: Array, ci: Array, limit: int, go_on: Callable[[], bool]
) -> tuple[Array, Array, Array]:
    points = _Points(len(cr), limit)
    outside = ~_surely_inside(cr, ci)
    points.alive, cr, ci = points.alive[outside], cr[outside], ci[outside]
    points.steps[:] = 1
    x, y = np.zeros_like(cr), np.zeros_like(ci)
    for count in range(limit + 1):
        if count % 64 == 0 and not go_on():
            raise Stopped
        x2, y2 = x * x, y * y
        norm = x2 + y2
        has_left = norm > ESCAPED
        if has_left.any():
            points.settle(has_left, count, norm, count + 1)
            stays = ~has_left
            points.alive = points.alive[stays]
            cr, ci, x, y, x2, y2 = (each[stays] for each in (cr, ci, x, y, x2, y2))
        if count == limit or not len(x):
            break
        y = (x + x) * y + ci
        x = (x2 - y2) + cr
    return points.answer(limit + 1)


def _surely_inside(cr: Array, ci: Array) -> Array:
    ci2 = ci * ci
    a = cr - 0.25
    q = a * a + ci2
    b = cr + 1.0
    inside: Array = (q * (q + a) <= 0.25 * ci2) | (b * b + ci2 <= 0.0625)
    return inside


@dataclass(frozen=True)
class Orbit:
    """A reference: its values, and the leaps over 2, 4, 8, ... steps, by level and place."""

    re: Array
    im: Array
    leaps: tuple[Array, ...]
    """For each level one row per leap: a_re, a_im, b_re, b_im, radius."""
    runs: Array
    """Row i: the leap to behind place i + 1 from where its run begins; radii fall in a run."""
    ends: Array
    """For each place that begins a run the place behind its last; 0 for others."""

    @classmethod
    def unpack(cls, data: Any) -> Orbit:
        """Use one where it lies."""
        length, levels = struct.unpack_from("<2Q", data, len(MAGIC))
        at = len(MAGIC) + 16
        values = np.frombuffer(data, "<f8", 2 * length, at).reshape(-1, 2)
        at += VALUE_BYTES * length
        leaps = []
        for level in range(levels):
            count = (length - 2) >> (level + 1)
            rows = np.frombuffer(data, "<f8", LEAP_DOUBLES * count, at)
            leaps.append(rows.reshape(-1, LEAP_DOUBLES))
            at += 8 * LEAP_DOUBLES * count
        runs = np.frombuffer(data, "<f8", LEAP_DOUBLES * (length - 2), at)
        at += 8 * LEAP_DOUBLES * (length - 2)
        ends = np.frombuffer(data, "<u4", length, at)
        re, im = values[:, 0].copy(), values[:, 1].copy()
        return cls(re, im, tuple(leaps), runs.reshape(-1, LEAP_DOUBLES), ends.astype(np.int64))

    def pack(self) -> bytes:
        """Return it as it travels."""
        head = MAGIC + struct.pack("<2Q", len(self.re), len(self.leaps))
        tables = (np.stack([self.re, self.im], axis=1), *self.leaps, self.runs)
        ends = self.ends.astype("<u4").tobytes()
        return head + b"".join(table.tobytes() for table in tables) + ends

    def run(self, at: Array, size: Array, most: Array) -> Array:
        """Return over how many steps each point can leap within its run; 0: it begins none."""
        steps = np.zeros(len(at), dtype=np.int64)
        for index in np.flatnonzero(self.ends[at] > 0).tolist():
            begin = int(at[index])
            radii = self.runs[begin - 1 : self.ends[begin] - 1, 4]
            steps[index] = np.searchsorted(-radii, -size[index], side="left")
        return np.minimum(steps, most)

    def choose(self, at: Array, size: Array, most: Array) -> tuple[Array, Array]:
        """Return the level of the longest leap from each place (-1: none), and its index."""
        level_of = np.full(len(at), -1)
        index_of = np.zeros(len(at), dtype=np.int64)
        which, index = np.flatnonzero(at > 0), at[at > 0] - 1
        for level, rows in enumerate(self.leaps):
            is_next = (index & 1) == 0
            which, index = which[is_next], index[is_next] >> 1
            can = (index < len(rows)) & ((2 << level) <= most[which])
            which, index = which[can], index[can]
            holds = size[which] < rows[index, 4]
            which, index = which[holds], index[holds]
            if not len(which):
                break
            level_of[which], index_of[which] = level, index
        return level_of, index_of


def _perturbed(
    orbit: Orbit, er: Array, ei: Array, limit: int, go_on: Callable[[], bool]
) -> tuple[Array, Array, Array]:
    points = _Points(len(er), limit)
    last = len(orbit.re) - 1
    dr, di = np.zeros_like(er), np.zeros_like(ei)
    at = np.zeros(len(er), dtype=np.int64)
    count = np.zeros(len(er), dtype=np.int64)
    steps = 0
    while len(dr):
        if steps % 64 == 0 and not go_on():
            raise Stopped
        steps += 1
        dr, di, length = _advance(orbit, (dr, di), (er, ei), at, limit - count)
        at = at + length
        count = count + length
        zr, zi = orbit.re[at] + dr, orbit.im[at] + di
        norm = zr * zr + zi * zi
        has_left = norm > ESCAPED
        points.settle(has_left, count, norm, steps)
        anew = (at == last) | (np.abs(zr) + np.abs(zi) < np.abs(dr) + np.abs(di))
        dr, di, at = np.where(anew, zr, dr), np.where(anew, zi, di), np.where(anew, 0, at)
        is_over = ~has_left & (count >= limit)
        points.steps[points.alive[is_over]] = steps
        stays = ~(has_left | is_over)
        if not stays.all():
            points.alive = points.alive[stays]
            dr, di, er, ei, at, count = (each[stays] for each in (dr, di, er, ei, at, count))
    return points.answer(steps)


def _advance(
    orbit: Orbit, d: tuple[Array, Array], e: tuple[Array, Array], at: Array, most: Array
) -> tuple[Array, Array, Array]:
    """Return the distances after one step or leap each, and how many steps it was."""
    (dr, di), (er, ei) = d, e
    ar = (orbit.re[at] + orbit.re[at]) + dr
    ai = (orbit.im[at] + orbit.im[at]) + di
    next_r = (ar * dr - ai * di) + er
    next_i = (ar * di + ai * dr) + ei
    length = np.ones(len(at), dtype=np.int64)
    size = np.abs(dr) + np.abs(di)
    level_of, index_of = orbit.choose(at, size, most)
    run = orbit.run(at, size, most)
    run[run <= (2 << level_of.clip(0)) * (level_of >= 0)] = 0
    level_of[run > 1] = -1
    for level in np.unique(level_of[level_of >= 0]):
        which = np.flatnonzero(level_of == level)
        next_r[which], next_i[which] = _leapt(
            orbit.leaps[level][index_of[which]], dr[which], di[which], er[which], ei[which]
        )
        length[which] = 2 << level
    which = np.flatnonzero(run > 1)
    next_r[which], next_i[which] = _leapt(
        orbit.runs[at[which] + run[which] - 2], dr[which], di[which], er[which], ei[which]
    )
    length[which] = run[which]
    return next_r, next_i, length


def _leapt(rows: Array, r: Array, i: Array, cr: Array, ci: Array) -> tuple[Array, Array]:
    """Return the distances after these leaps."""
    a_re, a_im, b_re, b_im, _ = rows.T
    return (
        (a_re * r - a_im * i) + (b_re * cr - b_im * ci),
        (a_re * i + a_im * r) + (b_re * ci + b_im * cr),
    )


def _exact(
    request: Request, across: Array, upward: Array, go_on: Callable[[], bool]
) -> tuple[Array, Array, Array]:
    points = _Points(len(across), request.limit)
    centre_re, centre_im, half_step = (long_number(number) for number in request.exact)
    pairs = zip(across.tolist(), upward.tolist(), strict=True)
    for index, (x, y) in enumerate(pairs):
        cr, ci = centre_re + half_step * x, centre_im + half_step * y
        count, norm = 0, 0
        for _, _, norm in orbit_of(cr, ci, request.fraction_bits, request.limit):  # noqa: B007
            if count % 1024 == 0 and not go_on():
                raise Stopped
            count += 1
        points.steps[index] = count
        points.counts[index] = count - 1
        if norm > int(ESCAPED) << request.fraction_bits:
            units = int(norm >> (request.fraction_bits - _NORM_BITS))
            points.norms[index] = np.float32(units / (1 << _NORM_BITS))
    points.alive = points.alive[:0]
    return points.answer(0)


def orbit_of(cr: Any, ci: Any, fraction_bits: int, limit: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield re, im and |z|^2 of z0, z1, ... of a point, until z has left or the limit is reached.

    All in units of 2^-fraction_bits, every product rounded down.
    """
    escaped = int(ESCAPED) << fraction_bits
    x = y = long_number(0)
    for count in range(limit + 1):
        x2, y2 = x * x >> fraction_bits, y * y >> fraction_bits
        norm = x2 + y2
        yield x, y, norm
        if norm > escaped or count == limit:
            return
        y = (x * y >> (fraction_bits - 1)) + ci
        x = x2 - y2 + cr
