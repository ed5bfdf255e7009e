from __future__ import annotations

import numpy as np
import pytest
from hxgrid_examples.normalmapper import plan
from hxgrid_examples.normalmapper.options import Options
from hxgrid_examples.normalmapper.picture import Picture, level_sizes


def with_texels(size: int, texels: dict[tuple[int, int], tuple[float, float, float]]) -> Picture:
    options = Options(has_occlusion=True)
    picture = Picture.blank(size, size, options)
    for (row, column), normal in texels.items():
        picture.normals[row, column] = normal
        assert picture.openness is not None
        picture.openness[row, column] = 0.5
    return picture


def test_sums_become_unit() -> None:
    picture = with_texels(2, {(0, 0): (0, 0, 5)})
    picture.finish(Options(dilation_passes=0))
    assert picture.normals[0, 0].tolist() == [0, 0, 1]
    assert not picture.normals[1, 1].any()


def test_dilation_goes_one_texel_a_pass_and_round_the_borders() -> None:
    picture = with_texels(5, {(0, 0): (0, 0, 1)})
    picture.finish(Options(dilation_passes=1))
    filled = {tuple(place) for place in np.argwhere(picture.normals.any(axis=2)).tolist()}
    assert filled == {(0, 0), (0, 1), (1, 0), (0, 4), (4, 0)}
    assert picture.openness is not None
    assert picture.openness[0, 4] == 0.5


def test_a_texel_between_two_takes_the_middle() -> None:
    picture = with_texels(5, {(2, 1): (1, 0, 0), (2, 3): (0, 0, 1)})
    picture.finish(Options(dilation_passes=1))
    assert np.allclose(picture.normals[2, 2], [0.5**0.5, 0, 0.5**0.5])


def test_dilation_ends_when_everything_is_filled() -> None:
    picture = with_texels(4, {(0, 0): (0, 1, 0)})
    picture.finish(Options(dilation_passes=1000))
    assert (picture.normals == [0, 1, 0]).all()


def test_the_box_filter_leaves_the_last_row_and_column() -> None:
    picture = with_texels(2, {(0, 0): (1, 0, 0), (1, 1): (0, 0, 1)})
    picture.finish(Options(dilation_passes=0, has_box_filter=True))
    assert np.allclose(picture.normals[0, 0], [0.5**0.5, 0, 0.5**0.5])
    assert picture.normals[1, 1].tolist() == [0, 0, 1]
    assert picture.openness is not None
    assert picture.openness[0, 0] == 0.25


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((8, 8), [(8, 8), (4, 4), (2, 2), (1, 1)]),
        ((6, 2), [(6, 2), (3, 1), (1, 1)]),
        ((2, 8), [(2, 8), (1, 4), (1, 2), (1, 1)]),
    ],
)
def test_a_chain_ends_at_one_texel(size: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    assert level_sizes(*size) == sizes
    picture = Picture.blank(*size, Options())
    for width, height in sizes:
        assert picture.normals.shape == (height, width, 3)
        picture = picture.halved()


def test_a_level_is_the_mean_of_four_on_floats() -> None:
    picture = with_texels(2, {(0, 0): (1, 0, 0), (0, 1): (0, 1, 0)})
    smaller = picture.halved()
    assert np.allclose(smaller.normals[0, 0], [0.5**0.5, 0.5**0.5, 0])
    assert smaller.openness is not None
    assert smaller.openness[0, 0] == 0.25
    assert not Picture.blank(2, 2, Options()).halved().normals.any()


def test_bytes_are_those_of_the_original() -> None:
    picture = with_texels(2, {(0, 0): (-1, 1, 0), (0, 1): (0.5, -0.5, 0.25)})
    found = picture.to_bytes()
    assert found[0, 0].tolist() == [0, 255, 127, 127]
    assert found[0, 1].tolist() == [191, 63, 159, 127]
    assert found[1, 1].tolist() == [127, 127, 127, 0]


def test_every_openness_that_has_a_number_gets_it() -> None:
    for levels, find in ((256, Picture.to_bytes), (65536, Picture.to_words)):
        numbers = np.arange(levels).reshape(-1, 2)
        openness = (numbers / (levels - 1)).astype(np.float32)
        picture = Picture(np.zeros((*numbers.shape, 3), np.float32), openness)
        assert (find(picture)[:, :, 3] == numbers).all()


def test_a_tile_is_put_where_it_belongs() -> None:
    picture = Picture.blank(6, 4, Options())
    tiles = np.array([[0, 0, 2, 1], [4, 2, 6, 4]], np.uint32)
    picture.place(plan.Part(tiles, 1), np.arange(18, dtype=np.float32))
    assert picture.normals[0, :2].ravel().tolist() == list(range(6))
    assert picture.normals[2:, 4:].ravel().tolist() == list(range(6, 18))
    assert not picture.normals[1].any()


class Costs:
    """A scene that knows only what its tiles cost."""

    def __init__(self, cost_of_a_texel: float) -> None:
        self._cost = cost_of_a_texel

    def costs(self, width: int, height: int, tiles: np.ndarray) -> np.ndarray:
        sizes = tiles.astype(float)
        # The left half is empty, the bottom rows are ten times the work.
        area = (sizes[:, 2] - sizes[:, 0]) * (sizes[:, 3] - sizes[:, 1])
        weight = np.where(sizes[:, 1] < height / 4, 10, 1) * (sizes[:, 0] >= width / 2)
        return np.asarray(area * weight * self._cost)


@pytest.mark.parametrize("slots", [1, 2, 64])
@pytest.mark.parametrize("cost", [1, 100, 10_000])
def test_tasks_cover_what_is_not_empty_once_and_cost_about_the_same(
    slots: int, cost: float
) -> None:
    parts = plan.cut(Costs(cost), 128, 128, slots)
    seen = np.zeros((128, 128), int)
    for part in parts:
        for x0, y0, x1, y1 in part.tiles.tolist():
            seen[y0:y1, x0:x1] += 1
    assert (seen[:, 64:] == 1).all()
    assert not seen[:, :64].any()
    costs = [part.cost for part in parts]
    assert costs == sorted(costs, reverse=True)
    target = max(sum(costs) / (slots * plan.TASKS_PER_SLOT), plan.LEAST_RAYS)
    smallest_tile = 16 * 10 * cost
    assert max(costs) <= max(target, smallest_tile) * 1.0001
    assert len(parts) >= min(sum(costs) / target, sum(costs) / smallest_tile) * 0.9


def test_a_request_names_the_picture_and_its_tiles() -> None:
    part = plan.Part(np.array([[1, 2, 3, 4]], np.uint32), 1)
    assert np.frombuffer(part.request(5, 6), "<u4").tolist() == [5, 6, 1, 1, 2, 3, 4]
    assert part.texel_count == 4
