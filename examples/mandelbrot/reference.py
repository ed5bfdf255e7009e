"""The reference orbit of a deep picture: one point with long numbers, for all others to lean on.

It travels to the agents as global data. What is in it besides the orbit, and what the radius of a
leap means, is told in native/perturbed.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .mb_task import Orbit, Stopped, long_number, orbit_of

if TYPE_CHECKING:
    from .view import View

    Array = np.ndarray[Any, np.dtype[np.float64]]

# d' = 2 Z d + d^2 + e is as good as linear while d is below this part of 2 Z: its square is then
# below the rounding of the product.
_LINEAR = 2.0**-53
# Levels of leaps: the highest is over 2^20 steps, more than most pictures have.
_LEVELS = 20
_STEPS_BETWEEN_QUESTIONS = 4096
# Places nearer to 0 than this, and than half of their neighbours, end a run.
_LOW = 0.3


def make_reference(view: View, limit: int, go_on: Callable[[], bool] = lambda: True) -> bytes:
    """Return the reference of a view: the orbit of its centre, and leaps for all its points.

    Raises `Stopped` when `go_on` returns False.
    """
    re, im = _orbit(view, limit, go_on)
    furthest = float(view.half_step) * math.hypot(view.width, view.height)
    return Orbit(re, im, tuple(_leaps(re, im, furthest)), *_runs(re, im, furthest)).pack()


def _orbit(view: View, limit: int, go_on: Callable[[], bool]) -> tuple[Array, Array]:
    bits = view.fraction_bits
    centre_re, centre_im, _ = view.exact()
    re: list[float] = []
    im: list[float] = []
    for x, y, _ in orbit_of(long_number(centre_re), long_number(centre_im), bits, max(limit, 2)):
        if len(re) % _STEPS_BETWEEN_QUESTIONS == 0 and not go_on():
            raise Stopped
        re.append(_float(x, bits))
        im.append(_float(y, bits))
    return np.array(re), np.array(im)


def _float(number: Any, bits: int) -> float:
    """Return a long number as a float, of any size."""
    surplus = max(0, number.bit_length() - 64)
    return math.ldexp(float(number >> surplus), surplus - bits)


def _radii(re: Array, im: Array) -> Array:
    """Return up to which distance the step from each place but the first and last is linear."""
    # Neither the place of a step nor the one it leads to may be outside, where points leave.
    is_near = re * re + im * im <= 4.0
    lengths = np.hypot(2 * re[1:-1], 2 * im[1:-1])
    return np.where(is_near[1:-1] & is_near[2:], _LINEAR * lengths, 0.0)


def _leaps(re: Array, im: Array, furthest: float) -> list[Array]:
    """Return the leaps over 2, 4, 8, ... steps from place 1 on; rows as `Orbit` wants them."""
    a_re, a_im = 2 * re[1:-1], 2 * im[1:-1]
    b_re, b_im = np.ones_like(a_re), np.zeros_like(a_re)
    rows = np.stack([a_re, a_im, b_re, b_im, _radii(re, im)], axis=1)
    levels: list[Array] = []
    with np.errstate(all="ignore"):
        while len(rows) >= 2 and len(levels) < _LEVELS:
            rows = _joined(rows[: len(rows) // 2 * 2 : 2], rows[1::2], furthest)
            levels.append(np.ascontiguousarray(rows, dtype="<f8"))
    return levels


def _runs(re: Array, im: Array, furthest: float) -> tuple[Array, Array]:
    """Return the leaps of any length from the beginnings of runs, and where each run ends.

    A run goes from behind one place near 0 to the next: no leap gets over those unless distances
    are smaller still, and in between there is none like another. Row i is the leap from the
    beginning of the run in which place i + 1 lies over all steps to behind that place. `ends` has
    for a place that begins a run the place behind its last, and 0 for others.
    """
    sizes = np.hypot(re, im)
    is_low = (sizes < _LOW) & (sizes < np.roll(sizes, 1) / 2) & (sizes < np.roll(sizes, -1) / 2)
    rows = np.zeros((max(len(re) - 2, 0), 5), dtype="<f8")
    ends = np.zeros(len(re), dtype="<u4")
    radii, lows = _radii(re, im).tolist(), is_low.tolist()
    begin = 1
    a, b, radius = 1 + 0j, 0j, math.inf
    for place in range(1, len(re) - 1):
        # A point that begins within the radius has come to |a| radius + |b| furthest by now.
        reach = radii[place - 1] - abs(b) * furthest
        radius = min(radius, reach / abs(a)) if reach > 0 and a != 0 else 0.0
        twice = 2 * complex(re[place], im[place])
        a, b = twice * a, twice * b + 1
        row = (a.real, a.imag, b.real, b.imag, radius)
        if radius > 0 and all(math.isfinite(number) for number in row):
            rows[place - 1] = row
            ends[begin] = place + 1
        if lows[place] or radius == 0:
            begin, a, b, radius = place + 1, 1 + 0j, 0j, math.inf
    return rows, ends


def _joined(first: Array, second: Array, furthest: float) -> Array:
    """Return the leaps that are two leaps, one behind the other."""
    ar, ai, br, bi, radius = first.T
    cr, ci, dr, di, radius_then = second.T
    # A point that begins within the radius has come to |a| radius + |b| furthest when the second
    # begins.
    reach = (radius_then - np.hypot(br, bi) * furthest) / np.hypot(ar, ai)
    joined = np.stack(
        [
            cr * ar - ci * ai,
            cr * ai + ci * ar,
            cr * br - ci * bi + dr,
            cr * bi + ci * br + di,
            np.minimum(radius, np.maximum(reach, 0.0)),
        ],
        axis=1,
    )
    joined[~np.isfinite(joined).all(axis=1)] = 0.0  # too long for doubles: never taken
    return joined
