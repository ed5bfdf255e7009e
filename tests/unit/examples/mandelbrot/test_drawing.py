"""Whole pictures: the same from every runner and cut, and what cancelling leaves."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot.drawing import Drawing, Sent, arithmetic_for
from hxgrid_examples.mandelbrot.mb_task import EXACT, PERTURBED, PLAIN, Tile
from hxgrid_examples.mandelbrot.runners import HERE, Code, GridRunner, LocalRunner
from hxgrid_examples.mandelbrot.view import View, parse_view

import hxgrid

LIMIT = 150
HOME = parse_view("-0.5", "0", "0.3", 50, 34)
DEEP = parse_view("0", "1", "1e30", 26, 17)


def drawn(view: View, runner: LocalRunner | GridRunner, **options: str) -> Drawing:
    drawing = Drawing(view, LIMIT, **options)
    picture = drawing.run(runner)
    assert drawing.stage == "done"
    assert drawing.progress() == 1.0
    assert picture.is_known.all()
    return drawing


@pytest.mark.parametrize("view", [HOME, DEEP])
def test_a_picture_is_the_same_in_every_way(view: View) -> None:
    local = LocalRunner(Code(), threads=3)
    try:
        tiles = drawn(view, local)
        columns = drawn(view, local, cut="columns")
    finally:
        local.close()
    with hxgrid.connect("inline") as session:
        inline = drawn(view, GridRunner(session, Code("python")))
    for other in (columns, inline):
        assert np.array_equal(tiles.picture.counts, other.picture.counts)
        assert np.array_equal(tiles.picture.norms, other.picture.norms)
    assert {span.agent for span in tiles.spans()} == {HERE}
    assert len(columns.spans()) == len(columns.sent)


@pytest.mark.parametrize(
    ("method", "zoom", "arithmetic"),
    [
        ("grid", "0.3", PLAIN),
        ("grid", "1e30", PERTURBED),
        ("grid", "1e250", PERTURBED),
        ("grid", "1e400", EXACT),
        ("grid-exact", "0.3", EXACT),
        ("double", "1e30", PLAIN),
        ("exact", "1e30", EXACT),
    ],
)
def test_the_arithmetic_follows_method_and_zoom(method: str, zoom: str, arithmetic: int) -> None:
    assert arithmetic_for(method, parse_view("0", "0", zoom, 100, 100)) == arithmetic


def test_beyond_the_range_of_doubles_there_is_still_a_picture() -> None:
    view = parse_view("0", "1", "1e305", 4, 3)
    with hxgrid.connect("inline") as session:
        drawing = Drawing(view, 1500)
        drawing.run(GridRunner(session, Code("python")))
    assert len(np.unique(drawing.picture.counts)) > 3


def test_a_cost_that_nobody_knows_is_none_to_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[float | None] = []
    with hxgrid.connect("inline") as session:
        run_task = session.run_task

        def noted(*given: Any, **more: Any) -> Any:
            costs.append(more["cost"])
            return run_task(*given, **more)

        monkeypatch.setattr(session, "run_task", noted)
        Drawing(HOME, LIMIT, cut="columns").run(GridRunner(session, Code("python")))
        Drawing(HOME, LIMIT).run(GridRunner(session, Code("python")))
    assert None in costs
    assert all(cost is None or cost > 0 for cost in costs)


def test_every_tile_is_told_of_with_its_place() -> None:
    seen: list[Sent] = []
    drawing = Drawing(HOME, LIMIT, on_tile=seen.append)
    with hxgrid.connect("inline") as session:
        drawing.run(GridRunner(session, Code("python")))
    assert seen == [*drawing.coarse, *drawing.sent]
    assert {placed.agent for sent in seen if (placed := sent.whereabouts())} == {"this program"}


def test_cancelling_ends_a_picture_that_would_take_long() -> None:
    view = parse_view("-0.1528", "1.0397", "500", 400, 400)
    local = LocalRunner(Code(), threads=2)
    first = threading.Event()
    drawing = Drawing(view, 100_000_000, method="exact", on_tile=lambda _: first.set())
    thread = threading.Thread(target=drawing.run, args=(local,))
    thread.start()
    drawing.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert drawing.stage == "cancelled"
    # The threads are free again.
    again = drawn(HOME, local)
    local.close()
    assert again.picture.is_known.all()


def test_a_cancelled_drawing_does_not_begin() -> None:
    local = LocalRunner(Code(), threads=1)
    drawing = Drawing(DEEP, LIMIT)
    drawing.cancel()
    drawing.run(local)
    local.close()
    assert drawing.stage == "cancelled"
    assert not drawing.picture.is_known.any()


def test_unknown_words_end_in_a_sentence() -> None:
    with pytest.raises(JobError, match="no method 'fast'"):
        Drawing(HOME, LIMIT, method="fast")
    with pytest.raises(JobError, match="not into 'rows'"):
        Drawing(HOME, LIMIT, cut="rows")
    with pytest.raises(JobError, match="not in 'rust'"):
        Code("rust")


def test_a_coarse_tile_lies_where_its_points_are() -> None:
    drawing = Drawing(HOME, LIMIT)
    counts = np.arange(4, dtype="<u4").reshape(2, 2)
    drawing.picture.place(Tile(0, 0, 16, 16, 8), counts, counts.astype("<f4"))
    assert drawing.picture.counts[8, 8] == 3
    assert drawing.picture.is_known.sum() == 4
