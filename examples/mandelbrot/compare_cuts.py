"""Draws how the original's columns and tiles of measured cost fill the slots of a grid.

    python -m hxgrid_examples.mandelbrot.compare_cuts cuts.svg

The steps of every tile are counted in this process. Then both jobs run on four agents of four slots
inside this program: real sessions and real scheduling, but each task waits in proportion to its
steps instead of computing, because few computers have sixteen processors. The chart is made from
`Task.attempts`.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import hxgrid

from ..errors import JobError
from . import plan
from .drawing import Drawing
from .gantt import Span, charts
from .library import Library, load
from .mb_task import Tile
from .runners import GridHandle
from .view import View, parse_view

AGENTS, SLOTS = 4, 4
PLACE = ("-0.7443", "0.1180", "90")
SIZE = (1200, 800)
LIMIT = 5_000
# What the slots would take if none was ever idle.
SECONDS = 5.0
TASK_FILE = Path(__file__).with_name("wait_task.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the chart; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="an SVG file")
    options = parser.parse_args(arguments)
    view = parse_view(*PLACE, *SIZE)
    try:
        library = load()
    except JobError as error:
        print(error, file=sys.stderr)
        return 1
    names = {"columns": "The original's columns, left to right", "tiles": "Tiles of measured cost"}
    drawn = []
    for cut, name in names.items():
        spans = waited(stages(library, view, cut))
        drawn.append((name, spans))
    options.out.write_text(charts(drawn), encoding="utf-8")
    return 0


def stages(library: Library, view: View, cut: str) -> list[list[float]]:
    """Return the steps of the tasks of a job; a stage waits for the one before it."""
    width, height = view.width, view.height
    if cut == "columns":
        return [[float(steps(library, view, p.tile).sum()) for p in plan.columns(width, height)]]
    bands = [
        steps(library, view, band) for band in plan.coarse_bands(width, height, 4 * AGENTS * SLOTS)
    ]
    parts = plan.tiles(width, height, np.concatenate(bands), AGENTS * SLOTS)
    tiles = [float(steps(library, view, part.tile).sum()) for part in parts]
    return [[float(band.sum()) for band in bands], tiles]


def steps(library: Library, view: View, tile: Tile) -> plan.Costs:
    """Return the steps of each point of a tile."""
    request = Drawing(view, LIMIT).request(tile, wants_steps=True)
    answer = library.compute(request.pack(), b"", lambda: True)
    found: plan.Costs = np.frombuffer(answer, "<u4").reshape(3, *tile.shape)[2].astype(float)
    return found


def waited(job: Sequence[Sequence[float]]) -> list[Span]:
    """Run a job of waiting tasks; return what ran when."""
    scale = SECONDS * AGENTS * SLOTS / sum(map(sum, job))
    handles: list[GridHandle] = []
    with hxgrid.connect("local", agents=AGENTS, slots=SLOTS) as session:
        warm = [session.run_task(TASK_FILE, "run_task", struct.pack("<d", 0.2)) for _ in range(64)]
        session.wait_for_completion()
        assert all(warm)
        for stage in job:
            for cost in stage:
                wait = struct.pack("<d", cost * scale)
                handles.append(GridHandle(session.run_task(TASK_FILE, "run_task", wait, cost=cost)))
            session.wait_for_completion()
        return [span for handle in handles for span in handle.spans()]


if __name__ == "__main__":
    sys.exit(main())
