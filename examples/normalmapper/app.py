"""Makes normal maps on the grid: what a detailed mesh looks like, on the texture of a simple one.

    python -m hxgrid_examples.normalmapper.app --address local -1r low.nmf high.nmf 512 512 map.tga

The arguments are those of NormalMapper. `run` does the whole job; `compute` is the part with the
grid: cut the picture into tasks, hand them out, put what comes back where it belongs, in whatever
order. No pixel depends on that order, because no two tasks share one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

import hxgrid

from ..errors import JobError
from .flags import Job, parse_positions, settled
from .library import HEADER, Library, load
from .meshes import checked_low, read_mesh
from .nm_task import SCENE
from .output import (
    check_output,
    displacement_path,
    level_path,
    write_displacement,
    write_picture,
)
from .picture import Picture, level_sizes
from .plan import Part, cut
from .relief import read_relief
from .scene import Scene, build_scene
from .turns import own_turn

TASK_FILE = Path(__file__).with_name("nm_task.py")

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0 to 1."""


class Watcher(Protocol):
    """Somebody who looks on while a picture comes about, such as a `preview.Preview`."""

    def begin(self, session: hxgrid.Session) -> None:
        """Be told of the session that will compute."""

    def placed(self, part: Part, picture: Picture, share: float) -> None:
        """Be told, on the callback thread, that a task's texels are in the picture."""

    def finished(self, picture: Picture) -> None:
        """Be told that the picture is as it will be in the file."""


def run(
    job: Job,
    connect: Callable[[], hxgrid.Session],
    *,
    bits: int = 8,
    on_progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    watcher: Watcher | None = None,
) -> list[Path]:
    """Do the job and return the files written.

    `connect` is called when everything is ready for the grid; `watcher` is told of the picture (of
    the largest, where there are several). Raises `JobError` for what is wrong with files and
    options, and what a session raises.
    """
    check_output(job.out, bits, job.layout)
    job = replace(job, options=settled(job))
    library = load()
    with tempfile.TemporaryDirectory(prefix="hxgrid-normalmapper-") as folder:
        scene = prepare(library, job)
        path = Path(folder) / "scene"
        scene.write(path)
        with own_turn(say or _say), connect() as session:
            session.bind_get_data(lambda name: path if name == SCENE else None)
            if watcher is not None:
                watcher.begin(session)
            pictures = _compute_levels(session, library, scene, job, on_progress, watcher)
    if watcher is not None:
        watcher.finished(pictures[0])
    return _write(pictures, job, bits)


def prepare(library: Library, job: Job) -> Scene:
    """Read the files of a job whose options are settled, and make the scene."""
    relief = None
    if job.height_map is not None:
        relief = read_relief(job.height_map, job.height_scale)
    low = checked_low(read_mesh(job.low), job.low)
    return build_scene(library, low, read_mesh(job.high), job.options, relief)


def compute(
    session: hxgrid.Session,
    library: Library,
    scene: Scene,
    job: Job,
    on_progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> Picture:
    """Compute one picture; its scene must be what the session's `get_data` callback gives."""
    picture = Picture.blank(job.width, job.height, job.options)
    parts = cut(scene, job.width, job.height, session.connection_status.slots)
    total = sum(part.cost for part in parts)
    done = 0.0

    def place(part: Part, out_stream: hxgrid.Stream) -> None:
        nonlocal done
        picture.place(part, np.frombuffer(out_stream.getbuffer(), "<f4"))
        done += part.cost
        if on_progress is not None:
            on_progress(done / total)
        if watcher is not None:
            watcher.placed(part, picture, done / total)

    modules, function = task_of(session, library)
    for part in parts:
        session.run_task(
            modules,
            function,
            part.request(job.width, job.height),
            lambda out_stream, part=part: place(part, out_stream),
            cost=part.cost,
        )
    session.wait_for_completion()
    picture.finish(job.options)
    return picture


def task_of(session: object, library: Library) -> tuple[list[Path], str]:
    """Return the modules and the function to run on this session.

    On a grid the library is the task module, and agents need no Python packages for it. In the
    calling thread there is no host for native modules: there a Python task calls the library.
    """
    if isinstance(session, hxgrid.Session):
        return [library.path], "RunTask"
    return [TASK_FILE, library.path, HEADER], "run_task"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of the original, on a grid; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Make a normal map on the grid.",
        usage="%(prog)s [--address A] [-FLAGS] LOW HIGH WIDTH HEIGHT [DISTANCE] [MAP SCALE] OUT",
    )
    parser.add_argument("--address", help='HOST[:PORT], "local" or "inline"; default: find one')
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8)
    # The rest may begin with a dash: flags, and a scale below 0.
    options, words = parser.parse_known_args(arguments)
    try:
        job = parse_positions(words)
        written = run(
            job,
            lambda: hxgrid.connect(options.address),
            bits=options.bits,
            on_progress=_show_progress,
            say=_say,
        )
    except (JobError, hxgrid.HxGridError) as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_status if isinstance(error, hxgrid.HxGridError) else 2
    print(file=sys.stderr)
    for path in written:
        print(path)
    return 0


def _compute_levels(
    session: hxgrid.Session,
    library: Library,
    scene: Scene,
    job: Job,
    on_progress: Progress | None,
    watcher: Watcher | None,
) -> list[Picture]:
    """Compute the picture, and the smaller ones of a chain."""
    sizes = level_sizes(job.width, job.height) if job.options.mips != "none" else []
    if job.options.mips != "recast":
        pictures = [compute(session, library, scene, job, on_progress, watcher)]
        while len(pictures) < len(sizes):
            pictures.append(pictures[-1].halved())
        return pictures
    texels = [width * height for width, height in sizes]
    pictures = []
    for level, (width, height) in enumerate(sizes):
        before, share = sum(texels[:level]) / sum(texels), texels[level] / sum(texels)

        def within(fraction: float, before: float = before, share: float = share) -> None:
            if on_progress is not None:
                on_progress(before + share * fraction)

        smaller = replace(job, width=width, height=height)
        looker = watcher if level == 0 else None
        pictures.append(compute(session, library, scene, smaller, within, looker))
    return pictures


def _write(pictures: list[Picture], job: Job, bits: int) -> list[Path]:
    has_levels = job.options.mips != "none"
    written = []
    try:
        for level, picture in enumerate(pictures):
            path = level_path(job.out, level) if has_levels else job.out
            write_picture(path, picture, bits, job.layout)
            written.append(path)
            if picture.distances is not None:
                write_displacement(displacement_path(path), picture.distances)
                written.append(displacement_path(path))
    except OSError as error:
        raise JobError(f"{error.filename} cannot be written: {error.strerror}") from error
    return written


def _show_progress(share: float) -> None:
    print(f"\r{100 * share:3.0f} %", end="", file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
