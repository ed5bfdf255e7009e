"""Cutting a picture into tasks of about the same work.

The picture is cut into tiles, the work of each is estimated, and tiles are joined to tasks in the
order in which they lie, so that the texels of a task see the same part of the mesh. Tasks with the
most work come first: those that end a job are then short. How a picture is cut has no influence on
its pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .scene import Costs, Scene, Tiles

# Tasks for each slot: so many that the last ones to end do not matter, so few that handing them
# out does not either.
TASKS_PER_SLOT = 40
# A task below this takes about as long to hand out as to compute.
LEAST_RAYS = 20_000.0
# A tile should not take longer than a task.
_EDGES = (32, 16, 8, 4)
_HEAD = struct.Struct("<3I")


@dataclass(frozen=True)
class Part:
    """The tiles of one task, and their expected work in rays."""

    tiles: Tiles
    cost: float

    def request(self, width: int, height: int) -> bytes:
        """Return the task's input."""
        tiles = np.ascontiguousarray(self.tiles, dtype="<u4")
        return _HEAD.pack(width, height, len(tiles)) + tiles.tobytes()

    @property
    def texel_count(self) -> int:
        """How many texels the answer has."""
        x0, y0, x1, y1 = self.tiles.astype(np.int64).T
        return int(((x1 - x0) * (y1 - y0)).sum())


def cut(scene: Scene, width: int, height: int, slots: int = 1) -> list[Part]:
    """Return the tasks of a picture for a grid of so many slots; empty tiles are left out."""
    for edge in _EDGES:
        tiles = tile_grid(width, height, edge)
        costs = scene.costs(width, height, tiles)
        target = max(float(costs.sum()) / (max(slots, 1) * TASKS_PER_SLOT), LEAST_RAYS)
        if costs.max() <= target:
            break
    parts = list(_joined(tiles, costs, target))
    # Stable, so that one job is always cut the same.
    return sorted(parts, key=lambda part: -part.cost)


def tile_grid(width: int, height: int, edge: int) -> Tiles:
    """Return tiles of edge x edge texels that cover the picture, as rows x0, y0, x1, y1."""
    return np.array(
        [
            (x, y, min(x + edge, width), min(y + edge, height))
            for y in range(0, height, edge)
            for x in range(0, width, edge)
        ],
        dtype=np.uint32,
    )


def _joined(tiles: Tiles, costs: Costs, target: float) -> Iterator[Part]:
    begin, cost = 0, 0.0
    wanted = np.flatnonzero(costs > 0)
    for index, tile in enumerate(wanted):
        if index > begin and cost + costs[tile] > target:
            yield Part(tiles[wanted[begin:index]], cost)
            begin, cost = index, 0.0
        cost += float(costs[tile])
    if begin < len(wanted):
        yield Part(tiles[wanted[begin:]], cost)
