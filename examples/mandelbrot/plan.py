"""Cutting a picture into tasks: as the original did it, and so that no slot starves.

The original gave five columns of its 200 to each task. Columns differ up to fifty to one in what
they cost, so a slot that got the dearest of them last kept everybody waiting. Here a coarse picture
is computed first, one point in sixty-four; the steps it took are the measure, and the picture is
cut into tiles of about the same number of steps. The dearest go first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .mb_task import Tile

if TYPE_CHECKING:
    Costs = np.ndarray[Any, np.dtype[np.float64]]

# Every so many pixels one is computed first, each way.
COARSE = 8
# Tasks of the original for one picture.
COLUMN_TASKS = 40
# So many that the last tiles to end do not matter, so few that handing them out does not either.
TILES_PER_SLOT = 24
# What takes less than this takes about as long to hand out as to compute.
LEAST_STEPS = 1_000_000.0
# A smaller tile would be guessed from too few points; a larger one shows nothing for too long.
LEAST_EDGE = 2 * COARSE
MOST_EDGE = 256


@dataclass(frozen=True)
class Part:
    """The tile of one task, and its expected cost in steps."""

    tile: Tile
    cost: float


def coarse_bands(width: int, height: int, count: int) -> list[Tile]:
    """Return the coarse picture in about so many bands of whole rows of points."""
    rows = -(-height // COARSE)
    band = COARSE * max(1, -(-rows // max(count, 1)))
    return [Tile(0, y, width, min(y + band, height), COARSE) for y in range(0, height, band)]


def columns(width: int, height: int, costs: Costs | None = None) -> list[Part]:
    """Return the original's columns: a fortieth of the picture each, from left to right."""
    wide = max(1, -(-width // COLUMN_TASKS))
    tiles = [Tile(x, 0, min(x + wide, width), height) for x in range(0, width, wide)]
    return [Part(tile, 0.0 if costs is None else _cost(costs, tile)) for tile in tiles]


def tiles(
    width: int, height: int, costs: Costs, slots: int, least: float = LEAST_STEPS
) -> list[Part]:
    """Return tiles of about the same cost, the dearest first; equal ones from the middle outwards.

    `costs` are the steps of each point of the coarse picture; `least` are those worth a task.
    """
    target = max(float(costs.sum()) * COARSE**2 / (max(slots, 1) * TILES_PER_SLOT), least)
    parts: list[Part] = []
    waiting = [Tile(0, 0, width, height)]
    while waiting:
        tile = waiting.pop()
        cost = _cost(costs, tile)
        across, down = tile.x1 - tile.x0, tile.y1 - tile.y0
        is_small = max(across, down) <= LEAST_EDGE
        if is_small or (cost <= target and max(across, down) <= MOST_EDGE):
            parts.append(Part(tile, cost))
        else:
            waiting += _halves(tile)
    return sorted(parts, key=lambda part: _rank(part, width, height))


def _halves(tile: Tile) -> list[Tile]:
    x0, y0, x1, y1, _ = tile
    if x1 - x0 >= y1 - y0:
        middle = x0 + _half(x1 - x0)
        return [Tile(x0, y0, middle, y1), Tile(middle, y0, x1, y1)]
    middle = y0 + _half(y1 - y0)
    return [Tile(x0, y0, x1, middle), Tile(x0, middle, x1, y1)]


def _half(edge: int) -> int:
    # On a whole coarse point, so that each has its cost in one tile.
    return -(-edge // (2 * COARSE)) * COARSE


def _cost(costs: Costs, tile: Tile) -> float:
    rows = slice(tile.y0 // COARSE, -(-tile.y1 // COARSE))
    across = slice(tile.x0 // COARSE, -(-tile.x1 // COARSE))
    found = costs[rows, across]
    area = (tile.x1 - tile.x0) * (tile.y1 - tile.y0)
    return float(found.mean()) * area


def _rank(part: Part, width: int, height: int) -> tuple[int, int, int, int]:
    tile = part.tile
    # Costs within a third of one another are as good as equal; it looks better then.
    dearness = int(np.floor(np.log(max(part.cost, 1.0)) / np.log(1.5)))
    x, y = tile.x0 + tile.x1 - width, tile.y0 + tile.y1 - height
    return -dearness, x * x + y * y, tile.y0, tile.x0
