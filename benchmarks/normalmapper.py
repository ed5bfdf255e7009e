"""How long does NormalMapper take on one slot, and what does a second slot bring?

512 x 512 texels of the original's sample meshes, which are read from the folder that
`HXGRID_SAMPLES` names; without it, generated meshes of the same number of triangles stand in for
them, and the times are not judged. The original's own code, compiled with -O2 and run in one
process on a core of the reference computer, took 46 s with 122 samples a texel, 42 s with 69 and
146 s with 261 occlusion rays: a fifth of each must do.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from hxgrid_examples.normalmapper import app, flags, generate, library, nmf, scene

import hxgrid
from benchmarks.grids import token_grid
from benchmarks.measuring import RUNS, Answer, Spread, take_turns, write
from benchmarks.native_calls import left_out

EDGE = 512
SHARE = 1 / 5
SPEED_UP = 1.85
# The flags, what they mean, the original's seconds, and how often ours are taken.
JOBS = (
    ("-0", "122 samples", 46.0, 3),
    ("-r", "69 occlusion rays", 42.0, 3),
    ("-o", "261 occlusion rays", 146.0, 1),
)
PAIR = "-r"


def main() -> list[Answer]:
    """Measure everything and write it down."""
    if left_out("normalmapper"):
        return []
    answers = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for letters, what, original_s, runs in JOBS:
            job = Job(folder, letters)
            with token_grid(1) as one:
                job.took_s(one.session, warming_up=True)
                answers.append(against_the_original(what, job, one.session, original_s, runs))
        job = Job(folder, PAIR)
        with token_grid(1) as one, token_grid(2) as two:
            for grid in (one, two):
                job.took_s(grid.session, warming_up=True)
            answers.append(two_slots(job, one.session, two.session))
    write("normalmapper", answers)
    return answers


class Job:
    """One picture, its scene made beforehand."""

    def __init__(self, folder: Path, letters: str, edge: int = EDGE) -> None:
        low, high = meshes(folder)
        words = [letters, str(low), str(high), str(edge), str(edge), str(folder / "out.tga")]
        job = flags.parse_positions(words)
        self.job = replace(job, options=flags.settled(job))
        self.library = library.load()
        self.scene: scene.Scene = app.prepare(self.library, self.job)
        self.path = folder / f"scene{letters}"
        self.scene.write(self.path)

    def took_s(self, session: hxgrid.Session, *, warming_up: bool = False) -> float:
        """Compute it; return the seconds from the first task to the whole picture.

        To warm up, a small one will do: every slot then has library and scene.
        """
        session.bind_get_data(lambda _: self.path)
        job = replace(self.job, width=64, height=64) if warming_up else self.job
        began = time.perf_counter()
        app.compute(session, self.library, self.scene, job)
        return time.perf_counter() - began


def meshes(folder: Path) -> tuple[Path, Path]:
    """Return low and high mesh: the original's samples, or ours of their size."""
    samples = samples_folder()
    if samples is not None:
        return samples / "AddedBumpL.nmf", samples / "AddedBumpH.nmf"
    low, high = folder / "low.nmf", folder / "high.nmf"
    if not high.exists():
        nmf.write_nmf(low, generate.sheet(generate.plane, 8, 8))
        waves = generate.waves(128, 128, 1)
        nmf.write_nmf(high, generate.sheet(generate.plane, 128, 128, waves))
    return low, high


def samples_folder() -> Path | None:
    """Return the folder with the original's meshes, if it is known and has them."""
    named = Path(os.environ.get("HXGRID_SAMPLES", ""))
    folders = (named, named / "normalmapper")
    return next((folder for folder in folders if (folder / "AddedBumpH.nmf").is_file()), None)


def against_the_original(
    what: str, job: Job, session: hxgrid.Session, original_s: float, runs: int
) -> Answer:
    """One slot against a fifth of what the original's code takes."""
    taken = [job.took_s(session) for _ in range(runs)]
    spent = Spread.of(taken)
    share = spent.median / original_s
    is_the_same = samples_folder() is not None
    return Answer(
        question=f"NormalMapper, {EDGE} x {EDGE}, {what}, one slot"
        + ("" if is_the_same else " (generated meshes)"),
        must_reach=f"at most {SHARE:g} of the original's time",
        baseline=f"{original_s:g} s",
        ours=f"{spent} s",
        ratio=f"{share:.2f}",
        is_reached=share <= SHARE if is_the_same else None,
        details={"s": taken},
    )


def two_slots(job: Job, one: hxgrid.Session, two: hxgrid.Session) -> Answer:
    """Two slots of one agent against one slot of another, by turns."""
    taken = take_turns({"one": measure(job, one), "two": measure(job, two)}, RUNS)
    ups = [a / b for a, b in zip(taken["one"], taken["two"], strict=True)]
    up = Spread.of(ups)
    return Answer(
        question=f"NormalMapper, {EDGE} x {EDGE}, 69 occlusion rays, two slots",
        must_reach=f"at least {SPEED_UP:g} times one slot",
        baseline=f"one {Spread.of(taken['one'])} s",
        ours=f"two {Spread.of(taken['two'])} s",
        ratio=f"{up}",
        is_reached=up.median >= SPEED_UP,
        details={"speed_ups": ups, **taken},
    )


def measure(job: Job, session: hxgrid.Session) -> Callable[[], float]:
    """Return what measures this job on this session."""
    return lambda: job.took_s(session)


@contextlib.contextmanager
def prepared(letters: str, edge: int) -> Iterator[Job]:
    """Give a job in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Job(Path(folder), letters, edge)


if __name__ == "__main__":
    for answer in main():
        print(answer.question, "|", answer.ours, "|", answer.ratio, "|", answer.is_reached)
