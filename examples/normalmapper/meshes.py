"""Meshes from files: NMF, and through trimesh whatever it reads (OBJ, PLY, STL, glTF)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import JobError
from .nmf import FLOATS, read_nmf

if TYPE_CHECKING:
    from .nmf import Mesh

OTHER_SUFFIXES = (".obj", ".ply", ".stl", ".gltf", ".glb")
# A texture coordinate may miss 0 by this much, as exporters do.
TINY = 1e-7

_U_AND_V = slice(18, 24)


def read_mesh(path: Path) -> Mesh:
    """Return the triangles of a file, of any format. Raises `JobError`."""
    suffix = path.suffix.lower()
    if suffix not in (".nmf", *OTHER_SUFFIXES):
        names = ", ".join(("nmf", *(other[1:] for other in OTHER_SUFFIXES)))
        raise JobError(f"{path} is of no format known here ({names})")
    try:
        mesh = read_nmf(path) if suffix == ".nmf" else _read_other(path)
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error.strerror or error}") from error
    if not len(mesh):
        raise JobError(f"{path} has no triangles")
    wrong = ~np.isfinite(mesh).all(axis=1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise JobError(f"{path} has a value that is no number in triangle {first}")
    return mesh


def checked_low(mesh: Mesh, path: Path) -> Mesh:
    """Return the mesh that gets the texture, its texture coordinates inside 0 and 1.

    Raises `JobError` for one that lies outside by more than rounding, and for a mesh where they
    span nothing: there would be no picture.
    """
    mesh = mesh.copy()
    coordinates = mesh[:, _U_AND_V]
    coordinates[np.abs(coordinates) <= TINY] = 0
    outside = ((coordinates < 0) | (coordinates > 1)).any(axis=1)
    if outside.any():
        raise JobError(
            f"{path} has texture coordinates outside 0 and 1 in {int(outside.sum()):,} triangles,"
            f" the first of them number {int(np.flatnonzero(outside)[0])}; each place of the low"
            " mesh needs a place of its own in the picture"
        )
    if not _areas(coordinates).any():
        raise JobError(
            f"{path} has no texture coordinates that span an area, so no texel belongs to it"
        )
    return mesh


def _areas(uv: Mesh) -> np.ndarray[Any, np.dtype[np.float64]]:
    u, v = uv[:, 0::2].astype(np.float64), uv[:, 1::2].astype(np.float64)
    areas = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (u[:, 2] - u[:, 0]) * (v[:, 1] - v[:, 0])
    return np.asarray(areas)


def _read_other(path: Path) -> Mesh:
    try:
        trimesh: Any = importlib.import_module("trimesh")
    except ImportError as error:
        raise JobError(
            f"reading {path.suffix} files takes the package trimesh:"
            " pip install 'hxgrid[examples]' has it; NMF files are read without"
        ) from error
    path.stat()  # a file that is not there is an OSError, whatever trimesh makes of it
    try:
        loaded = trimesh.load(path, force="mesh", process=False)
        positions = np.asarray(loaded.vertices, dtype=np.float64)
        faces = np.asarray(loaded.faces, dtype=np.int64)
        normals = np.asarray(loaded.vertex_normals, dtype=np.float64)
        uv = getattr(loaded.visual, "uv", None)
    except Exception as error:  # the parsers of many formats, each with errors of its own
        raise JobError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise JobError(f"{path} has no triangles")
    if faces.min() < 0 or faces.max() >= len(positions):
        raise JobError(f"{path} has a triangle with a corner that is not there")
    if uv is None or len(uv) != len(positions):
        uv = np.zeros((len(positions), 2))
    mesh = np.empty((len(faces), FLOATS), dtype=np.float32)
    with np.errstate(over="ignore"):  # too great for a float: found with other values that are none
        mesh[:, 0:9] = positions[faces].reshape(-1, 9)
        mesh[:, 9:18] = normals[faces].reshape(-1, 9)
        mesh[:, _U_AND_V] = np.asarray(uv)[:, :2][faces].reshape(-1, 6)
    return mesh
