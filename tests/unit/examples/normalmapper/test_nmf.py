from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.normalmapper import generate, meshes, nmf

HEAD = b"NMF " + struct.pack("<I", 108) + b"TRIS" + struct.pack("<I", 100)


def mesh_of(count: int) -> nmf.Mesh:
    return np.arange(24 * count, dtype=np.float32).reshape(count, 24) / (24 * count)


def test_a_mesh_comes_back_as_it_was_written(tmp_path: Path) -> None:
    mesh = mesh_of(7)
    nmf.write_nmf(tmp_path / "a.nmf", mesh)
    assert np.array_equal(nmf.read_nmf(tmp_path / "a.nmf"), mesh)
    assert (tmp_path / "a.nmf").stat().st_size == 20 + 7 * 96


def test_other_chunks_are_skipped_and_the_first_triangles_count(tmp_path: Path) -> None:
    one, two = mesh_of(1), mesh_of(2)
    tris = [
        b"TRIS" + struct.pack("<Ii", 4 + mesh.nbytes, len(mesh)) + mesh.tobytes()
        for mesh in (one, two)
    ]
    other = b"XTRA" + struct.pack("<I", 5) + b"hello"
    (tmp_path / "a.nmf").write_bytes(b"NMF \0\0\0\0" + other + tris[0] + other + tris[1])
    assert np.array_equal(nmf.read_nmf(tmp_path / "a.nmf"), one)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"NMF", "has no triangles"),
        (b"hello, I am text", "is no NMF file"),
        (b"NMF \0\0\0\0", "has no triangles"),
        (HEAD, "has no triangles"),
        (HEAD + struct.pack("<i", 0), "has no triangles"),
        (HEAD + struct.pack("<i", -5), "has no triangles"),
        (HEAD + struct.pack("<i", 2) + bytes(96), "ends too early: it announces 2 triangles"),
        (HEAD + struct.pack("<i", 2**31 - 1), "268,435,456 is the most"),
        (HEAD + struct.pack("<i", 111_000_000), "10,656,000,000 bytes"),
        (b"NMF \0\0\0\0" + b"XTRA\xff\xff\xff\xff", "announces 4,294,967,295 bytes"),
    ],
)
def test_a_broken_file_ends_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "a.nmf").write_bytes(content)
    with pytest.raises(JobError, match=sentence):
        meshes.read_mesh(tmp_path / "a.nmf")


def test_a_file_that_is_not_there_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot be read"):
        meshes.read_mesh(tmp_path / "a.nmf")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_named(tmp_path: Path, value: float) -> None:
    mesh = mesh_of(3)
    mesh[2, 5] = value
    nmf.write_nmf(tmp_path / "a.nmf", mesh)
    with pytest.raises(JobError, match="no number in triangle 2"):
        meshes.read_mesh(tmp_path / "a.nmf")


def test_texture_coordinates_of_the_low_mesh_must_lie_in_the_picture() -> None:
    mesh = generate.sheet(generate.plane, 2, 2)
    mesh[3, 20] = 1.5
    with pytest.raises(
        JobError, match="outside 0 and 1 in 1 triangles, the first of them number 3"
    ):
        meshes.checked_low(mesh, Path("low.nmf"))


def test_texture_coordinates_that_miss_zero_by_rounding_become_zero() -> None:
    mesh = generate.sheet(generate.plane, 2, 2)
    mesh[0, 18] = -5e-8
    assert meshes.checked_low(mesh, Path("low.nmf"))[0, 18] == 0


def test_texture_coordinates_that_span_nothing_are_refused() -> None:
    mesh = generate.sheet(generate.plane, 2, 2)
    mesh[:, 18:] = 0.5
    with pytest.raises(JobError, match="span an area"):
        meshes.checked_low(mesh, Path("low.nmf"))


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".glb"])
def test_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / f"a{suffix}"
    trimesh.creation.box().export(path)
    mesh = meshes.read_mesh(path)
    assert mesh.shape == (12, 24)
    assert np.abs(mesh[:, :9]).max() == 0.5
    assert np.allclose(np.linalg.norm(mesh[:, 9:18].reshape(-1, 3), axis=1), 1)


TENT = """
v 0 0 0
v 1 0 0
v 1 1 0
v 0 0 1
vt 0 0
vt 1 0
vt 1 1
"""
"""Two triangles that meet at a right angle, along the line from the first to the second corner."""


def test_texture_coordinates_and_normals_of_an_obj_are_read(tmp_path: Path) -> None:
    pytest.importorskip("trimesh")
    path = tmp_path / "a.obj"
    path.write_text(TENT + "vn 0 0.6 0.8\nf 1/1/1 2/2/1 3/3/1\n")
    (triangle,) = meshes.read_mesh(path)
    assert np.allclose(triangle[9:18].reshape(3, 3), [0, 0.6, 0.8])
    assert triangle[18:].tolist() == [0, 0, 1, 0, 1, 1]


def test_normals_that_an_obj_does_not_say_are_those_of_the_faces_by_angle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("trimesh")
    path = tmp_path / "a.obj"
    path.write_text(TENT + "f 1/1 2/2 3/3\nf 1/1 2/2 4/3\n")
    first, second = meshes.read_mesh(path)[:, 9:18].reshape(2, 3, 3)
    assert np.allclose(first[2], [0, 0, 1])  # its own alone
    assert np.allclose(second[2], [0, -1, 0])
    shared = np.array([0, -2, 1]) / np.sqrt(5)  # a right angle there, half of one here
    assert np.allclose([first[0], second[0]], shared)
    assert caplog.text == ""


@pytest.mark.parametrize("mirrored", [1, -1])
def test_parts_of_a_scene_are_put_in_their_places(tmp_path: Path, mirrored: int) -> None:
    trimesh = pytest.importorskip("trimesh")
    matrix = np.diag([mirrored * 2.0, 1, 1, 1])
    matrix[:3, 3] = [10, 0, 0]
    scene = trimesh.Scene([trimesh.creation.box()])
    scene.add_geometry(trimesh.creation.box(), transform=matrix)
    scene.export(tmp_path / "a.glb")
    mesh = meshes.read_mesh(tmp_path / "a.glb")
    assert mesh.shape == (24, 24)
    beside = mesh[mesh[:, 0] > 5]
    corners, normals = beside[:, :9].reshape(-1, 3, 3), beside[:, 9:18].reshape(-1, 3, 3)
    assert len(beside) == 12
    assert (corners[..., 0].min(), corners[..., 0].max()) == (9, 11)
    outward = corners - [10, 0, 0]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("fx,fx->f", across, outward.mean(axis=1)) > 0).all()
    assert (np.einsum("fcx,fcx->fc", normals, outward) > 0).all()


def test_normals_of_a_large_mesh_without_any_take_no_ages(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    path = tmp_path / "a.ply"
    ball = trimesh.creation.icosphere(subdivisions=6)
    ball.export(path, vertex_normal=False)
    mesh = meshes.read_mesh(path)
    assert len(mesh) == 81920
    assert np.abs(mesh[:, 9:18] - mesh[:, 0:9]).max() < 1e-3


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".gltf", ".glb"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff rubbish"])
def test_broken_files_of_other_formats_end_in_a_sentence(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(JobError, match=f"a{suffix}"):
        meshes.read_mesh(path)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no format known here"):
        meshes.read_mesh(tmp_path / "a.max")
