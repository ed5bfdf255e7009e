"""`hxgrid example mandelbrot`: a window to explore in, or one picture into a file."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hxgrid.cli.options import Common, common_options
from hxgrid.cli.output import count_of, duration, show
from hxgrid.cli.progress import Bar
from hxgrid.errors import HxGridError, TaskError

if TYPE_CHECKING:
    from hxgrid_examples.mandelbrot.app import Job

_PERMILLE = 1000


@click.command("mandelbrot", short_help="Explore the Mandelbrot set in a window, or draw it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw this one picture; without it, a window opens in the browser.",
)
@click.option("--centre", metavar="RE,IM", help="Middle of the picture, any number of digits.")
@click.option("--zoom", metavar="Z", help="The shorter side of the picture is 1/Z long: 0.3, 1e30.")
@click.option("--size", default="1280x720", metavar="WxH", show_default=True, help="In pixels.")
@click.option("--iterations", type=int, metavar="N", help="At most so many (default: by zoom).")
@click.option("--palette", default="dusk", show_default=True, help="Its colours.")
@click.option(
    "--method",
    type=click.Choice(["grid", "grid-exact", "double", "exact"]),
    default="grid",
    show_default=True,
    help="grid: as exactly as the zoom needs; grid-exact: every point with long numbers; double,"
    " exact: in this process, in double precision or with long numbers.",
)
@click.option(
    "--cut",
    type=click.Choice(["tiles", "columns"]),
    default="tiles",
    show_default=True,
    help="Into tiles of the same measured cost, or the original's columns.",
)
@click.option(
    "--task",
    "kind",
    type=click.Choice(["cpp", "python"]),
    help="Which task computes (default: cpp, if it can be compiled here).",
)
@click.option(
    "--gantt",
    type=click.Path(path_type=Path),
    metavar="FILE.svg",
    help="Also draw what ran when on which slot.",
)
@click.option("--browser/--no-browser", default=True, help="Open the window, or say its address.")
@common_options(local=True, job=True)
def command(  # noqa: PLR0917 - one for each option
    out: Path | None,
    centre: str | None,
    zoom: str | None,
    size: str,
    iterations: int | None,
    palette: str,
    method: str,
    cut: str,
    kind: str | None,
    gantt: Path | None,
    browser: bool,
    common: Common,
) -> None:
    """Explore the Mandelbrot set in a window, or draw a picture of it into a file.

    The window is a page that this program serves to your browser alone. Pictures are computed on
    the grid, to any depth.
    """
    _check_packages()
    from hxgrid_examples.errors import JobError
    from hxgrid_examples.mandelbrot import app
    from hxgrid_examples.mandelbrot.palettes import palette as palette_of
    from hxgrid_examples.mandelbrot.runners import Code
    from hxgrid_examples.mandelbrot.view import (
        check_iterations,
        parse_centre,
        parse_size,
        parse_view,
    )

    try:
        re, im = parse_centre(centre) if centre is not None else ("-0.5", "0")
        view = parse_view(re, im, zoom or "0.3", *parse_size(size))
        limit = check_iterations(iterations or app.default_iterations(view))
        colours = palette_of(palette)
        code = Code(kind or _best_kind(common))
        if out is None:
            _explore(common, code, view, iterations, opens=browser)
            return
        app.check_picture_name(out)
        _draw(app.Job(view, limit, out, colours, method, cut, gantt), code, common)
    except JobError as error:
        raise click.UsageError(str(error)) from error


def _draw(job: Job, code: object, common: Common) -> None:
    from hxgrid_examples.mandelbrot import app

    started_at = time.monotonic()
    with Bar("picture", _PERMILLE, is_shown=not common.is_quiet) as bar:
        try:
            drawing = app.draw(
                job, code, common.connect, lambda share: bar.advance_to(int(_PERMILLE * share))
            )
        except TaskError as error:
            if "No module named 'numpy" in str(error):
                raise _missing_numpy("An agent has") from error
            raise
    for path in (job.out, job.gantt):
        if path is not None:
            show(str(path))
    tiles = count_of(len(drawing.sent), "tile")
    size = f"{job.view.width} x {job.view.height} points"
    common.say(f"{size} in {duration(time.monotonic() - started_at)}, {tiles}.")


def _explore(common: Common, code: object, view: object, limit: int | None, *, opens: bool) -> None:
    from hxgrid_examples.mandelbrot.window import serve

    say, is_local = common.say, common.is_local
    serve(code, common.connect, view, limit, say=say, opens_browser=opens, is_local=is_local)


def _best_kind(common: Common) -> str:
    from hxgrid_examples.errors import JobError
    from hxgrid_examples.mandelbrot.library import library_path

    try:
        library_path()
    except JobError as error:
        common.say(f"The task runs in Python, many times slower than in C++: {error}.")
        return "python"
    return "cpp"


def _check_packages() -> None:
    if find_spec("numpy") is None:
        raise _missing_numpy("This computer has")


def _missing_numpy(who_has: str) -> HxGridError:
    return HxGridError(
        f"{who_has} no numpy, which this example needs",
        advice=f"Install it there: {sys.executable} -m pip install 'hxgrid[examples]'",
    )
