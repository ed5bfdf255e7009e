"""Colours: palettes that go round, and pictures from counts.

A colour depends on the count and on how far out the point was when it left, which makes the steps
between counts smooth. The page draws with the same tables and the same formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import JobError
from .mb_task import ESCAPED

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

COLOURS = 1024
"""Entries of a palette's table."""
ROUNDS = 0.8
"""Rounds of a palette for each time that the count grows by the factor e."""


@dataclass(frozen=True)
class Palette:
    """Colours to go through, each the same way from the next, and back to the first."""

    stops: tuple[str, ...]
    period: float
    """Counts after which the rounds begin to grow longer."""
    inside: str = "#000000"

    def table(self) -> Array:
        """Return the round as rows of red, green, blue from 0 to 255."""
        stops = np.array([_rgb(stop) for stop in self.stops])
        at = np.arange(COLOURS) * len(stops) / COLOURS
        before = at.astype(int)
        # Smooth at the stops as well as between them: the colours next but one have their say.
        t = (at - before)[:, None]
        p0, p1, p2, p3 = (stops[(before + shift) % len(stops)] for shift in (-1, 0, 1, 2))
        bend = 2 * p0 - 5 * p1 + 4 * p2 - p3 + (3 * (p1 - p2) + p3 - p0) * t
        mixed = p1 + 0.5 * t * (p2 - p0 + t * bend)
        table: Array = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        return table


PALETTES = {
    "dusk": Palette(
        ("#05071f", "#1f2a6b", "#5a7fc4", "#f4f1e4", "#f2b04c", "#a33b1e", "#2c0b1c"), 12
    ),
    "lagoon": Palette(
        ("#041c2c", "#0b5a6b", "#2fb3a3", "#d8f3dc", "#f6e7b4", "#c98f5a", "#3b2a3c"), 12
    ),
    "ember": Palette(
        ("#0b0508", "#4a0f14", "#b3271e", "#f58a1f", "#fff1b8", "#d9632a", "#3a0d1f"), 12
    ),
    "orchid": Palette(
        ("#12061f", "#46176b", "#a63fa0", "#f7b7d2", "#fff6ea", "#7fb7d6", "#1d3a6b"), 12
    ),
    "ice": Palette(("#02040c", "#12325c", "#4c93c4", "#e9f7ff", "#9fc3d9", "#2c4a72"), 12),
    "ink": Palette(("#101014", "#f4f4f0"), 6),
    "rainbow": Palette(
        ("#ff0013", "#ff8a00", "#e6e000", "#22c423", "#00cf90", "#1173e8", "#6a2be2", "#d016a8"),
        12,
    ),
}
DEFAULT = "dusk"


def palette(name: str) -> Palette:
    """Return a palette by its name. Raises `JobError`."""
    if name not in PALETTES:
        raise JobError(f"there is no palette {name!r}; choose one of {', '.join(PALETTES)}")
    return PALETTES[name]


def smooth(counts: Array, norms: Array) -> Array:
    """Return counts with a fraction, without steps where one count meets the next."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(norms.astype(np.float64)) / math.log(ESCAPED)
        found: Array = counts + 1.0 - np.log2(ratio)
    return found


def paint(counts: Array, norms: Array, colours: Palette) -> Array:
    """Return red, green, blue of each point; norm 0 is inside the set."""
    table, is_inside = colours.table(), norms == 0
    phase = np.where(is_inside, 0.0, round_of(counts, norms, colours))
    index = np.floor(phase * COLOURS).astype(np.int64) % COLOURS
    picture: Array = table[index]
    picture[is_inside] = _rgb(colours.inside)
    return picture


def round_of(counts: Array, norms: Array, colours: Palette) -> Array:
    """Return how many rounds of the palette each point is from its beginning.

    Rounds begin at the lowest count of the picture, and grow as the logarithm does: deep pictures
    begin late, and have detail near that as well as far from it.
    """
    value = smooth(counts, norms)
    outside = value[norms > 0]
    lowest = float(outside.min()) if outside.size else 0.0
    beyond = np.maximum(value - lowest, 0.0)
    found: Array = ROUNDS * np.log1p(beyond / colours.period)
    return found


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
