"""How long does a deep picture take, and does cancelling it let go at once?

The places are those of `locations.toml` (see `find_locations.py`): 1920 x 1080 points, 10,000
iterations. A picture is timed from its beginning, the reference orbit included, until every point
has arrived; by turns with the same tiles in this process, without a grid. Cancelling is timed while
every point is computed with long numbers, which nothing else would end for hours. Before that, each
place is checked against long numbers on a subset of 64 x 64 points.
"""

from __future__ import annotations

import sys
import threading
import time
import tomllib
from functools import partial
from pathlib import Path

from hxgrid_examples.errors import JobError
from hxgrid_examples.mandelbrot.drawing import Drawing
from hxgrid_examples.mandelbrot.runners import Code, GridRunner, LocalRunner, Runner
from hxgrid_examples.mandelbrot.view import View, parse_view

from benchmarks.find_locations import HEIGHT, WIDTH, judged
from benchmarks.grids import Grid, keyed_grid
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, tree_cpu_s, write
from tests.harness.wait import wait_until

LOCATIONS = Path(__file__).with_name("locations.toml")
MUST_S = 10.0
TURNS = 3
CANCEL_S = 0.5
WORK_S = 0.2
START_S = 60.0
# No computer of today ends this before it is cancelled.
FOR_EVER = 1_000_000_000


def main() -> list[Answer]:
    """Measure everything and write it down."""
    code = Code()
    try:
        code.library(0)
    except JobError as error:
        print(f"mandelbrot: left out: {error}", file=sys.stderr)
        return []
    places = tomllib.loads(LOCATIONS.read_text(encoding="utf-8"))
    views = {
        name: parse_view(place["re"], place["im"], place["zoom"], WIDTH, HEIGHT)
        for name, place in places.items()
    }
    local = LocalRunner(code)
    with keyed_grid() as grid:
        runner = GridRunner(grid.session, code)
        answers = [
            picture(grid, runner, local, views[name], places[name]["iterations"]) for name in places
        ]
        answers.append(cancelling(grid, runner, views[max(views)]))
    local.close()
    write("mandelbrot", answers)
    return answers


def picture(grid: Grid, runner: Runner, local: Runner, view: View, limit: int) -> Answer:
    """One place, on the grid and in this process by turns."""
    facts = judged(view)
    assert facts is not None, "the place is not what locations.toml says of it"

    def drawn(where: Runner) -> float:
        began = time.perf_counter()
        Drawing(view, limit).run(where)
        return time.perf_counter() - began

    drawn(runner)
    taken = take_turns({"process": lambda: drawn(local), "grid": lambda: drawn(runner)}, TURNS)
    return Answer(
        question=f"Mandelbrot, 1920 x 1080 at zoom {view.zoom:.0e}: {facts}",
        must_reach=f"under {MUST_S:.0f} s",
        baseline=f"one process {Spread.of(taken['process'])} s",
        ours=f"{Spread.of(taken['grid'])} s",
        ratio=f"{ratio_of(taken['grid'], taken['process']):.2f}",
        is_reached=Spread.of(taken["grid"]).median < MUST_S,
        grid=grid.kind,
        details=taken,
    )


def cancelling(grid: Grid, runner: Runner, view: View) -> Answer:
    """From `cancel` until every agent has confirmed that nothing runs."""
    values = []
    for _ in range(RUNS):
        drawing = Drawing(view, FOR_EVER, method="grid-exact")
        thread = threading.Thread(target=drawing.run, args=(runner,))
        thread.start()
        wait_until(partial(_is_computed, drawing, grid, tree_cpu_s(grid.agent)), START_S, "work")
        began = time.perf_counter()
        drawing.cancel()
        thread.join()
        values.append(time.perf_counter() - began)
    return Answer(
        question="Mandelbrot, cancel to idle",
        must_reach=f"under {CANCEL_S} s",
        baseline="",
        ours=f"{Spread.of(values)} s",
        ratio="",
        is_reached=max(values) < CANCEL_S,
        grid=grid.kind,
        details={"cancel": values},
    )


def _is_computed(drawing: Drawing, grid: Grid, spent_before_s: float) -> bool:
    """Tell whether agents have tiles, and have worked on them for a while."""
    is_sent = any(sent.whereabouts() for sent in drawing.coarse)
    return is_sent and tree_cpu_s(grid.agent) > spent_before_s + WORK_S


if __name__ == "__main__":
    main()
