"""Meshes from files: NMF, and through trimesh whatever it reads (OBJ, PLY, STL, glTF)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import JobError
from .nmf import FLOATS, read_nmf

if TYPE_CHECKING:
    from .nmf import Mesh

    Doubles = np.ndarray[Any, np.dtype[np.float64]]
    Integers = np.ndarray[Any, np.dtype[np.int64]]

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
        # As it is: made one mesh of by trimesh, it would lose its normals, and ask for pillow.
        loaded = trimesh.load(path, process=False)
        parts = [_read_part(part, placed) for part, placed in _parts(loaded)]
    except Exception as error:  # the parsers of many formats, each with errors of its own
        raise JobError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    parts = [part for part in parts if len(part.faces)]
    if not parts:
        raise JobError(f"{path} has no triangles")
    if any(part.faces.min() < 0 or part.faces.max() >= len(part.positions) for part in parts):
        raise JobError(f"{path} has a triangle with a corner that is not there")
    return np.concatenate([_mesh(part) for part in parts])


class _Part(NamedTuple):
    """What one part of a file says."""

    positions: Doubles
    faces: Integers
    normals: Doubles | None
    uv: Doubles | None


def _parts(loaded: Any) -> list[tuple[Any, Doubles]]:
    """Return the meshes of what was loaded, each with the matrix that puts it in its place."""
    if not hasattr(loaded, "geometry"):
        return [(loaded, np.eye(4))]
    placed = [loaded.graph[node] for node in loaded.graph.nodes_geometry]
    found = [(loaded.geometry[name], np.asarray(matrix)) for matrix, name in placed]
    return [(part, matrix) for part, matrix in found if hasattr(part, "faces")]


def _read_part(part: Any, matrix: Doubles) -> _Part:
    positions = np.asarray(part.vertices, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    faces = np.asarray(part.faces, dtype=np.int64).reshape(-1, 3)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirror turns triangles inside out
        faces = faces[:, ::-1]
    normals = None
    if "vertex_normals" in part._cache:  # noqa: SLF001 - nothing else tells what the file said
        normals = _unit(np.asarray(part.vertex_normals) @ np.linalg.inv(matrix[:3, :3]))
    uv = getattr(part.visual, "uv", None)
    is_whole = uv is not None and len(uv) == len(positions)
    return _Part(positions, faces, normals, np.asarray(uv)[:, :2] if is_whole else None)


def _mesh(part: _Part) -> Mesh:
    positions, faces, normals, uv = part
    normals = _normals_by_angle(positions, faces) if normals is None else normals
    uv = np.zeros((len(positions), 2)) if uv is None else uv
    mesh = np.empty((len(faces), FLOATS), dtype=np.float32)
    with np.errstate(over="ignore"):  # too great for a float: found with other values that are none
        mesh[:, 0:9] = positions[faces].reshape(-1, 9)
        mesh[:, 9:18] = normals[faces].reshape(-1, 9)
        mesh[:, _U_AND_V] = uv[faces].reshape(-1, 6)
    return mesh


def _normals_by_angle(positions: Doubles, faces: Integers) -> Doubles:
    """Return for each corner the mean of the normals of its triangles, weighted by their angles.

    Trimesh has the same, but without a further package at the square of the size.
    """
    corners = positions[faces]
    with np.errstate(all="ignore"):  # values that are no numbers are told of later
        ahead = _unit(np.roll(corners, -1, axis=1) - corners)
        cosines = -np.einsum("fcx,fcx->fc", ahead, np.roll(ahead, 1, axis=1))
        angles = np.arccos(np.clip(cosines, -1, 1))
        of_faces = _unit(np.cross(ahead[:, 0], ahead[:, 1]))
        summed = np.zeros_like(positions)
        np.add.at(summed, faces, angles[..., None] * of_faces[:, None, :])
        return _unit(summed)


def _unit(vectors: Doubles) -> Doubles:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))
