"""Deep pictures on a grid: every count is that of the computation with long numbers."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hxgrid_examples.mandelbrot import app, compare_cuts, gantt
from hxgrid_examples.mandelbrot.drawing import Drawing
from hxgrid_examples.mandelbrot.palettes import palette
from hxgrid_examples.mandelbrot.runners import Code, GridRunner, LocalRunner
from hxgrid_examples.mandelbrot.view import parse_view

import hxgrid

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LOCATIONS = Path(__file__).parents[2] / "benchmarks" / "locations.toml"
PLACES = tomllib.loads(LOCATIONS.read_text(encoding="utf-8"))
EDGE = 64


@pytest.mark.parametrize("name", PLACES)
def test_a_deep_picture_has_the_counts_of_long_numbers(name: str) -> None:
    place = PLACES[name]
    limit = place["iterations"]
    view = parse_view(place["re"], place["im"], place["zoom"], EDGE, EDGE)
    code = Code()
    local = LocalRunner(code)
    direct = Drawing(view, limit, method="exact")
    direct.run(local)
    local.close()
    with hxgrid.connect("local", slots=2) as session:
        perturbed = Drawing(view, limit)
        perturbed.run(GridRunner(session, code))
    counts = perturbed.picture.counts
    assert np.array_equal(counts, direct.picture.counts)
    # Worth comparing: many counts, some points inside, and steps by the thousand.
    assert len(np.unique(counts)) > 500
    assert (counts == limit).mean() > 0.05
    assert np.median(counts) > 2_000


def test_a_chart_of_a_picture_on_a_grid_names_its_slots(tmp_path: Path) -> None:
    view = parse_view("-0.5", "0", "0.3", 120, 80)
    colours = palette("dusk")
    job = app.Job(view, 300, tmp_path / "x.png", colours, gantt=tmp_path / "x.svg")
    drawing = app.draw(job, Code(), lambda: hxgrid.connect("local", agents=2, slots=2))
    spans = drawing.spans()
    # Stragglers may have been tried a second time.
    assert len(spans) >= len(drawing.coarse) + len(drawing.sent)
    assert all(span.started <= span.ended for span in spans)
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert all(f">{span.agent} {span.slot}<" in text for span in spans)


def test_tiles_of_measured_cost_keep_slots_busier_than_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The chart of the page, made smaller: real sessions, and tasks that wait.
    for name, value in {"AGENTS": 2, "SLOTS": 4, "SECONDS": 2.0, "LIMIT": 2_000}.items():
        monkeypatch.setattr(compare_cuts, name, value)
    view = parse_view(*compare_cuts.PLACE, 300, 200)
    library = compare_cuts.load()
    idle = {
        cut: gantt.idle_share(compare_cuts.waited(compare_cuts.stages(library, view, cut)))
        for cut in ("columns", "tiles")
    }
    assert idle["tiles"] < idle["columns"]
