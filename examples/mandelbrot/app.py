"""Draws the Mandelbrot set on the grid.

    python -m hxgrid_examples.mandelbrot.app --address local --zoom 1e30 --centre RE,IM --out x.png

`draw` is the whole job without a window: connect, compute, colour, write. The window is in
window.py. `hxgrid example mandelbrot` does both, with more options.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hxgrid

from ..errors import JobError
from ..png import encode_png
from .drawing import IN_PROCESS, Drawing, Picture, Sent
from .gantt import chart
from .palettes import DEFAULT, Palette, paint, palette
from .runners import Code, GridRunner, LocalRunner
from .view import View, check_iterations, parse_centre, parse_size, parse_view

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""


@dataclass(frozen=True)
class Job:
    """What is to be drawn, and how."""

    view: View
    limit: int
    out: Path
    palette: Palette
    method: str = "grid"
    cut: str = "tiles"
    gantt: Path | None = None
    """Where a chart of what ran when is written, if wanted."""


def default_iterations(view: View) -> int:
    """Return how many iterations show something: more, the deeper."""
    return 1_000 + 150 * max(0, round(3.33 * view.zoom.adjusted()))


def draw(
    job: Job,
    code: Code,
    connect: Callable[[], hxgrid.Session],
    on_progress: Progress | None = None,
) -> Drawing:
    """Do the job, and return the drawing with what it came to.

    Raises `JobError` for what is wrong with the job, and what a session raises.
    """
    for path in (job.out, job.gantt):
        check_folder(path)
    check_iterations(job.limit)
    drawing: Drawing

    def on_tile(_: Sent) -> None:
        if on_progress is not None:
            on_progress(drawing.progress())

    drawing = Drawing(job.view, job.limit, method=job.method, cut=job.cut, on_tile=on_tile)
    if job.method in IN_PROCESS:
        local = LocalRunner(code)
        try:
            drawing.run(local)
        finally:
            local.close()
    else:
        code.library(drawing.arithmetic)
        with connect() as session:
            drawing.run(GridRunner(session, code))
    _write(job.out, picture_file(job, drawing.picture))
    if job.gantt is not None:
        _write(job.gantt, chart(drawing.spans()).encode())
    return drawing


def picture_file(job: Job, picture: Picture) -> bytes:
    """Return the picture as a PNG that says where it is."""
    view = job.view
    words = {
        "Software": "hxGrid Mandelbrot",
        "Centre": f"{view.re:f},{view.im:f}",
        "Zoom": f"{view.zoom:g}",
        "Iterations": str(job.limit),
    }
    return encode_png(paint(picture.counts, picture.norms, job.palette), words)


def check_folder(path: Path | None) -> None:
    """Raise `JobError` now if nothing could be written there later."""
    if path is not None and not path.absolute().parent.is_dir():
        raise JobError(f"the folder {path.absolute().parent} is not there")
    if path is not None and path.is_dir():
        raise JobError(f"{path} is a folder, not a file to write")


def check_picture_name(path: Path) -> None:
    """Raise `JobError` if the name does not say PNG."""
    if path.suffix.lower() != ".png":
        raise JobError(f"the output {str(path)!r} must end in .png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw one picture; return the exit status."""
    parser = argparse.ArgumentParser(description="Draw the Mandelbrot set on the grid.")
    parser.add_argument("--address", help='HOST[:PORT], "local" or "inline"; default: find one')
    parser.add_argument("--centre", default="-0.5,0", metavar="RE,IM")
    parser.add_argument("--zoom", default="0.3")
    parser.add_argument("--size", default="1280x720", metavar="WIDTHxHEIGHT")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--palette", default=DEFAULT)
    parser.add_argument("--task", default="cpp", choices=("cpp", "python"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        check_picture_name(options.out)
        view = parse_view(*parse_centre(options.centre), options.zoom, *parse_size(options.size))
        limit = options.iterations or default_iterations(view)
        job = Job(view, limit, options.out, palette(options.palette))
        draw(job, Code(options.task), lambda: hxgrid.connect(options.address), _show_progress)
    except (JobError, hxgrid.HxGridError) as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_status if isinstance(error, hxgrid.HxGridError) else 2
    print(f"\n{options.out}", file=sys.stderr)
    return 0


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise JobError(f"{path} cannot be written: {error.strerror}") from error


def _show_progress(share: float) -> None:
    print(f"\r{100 * share:3.0f} %", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
