"""`hxgrid example normalmapper`: its options, and the original's flags."""

from __future__ import annotations

import contextlib
import difflib
import sys
import time
import webbrowser
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from hxgrid.cli.options import Common, common_options
from hxgrid.cli.output import duration, show
from hxgrid.cli.progress import Bar
from hxgrid.errors import HxGridError

_RULES = ("closest", "furthest", "front", "normal")
_PERCENT = 100


def _number(name: str, text: str, **more: Any) -> Any:
    return click.option(name, default=None, help=text, **more)


def _switch(name: str, field: str, text: str) -> Any:
    return click.option(name, field, is_flag=True, default=None, help=text)


# Each option's name is the field of the example's Options that it sets.
_OPTIONS = (
    _number("--samples", "Samples a texel: 1, 5, 10, 17, ... 122.", type=int),
    _switch("--corner-samples", "has_corner_samples", "Four more, at the texel's corners."),
    click.option(
        "--rule",
        type=click.Choice(_RULES),
        default=None,
        help="Which hit counts; front: furthest in front, else closest behind.",
    ),
    click.option(
        "--better/--first",
        "is_better",
        default=None,
        help="Among hits of one distance: the better normal, or the first.",
    ),
    _switch("--front-only", "is_front_only", "Only hits in front (closest, furthest)."),
    _number("--max-distance", "Longest way to a hit, in units of the meshes.", type=float),
    _number("--least-cosine", "Hits that turn away further do not count (0.1).", type=float),
    _number("--epsilon", "Determinant up to which triangles are parallel.", type=float),
    _switch("--occlusion", "has_occlusion", "How open the sky is, as alpha."),
    _switch("--bent-normals", "has_bent_normals", "Normals that point to the open sky."),
    _number("--rays", "Rays for these two: 69, 149, 261 or 581.", type=int),
    _switch("--world-space", "is_world_space", "Normals of the world, not of the surface."),
    _switch("--displacement", "has_displacement", "Also write the distances to the high mesh."),
    _number("--pad", "Texels around a triangle that are looked at (2).", type=int),
    click.option(
        "--edges/--no-edges",
        "is_edge_copied",
        default=None,
        help="Whether texels beside a triangle take what its edge finds.",
    ),
    click.option(
        "--dilation", "dilation_passes", type=int, default=None, help="Rounds of filling (10)."
    ),
    _switch("--box-filter", "has_box_filter", "Make each texel the mean of four."),
    click.option(
        "--mips",
        type=click.Choice(("none", "box", "recast")),
        default=None,
        help="Also write smaller pictures: averaged, or computed anew.",
    ),
)


def _all_options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(
    "normalmapper",
    context_settings={"ignore_unknown_options": True},
    short_help="Make a normal map of a detailed mesh for a simple one.",
)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    metavar="[-FLAGS] LOW HIGH WIDTH HEIGHT [HEIGHTMAP SCALE] OUT",
)
@_all_options
@click.option("--preview", is_flag=True, help="Show it on a page of this computer, until Ctrl-C.")
@click.option("--bits", type=click.Choice(("8", "16")), default="8", help="A channel; 16: PNG.")
@common_options(local=True, job=True)
def command(words: tuple[str, ...], preview: bool, bits: str, common: Common, **given: Any) -> None:
    """Draw what the mesh HIGH looks like as a normal map for the mesh LOW.

    Meshes are NMF, OBJ, PLY, STL or glTF files; OUT is a .tga, .png, .exr or .arg. The one-letter
    flags of ATI NormalMapper may come first, as one word: -1r is five samples and 69 occlusion
    rays.
    """
    _check_words(words)
    _check_packages()
    from hxgrid_examples.errors import JobError
    from hxgrid_examples.normalmapper.flags import parse_positions
    from hxgrid_examples.normalmapper.preview import Preview
    from hxgrid_examples.pages import wait_for_ctrl_c

    try:
        job = parse_positions(words)
        changes = {name: value for name, value in given.items() if value is not None}
        job = replace(job, options=replace(job.options, **changes))
        if not preview:
            _compute(job, int(bits), common, None)
            return
        with Preview.of(job) as page:
            common.say(f"The preview is at {page.url}")
            _open_browser(page.url)
            _compute(job, int(bits), common, page)
            common.say("The preview stays until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                wait_for_ctrl_c()
    except JobError as error:
        raise click.UsageError(str(error)) from error


def _check_words(words: tuple[str, ...]) -> None:
    """Raise for a misspelt option: its letters are no flags."""
    for word in words:
        if word.startswith("--"):
            known = [name for option in command.params for name in option.opts]
            near = difflib.get_close_matches(word.partition("=")[0], known)
            raise click.NoSuchOption(word, possibilities=near)


def _compute(job: Any, bits: int, common: Common, watcher: Any) -> None:
    from hxgrid_examples.normalmapper.app import run

    started_at = time.monotonic()
    with Bar("texels", _PERCENT, is_shown=not common.is_quiet) as bar:
        written: list[Path] = run(
            job,
            common.connect,
            bits=bits,
            on_progress=lambda share: bar.advance_to(int(_PERCENT * share)),
            say=common.say,
            watcher=watcher,
        )
    for path in written:
        show(str(path))
    common.say(f"{job.width} x {job.height} texels in {duration(time.monotonic() - started_at)}.")


def _open_browser(url: str) -> None:
    # Only where a person sits: a test or a script wants the address and no window.
    if sys.stderr.isatty() and sys.stdin.isatty():
        webbrowser.open(url)


def _check_packages() -> None:
    if find_spec("numpy") is None:
        raise HxGridError(
            "This computer has no numpy, which this example needs",
            advice=f"Install it: {sys.executable} -m pip install 'hxgrid[examples]'",
        )
