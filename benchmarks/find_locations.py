"""Finds the places of locations.toml: small copies of the set, as deep as wanted.

    python -m benchmarks.find_locations --seed 7 1e30 1e60

A picture is only as hard as its place. One with a copy of the set in its middle has points that
never leave, and around them points that take at least as many iterations as the copy has its
period. So what is looked for is the nucleus of such a copy (where 0 comes back to 0 after `period`
steps), of the size that covers the wanted part of the picture.

Small copies of the set have small copies of their own: beside a copy of period p and size s lies,
for each copy of period q and size t, one of period p q and size s t, where the small set has it. So
copies near the surface are listed, around points where the orbit of 0 runs into a cycle (there are
some of every size), and two or three of them are chosen whose sizes multiply to what is wanted.

Every place is then computed by the example itself, and kept only if it is what was asked for: on a
subset of 64 x 64 points, 5 to 40 % never leave, the median takes 2,000 iterations, and
perturbation gives the same count as long numbers at every one of them.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import gmpy2
import numpy as np
from hxgrid_examples.mandelbrot.library import load
from hxgrid_examples.mandelbrot.mb_task import EXACT, PERTURBED, Request, Tile
from hxgrid_examples.mandelbrot.reference import make_reference
from hxgrid_examples.mandelbrot.view import View

WIDTH, HEIGHT = 1920, 1080
ITERATIONS = 10_000
SUBSET = 64
LEAST_MEDIAN = 2_000
INSIDE = (0.05, 0.40)
# The set itself, with its size taken as 1, has an area of 1.5 and is 2.5 wide.
SIZES = (0.26, 0.40)
# Points beside a copy leave after two or three of its periods; that must be in time.
PERIODS = (500, 1_100)
LONGEST = 60


class Nucleus(NamedTuple):
    """Where a copy of the set has its middle."""

    place: Any
    period: int
    size: Any
    """What the whole set is multiplied by; a complex number, because copies are turned."""

    @property
    def exponent(self) -> float:
        """The size as an exponent of 10."""
        return float(gmpy2.log10(abs(self.size)))


def main() -> int:
    """Print a table for each wanted zoom; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("zooms", nargs="+", type=Decimal, metavar="ZOOM")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for zoom in options.zooms:
        chance = random.Random(f"{options.seed} {zoom}")
        bits = int(1.6 * math.log2(10) * zoom.adjusted()) + 120
        with gmpy2.context(gmpy2.get_context(), precision=bits):
            print(found(zoom, chance), flush=True)
    return 0


def found(zoom: Decimal, chance: random.Random) -> str:
    """Look until a place stands every test; return its table."""
    least, most = (math.log10(size) - zoom.adjusted() for size in SIZES)
    while True:
        known = listed(-least * 0.7, chance)
        pairs = itertools.product(known, repeat=2)
        triples = itertools.product(known, repeat=3)
        fitting = [
            chosen
            for chosen in itertools.chain(pairs, triples)
            if PERIODS[0] <= math.prod(one.period for one in chosen) <= PERIODS[1]
            and least <= sum(one.exponent for one in chosen) <= most
        ]
        print(f"{len(known)} copies, {len(fitting)} ways", file=sys.stderr)
        for chosen in chance.sample(fitting, min(len(fitting), 40)):
            table = tried(zoom, chosen)
            if table:
                return table


def listed(depth: float, chance: random.Random) -> list[Nucleus]:
    """Return copies down to 10^-depth, around a few points of the boundary."""
    copies: dict[tuple[int, float], Nucleus] = {}
    for _ in range(6):
        centre = preperiodic(chance)
        for step in range(2, int(2 * depth)):
            one = near(centre, gmpy2.mpfr(10) ** (-step / 3), LONGEST) if centre else None
            if one is not None and one.period > 2:
                copies[one.period, round(one.exponent, 3)] = one
    return list(copies.values())


def preperiodic(chance: random.Random) -> Any:
    """Return a point whose orbit runs into a cycle after a few steps, or None."""
    before, cycle = chance.randint(2, 6), chance.randint(1, 3)
    place = gmpy2.mpc(chance.uniform(-1.9, 0.3), chance.uniform(0.0, 1.1))
    for _ in range(60):
        z, slope = gmpy2.mpc(0), gmpy2.mpc(0)
        kept = z, slope
        for step in range(before + cycle):
            slope, z = 2 * z * slope + 1, z * z + place
            if step == before - 1:
                kept = z, slope
        if abs(z) > 1e6 or slope == kept[1]:
            return None
        change = (z - kept[0]) / (slope - kept[1])
        place = place - change
        if abs(change) < 1e-60:
            return place if place.imag >= 0 else place.conjugate()
    return None


def tried(zoom: Decimal, chosen: Sequence[Nucleus]) -> str:
    """Return the table of the copy that these lead to, one beside the other, if it will do."""
    nucleus: Nucleus | None = chosen[0]
    for one in chosen[1:]:
        assert nucleus is not None
        guess = nucleus.place + nucleus.size * one.place
        nucleus = _settled(guess, abs(nucleus.size) / 1000, nucleus.period * one.period)
        if nucleus is None:
            return ""
    assert nucleus is not None
    period = nucleus.period
    if not SIZES[0] <= 10 ** (nucleus.exponent + zoom.adjusted()) <= SIZES[1]:
        return ""
    digits = zoom.adjusted() + 10
    re, im = (_decimal(part, digits) for part in (nucleus.place.real, nucleus.place.imag))
    facts = judged(View(re, im, zoom, WIDTH, HEIGHT))
    print(f"period {period}: {facts}", file=sys.stderr)
    if facts is None:
        return ""
    return (
        f'["{zoom:.0e}"]\nre = "{re}"\nim = "{im}"\nzoom = "{zoom:.0e}"\n'
        f"iterations = {ITERATIONS}\n# period {period}; of the subset {facts}\n"
    )


def near(place: Any, radius: Any, most: int) -> Nucleus | None:
    """Return the nucleus of the lowest period in a disc, or None."""
    z, slope = gmpy2.mpc(0), gmpy2.mpc(0)
    for period in range(1, most + 1):
        slope = 2 * z * slope + 1
        z = z * z + place
        if abs(z) < radius * abs(slope):
            return _settled(place, radius, period)
        if abs(z) > 4:
            return None
    return None


def _settled(place: Any, radius: Any, period: int) -> Nucleus | None:
    begin = place
    for _ in range(40):
        z, slope = gmpy2.mpc(0), gmpy2.mpc(0)
        for _ in range(period):
            slope = 2 * z * slope + 1
            z = z * z + place
        step = z / slope
        place = place - step
        if abs(place - begin) > 4 * radius:
            return None
        if abs(step) < abs(slope) ** -2 * gmpy2.mpfr(2) ** -60:
            return Nucleus(place, period, _size(place, period))
    return None


def _size(place: Any, period: int) -> Any:
    z, slope, sum_of = place, gmpy2.mpc(1), gmpy2.mpc(1)
    for _ in range(period - 1):
        slope = 2 * z * slope
        sum_of += 1 / slope
        z = z * z + place
    return 1 / (sum_of * slope * slope)


def judged(view: View) -> str | None:
    """Return what the subset of a picture is like; None if it will not do."""
    across, down = WIDTH // SUBSET, HEIGHT // SUBSET
    library, reference = load(exact=True), make_reference(view, ITERATIONS)
    tiles = tuple(
        Tile(x * across, y * down, x * across + 1, y * down + 1)
        for y in range(SUBSET)
        for x in range(SUBSET)
    )
    perturbed = library.compute(request(view, PERTURBED, tiles).pack(), reference, lambda: True)
    counts, norms = np.frombuffer(perturbed, "<u4").reshape(2, -1)
    inside, median = float((norms == 0).mean()), float(np.median(counts))
    if not INSIDE[0] <= inside <= INSIDE[1] or median < LEAST_MEDIAN:
        print(f"{inside:.0%} inside, median {median:,.0f}", file=sys.stderr)
        return None
    exact = library.compute(request(view, EXACT, tiles).pack(), b"", lambda: True)
    others = int((np.frombuffer(exact, "<u4")[: len(counts)] != counts).sum())
    if others:
        print(f"{others} points differ", file=sys.stderr)
        return None
    return f"{100 * inside:.0f} % never leave, and the median takes {median:,.0f} iterations"


def request(view: View, arithmetic: int, tiles: tuple[Tile, ...]) -> Request:
    """Return a request for these tiles of a view."""
    is_exact = arithmetic == EXACT
    return Request(
        *(arithmetic, view.width, view.height, ITERATIONS),
        *(float(view.half_step), float(view.re), float(view.im)),
        view.fraction_bits if is_exact else 0,
        view.exact() if is_exact else (0, 0, 0),
        "" if is_exact else "reference",
        tiles,
    )


def _decimal(number: Any, digits: int) -> Decimal:
    scaled = Fraction(*number.as_integer_ratio()) * 10**digits
    return Decimal(f"{round(scaled)}e-{digits}")


if __name__ == "__main__":
    sys.exit(main())
