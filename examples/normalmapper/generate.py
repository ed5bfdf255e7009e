"""Makes meshes to try: a low plane, sphere and car, and a high counterpart of each.

    python -m hxgrid_examples.normalmapper.generate FOLDER [--triangles 1000000] [--seed 1]

Each is a sheet of squares, bent into its shape. The high sheet is finer and moved along its normals
by waves that are drawn from the seed: same seed, same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .nmf import write_nmf

if TYPE_CHECKING:
    from .nmf import Mesh

    Points = np.ndarray[Any, np.dtype[np.float64]]

Shape = Callable[["Points", "Points"], "Points"]
"""Takes u and v, both 0 to 1, to points (..., 3)."""


def plane(u: Points, v: Points) -> Points:
    """A square of side 2, seen from above."""
    return np.stack([2 * u - 1, 0 * u, 1 - 2 * v], axis=-1)


def sphere(u: Points, v: Points) -> Points:
    """A sphere of radius 1 without its very poles."""
    around, up = 2 * np.pi * u, np.pi * (0.02 + 0.96 * v)
    ring = np.sin(up)
    return np.stack([ring * np.cos(around), -np.cos(up), -ring * np.sin(around)], axis=-1)


def car(u: Points, v: Points) -> Points:
    """A long rounded body with a cabin on it: a sphere that was pulled and pressed."""
    points = sphere(u, v)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]

    def squared(value: Points, power: float) -> Points:
        return np.sign(value) * np.abs(value) ** power

    cabin = np.exp(-((2.2 * (x + 0.15)) ** 4)) * 0.45 * (y > 0) * y
    return np.stack([2.1 * squared(x, 0.8), 0.5 * squared(y, 0.7) + cabin, 0.9 * z], axis=-1)


SHAPES: dict[str, Shape] = {"plane": plane, "sphere": sphere, "car": car}


def sheet(shape: Shape, columns: int, rows: int, height: Points | None = None) -> Mesh:
    """Return a mesh of columns x rows squares in two triangles each, moved by `height`.

    `height` has a value for each of the (rows + 1) x (columns + 1) points. Texture coordinates go
    from 0 to 1 in both directions.
    """
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    points = shape(u, v)
    if height is not None:
        points = points + _normals(points) * height[..., None]
    normals = _normals(points)
    corners = np.concatenate([points, normals, np.stack([u, v], axis=-1)], axis=-1)
    a, b = corners[:-1, :-1], corners[:-1, 1:]
    c, d = corners[1:, 1:], corners[1:, :-1]
    first = np.stack([a, b, c], axis=2)
    second = np.stack([a, c, d], axis=2)
    both = np.stack([first, second], axis=2).reshape(-1, 3, 8)
    return np.concatenate(
        [both[:, :, part].reshape(len(both), -1) for part in (slice(3), slice(3, 6), slice(6, 8))],
        axis=1,
    ).astype(np.float32)


def waves(columns: int, rows: int, seed: int, depth: float = 0.03) -> Points:
    """Return heights for a sheet: some dozens of waves of drawn direction and length.

    They fit together where u is 0 and 1.
    """
    chance = np.random.default_rng(seed)
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    total = np.zeros_like(u)
    for _ in range(24):
        across, along = int(chance.integers(1, 24)), float(chance.uniform(-24, 24))
        phase, share = chance.uniform(0, 2 * np.pi), chance.uniform(0.2, 1)
        total += share / (1 + across) * np.sin(2 * np.pi * (across * u + along * v) + phase)
    return np.asarray(depth * total)


def write_scene(folder: Path, triangles: int = 1_000_000, seed: int = 1) -> list[Path]:
    """Write low and high meshes of each shape; `triangles` is about how many a high one has."""
    folder.mkdir(parents=True, exist_ok=True)
    side = max(2, round((triangles / 2) ** 0.5))
    written = []
    for name, shape in SHAPES.items():
        for kind, mesh in (
            ("low", sheet(shape, 24, 12)),
            ("high", sheet(shape, side, side, waves(side, side, seed))),
        ):
            written.append(folder / f"{name}-{kind}.nmf")
            write_nmf(written[-1], mesh)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the meshes and name them."""
    parser = argparse.ArgumentParser(description="Make meshes to try NormalMapper with.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--triangles", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    for path in write_scene(options.folder, options.triangles, options.seed):
        print(path)
    return 0


def _normals(points: Points) -> Points:
    """Return unit normals, outwards for shapes whose u and v turn to the left seen from outside."""
    if np.allclose(points[:, 0], points[:, -1]):
        # A sheet that comes back to itself has no border there.
        wider = np.concatenate([points[:, -2:-1], points, points[:, 1:2]], axis=1)
        across = np.gradient(wider, axis=1)[:, 1:-1]
    else:
        across = np.gradient(points, axis=1)
    normals = np.cross(across, np.gradient(points, axis=0))
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(normals / np.where(length > 0, length, 1))


if __name__ == "__main__":
    sys.exit(main())
