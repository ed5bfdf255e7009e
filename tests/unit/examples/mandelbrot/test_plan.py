"""Cutting: every pixel once, tiles of the same cost, the dearest first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hxgrid_examples.mandelbrot import plan
from hxgrid_examples.mandelbrot.mb_task import Tile

SIZES = [(1, 1), (200, 200), (1920, 1080), (33, 700), (1001, 17)]


def coverage(width: int, height: int, tiles: list[Tile]) -> set[int]:
    seen = np.zeros((height, width), dtype=int)
    for tile in tiles:
        seen[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
    return set(seen.ravel().tolist())


def uneven(width: int, height: int) -> plan.Costs:
    costs = np.ones((-(-height // plan.COARSE), -(-width // plan.COARSE)))
    costs[: len(costs) // 4] = 20_000
    return costs


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_pixel_is_in_one_tile(width: int, height: int) -> None:
    tiles = [part.tile for part in plan.tiles(width, height, uneven(width, height), 8)]
    assert coverage(width, height, tiles) == {1}
    assert coverage(width, height, [part.tile for part in plan.columns(width, height)]) == {1}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_every_coarse_point_is_in_one_band(width: int, height: int, count: int) -> None:
    bands = plan.coarse_bands(width, height, count)
    assert coverage(width, height, [band._replace(stride=1) for band in bands]) == {1}
    assert all(band.y0 % plan.COARSE == 0 for band in bands)


def test_no_tile_costs_much_more_than_its_share() -> None:
    costs = uneven(1920, 1080)
    parts = plan.tiles(1920, 1080, costs, 16)
    share = costs.sum() * plan.COARSE**2 / (16 * plan.TILES_PER_SLOT)
    assert max(part.cost for part in parts) <= share
    assert len(parts) < 6 * 16 * plan.TILES_PER_SLOT


def test_the_dearest_tiles_go_first() -> None:
    costs = [part.cost for part in plan.tiles(1920, 1080, uneven(1920, 1080), 4)]
    assert all(after <= before * 1.5 for before, after in itertools.pairwise(costs))
    assert costs[0] > costs[-1]


def test_a_picture_that_costs_nothing_is_few_tasks() -> None:
    parts = plan.tiles(512, 512, np.ones((64, 64)), 64)
    assert len(parts) == 4


def test_columns_are_those_of_the_original() -> None:
    parts = plan.columns(200, 200)
    assert len(parts) == plan.COLUMN_TASKS
    assert parts[1].tile == Tile(5, 0, 10, 200)
