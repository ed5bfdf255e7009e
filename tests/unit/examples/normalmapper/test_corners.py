"""Tangents and binormals that corners share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hxgrid_examples.normalmapper import generate

from tests.unit.examples.normalmapper.corners import Array, Mesh


def found(lib: Any, mesh: Array) -> Array:
    """Return what the library makes of a mesh: (triangles, corners, 2, 3)."""
    mesh = np.ascontiguousarray(mesh, np.float32)
    out = np.empty((len(mesh), 3, 2, 3))
    lib.call("nm_tangents", lib.pointer("float", mesh), len(mesh), lib.pointer("double", out))
    return out


def expected(mesh: Array) -> Array:
    frames = Mesh(mesh).frames()
    return np.stack([frames.tangents, frames.binormals], axis=2)


def folded() -> Array:
    """A sheet whose texture is mirrored in the middle, and lies on itself there."""
    mesh = generate.sheet(generate.car, 12, 9)
    mesh[:, 18::2] = np.abs(mesh[:, 18::2] - 0.5)
    twin = mesh.copy()
    twin[:, 18::2] = 1 - twin[:, 18::2]
    return np.concatenate([mesh, twin, mesh[::-1]])


MESHES = {
    "plane": generate.sheet(generate.plane, 5, 4),
    "coarse sphere": generate.sheet(generate.sphere, 4, 3),
    "car": generate.sheet(generate.car, 60, 50),
    "folded": folded(),
}


@pytest.mark.parametrize("name", MESHES)
def test_corners_share_what_those_of_the_reference_share(lib: Any, name: str) -> None:
    mesh = MESHES[name]
    assert np.abs(found(lib, mesh) - expected(mesh)).max() < 1e-12


def test_the_order_of_the_triangles_decides_who_shares(lib: Any) -> None:
    mesh = MESHES["coarse sphere"]
    turned = mesh[::-1]
    assert np.abs(found(lib, turned) - expected(turned)).max() < 1e-12
    assert np.abs(found(lib, turned)[::-1] - found(lib, mesh)).max() > 0.1


def test_a_triangle_without_a_texture_has_the_frame_of_the_world(lib: Any) -> None:
    mesh = generate.sheet(generate.plane, 1, 1)[:1]
    mesh[0, 18::2] = 0
    assert (found(lib, mesh) == [[(1, 0, 0), (0, 0, 1)]]).all()
    mesh[0, 18:] = 0.5  # all at one place: no way is level, and both end up in the middle
    assert np.abs(found(lib, mesh) - expected(mesh)).max() < 1e-12
