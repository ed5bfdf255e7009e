"""Compares pictures of NormalMapper with the reference's, as they stand in files of 8 bits.

    python -m tests.unit.examples.normalmapper.comparing [--share 0.1] [--job r] ...
    python -m tests.unit.examples.normalmapper.comparing --against FOLDER [--job r] ...

The folder that `HXGRID_SAMPLES` names has the meshes `*L.nmf` and `*H.nmf` and a height map
`*.tga`; without it, generated ones of the same size are taken. The reference takes long: a share of
the texels, drawn by chance, is enough where each of them looks along many rays.

With `--against` pictures that lie in a folder take the place of the reference: those that the
original program has made of the same meshes, for whoever has it. Each job has one there, named
after it: `default.tga` without flags, `1.tga`, `r.tga` and `o.tga` with the flag of that name,
`height map.tga` with the height map at scale 1. All texels are compared. Jobs of other flags can be
named too: `--job kz` is `kz.tga`, made with `-kz`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hxgrid_examples.errors import JobError
from hxgrid_examples.normalmapper import app, flags, generate, nmf
from hxgrid_examples.normalmapper.tga import read_tga

import hxgrid
from tests.unit.examples.normalmapper import reference
from tests.unit.examples.normalmapper.corners import unit
from tests.unit.examples.normalmapper.reference import Reference
from tests.unit.examples.normalmapper.rules import TINY, Rule

Array = np.ndarray[Any, Any]

# The flags of each job, and what they are to the reference.
JOBS: dict[str, dict[str, Any]] = {
    "default": {},
    "1": {"samples": reference.samples(1)},
    "r": {"rays": reference.rays(4)},
    "o": {"rays": reference.rays(8)},
    "height map": {"rule": Rule("c")},
}


class Meshes(NamedTuple):
    """The files of a job."""

    low: Path
    high: Path
    bumps: Path

    @classmethod
    def found_or_made(cls, folder: Path) -> Meshes:
        """Take the samples, or write as many triangles and a map into this folder."""
        samples = os.environ.get("HXGRID_SAMPLES", "")
        if samples:
            names = ("*L.nmf", "*H.nmf", "*.tga")
            return cls(*(min(Path(samples).rglob(name)) for name in names))
        found = cls(folder / "planeL.nmf", folder / "planeH.nmf", folder / "bumps.tga")
        nmf.write_nmf(found.low, generate.sheet(generate.plane, 8, 8))
        waves = generate.waves(128, 128, 1)
        nmf.write_nmf(found.high, generate.sheet(generate.plane, 128, 128, waves))
        bumps = np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8)
        head = bytes([0, 0, 2, *[0] * 9, 0, 1, 0, 1, 24, 0])
        found.bumps.write_bytes(head + bumps.tobytes())
        return found


@dataclass(frozen=True)
class Agreement:
    """How far two pictures are apart, by channel, in levels of 8 bits."""

    texels: int
    mean: list[float]
    at_999: list[float]
    """The 99.9th percentile."""
    most: list[int]
    share: float
    """Of the bytes that differ."""

    @classmethod
    def of(cls, found: Array, expected: Array) -> Agreement:
        """Compare texels: an array of their channels each."""
        apart = np.abs(found.astype(int) - expected.astype(int))
        return cls(
            len(apart),
            apart.mean(axis=0).tolist(),
            np.percentile(apart, 99.9, axis=0).tolist(),
            apart.max(axis=0).tolist(),
            float((apart > 0).mean()),
        )

    def __str__(self) -> str:
        mean = "/".join(f"{value:.4f}" for value in self.mean)
        at_999, most = ("/".join(f"{v:g}" for v in values) for values in (self.at_999, self.most))
        apart = f"mean {mean}, 99.9 % {at_999}, most {most}, {self.share:.4%} of the bytes differ"
        return f"{self.texels} texels: {apart}"


def compare(meshes: Meshes, name: str, edge: int, share: float, folder: Path) -> Agreement:
    """Draw a job both ways; `share` of the texels, drawn by chance, are compared."""
    drawn = picture(meshes, name, edge, folder)
    low, high = (nmf.read_nmf(path) for path in (meshes.low, meshes.high))
    options = dict(JOBS[name])
    if name == "height map":
        options["relief"] = relief(meshes.bumps)
    wanted = np.random.default_rng(1).random((edge, edge)) < share
    normals, openness = Reference(low, high, (edge, edge), **options).run(wanted)
    alpha = openness if "rays" in options else None
    # A part of a picture cannot be dilated.
    is_whole = bool(wanted.all())
    expected = as_bytes(normals, alpha, passes=10 if is_whole else 0)
    is_compared = wanted if is_whole else wanted & normals.any(axis=2)
    return Agreement.of(drawn[is_compared], expected[is_compared])


def compare_with(pictures: Path, meshes: Meshes, name: str, edge: int, folder: Path) -> Agreement:
    """Draw a job, and compare it with its picture in another folder. Raises `JobError`."""
    path = pictures / f"{name}.tga"
    expected = channels(path)
    drawn = picture(meshes, name, edge, folder)
    if drawn.shape != expected.shape:
        shapes = (f"{w} x {h} texels of {c} channels" for h, w, c in (expected.shape, drawn.shape))
        raise JobError(f"{path} has {' where this program makes '.join(shapes)}")
    channel_count = drawn.shape[2]
    return Agreement.of(drawn.reshape(-1, channel_count), expected.reshape(-1, channel_count))


def as_bytes(normals: Array, openness: Array | None, passes: int = 10) -> Array:
    """Return the picture as it stands in a file of 8 bits a channel: unit, dilated, as bytes."""
    is_there: Array = np.asarray(~(np.abs(normals) < TINY).all(axis=2))
    alpha = np.ones(is_there.shape) if openness is None else openness.astype(float)
    image = np.where(is_there[..., None], unit(normals.astype(float)), 0.0)
    image = np.concatenate([image, alpha[..., None]], axis=2)
    for _ in range(passes):
        ways = [(step, axis) for axis in (0, 1) for step in (1, -1)]
        seen = np.concatenate([image * is_there[..., None], is_there[..., None]], axis=2)
        near = np.sum([np.roll(seen, *way) for way in ways], axis=0)
        total, count = near[..., :4], near[..., 4]
        is_new = ~is_there & (count > 0)
        image[is_new, :3] = unit(total[is_new, :3])
        image[is_new, 3] = total[is_new, 3] / count[is_new]
        is_there = is_there | is_new
    image[~is_there] = 0
    colours = np.trunc(127.5 * image[..., :3] + 127.5)
    if openness is None:
        return colours.astype(int)
    return np.concatenate([colours, np.trunc(255 * image[..., 3:])], axis=2).astype(int)


def picture(meshes: Meshes, name: str, edge: int, folder: Path) -> Array:
    """Return the example's picture: rows of red, green, blue and, with rays, alpha."""
    words = [str(meshes.low), str(meshes.high), str(edge), str(edge)]
    if name == "height map":
        words += [str(meshes.bumps), "1"]
    elif name != "default":
        words.insert(0, f"-{name}")
    out = folder / f"{name}.tga"
    app.run(flags.parse_positions([*words, str(out)]), lambda: hxgrid.connect("inline"))
    return channels(out)


def channels(path: Path) -> Array:
    """Return the rows of a file: red, green, blue and, if there, alpha. Raises `JobError`."""
    pixels = read_tga(path)
    return np.asarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])


def relief(path: Path) -> Array:
    """Return the normals of a map of scale 1, by Sobel's slopes with wrapped neighbours."""
    h = read_tga(path)[:, :, 0] / 255.0

    def at(x: int, y: int) -> Array:
        return np.roll(h, (-y, -x), axis=(0, 1))

    x = sum(w * (at(1, y) - at(-1, y)) for y, w in ((-1, 1), (0, 2), (1, 1)))
    y = sum(w * (at(x, -1) - at(x, 1)) for x, w in ((-1, 1), (0, 2), (1, 1)))
    normals: Array = unit(np.stack([-x, -y, np.ones_like(h)], axis=2))
    return normals.astype(np.float32)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how well each job agrees."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--share", type=float, default=1.0, help="of the texels (reference)")
    parser.add_argument("--job", action="append")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="of pictures, JOB.tga each")
    options = parser.parse_args(arguments)
    unknown = set(options.job or ()) - set(JOBS)
    if unknown and not options.against:
        parser.error(f"the reference has no job {min(unknown)}: {', '.join(JOBS)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        meshes = Meshes.found_or_made(folder)
        for job in options.job or JOBS:
            try:
                if options.against:
                    found = compare_with(options.against, meshes, job, options.edge, folder)
                else:
                    found = compare(meshes, job, options.edge, options.share, folder)
            except JobError as error:
                sys.stderr.write(f"{job}: {error}\n")
                return 1
            sys.stdout.write(f"{job}: {found}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
