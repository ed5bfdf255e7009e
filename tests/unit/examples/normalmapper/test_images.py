from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.normalmapper import exr, output, relief, tga
from hxgrid_examples.normalmapper.picture import Picture

from tests.unit.examples.pictures import decoded_png


@pytest.mark.parametrize("channels", [3, 4])
def test_a_tga_has_the_original_head_and_blue_first(tmp_path: Path, channels: int) -> None:
    pixels = np.arange(2 * 4 * channels, dtype=np.uint8).reshape(2, 4, channels)
    tga.write_tga(tmp_path / "a.tga", pixels)
    raw = (tmp_path / "a.tga").read_bytes()
    assert raw[:18] == bytes([0, 0, 2, *[0] * 9, 4, 0, 2, 0, 8 * channels, 8])
    assert raw[18:22] == bytes([2, 1, 0, 3 if channels == 4 else 5])
    assert len(raw) == 18 + pixels.size
    back = tga.read_tga(tmp_path / "a.tga")
    assert np.array_equal(back[:, :, [2, 1, 0, 3][:channels]], pixels)


@pytest.mark.parametrize("depth", [8, 16, 24, 32])
def test_the_height_is_the_first_byte_of_a_pixel(tmp_path: Path, depth: int) -> None:
    head = bytes([3, 0, 3 if depth == 8 else 2, *[0] * 9, 2, 0, 2, 0, depth, 0x20]) + b"id!"
    pixels = np.zeros((2, 2, depth // 8), np.uint8)
    pixels[:, :, 0] = [[1, 2], [3, 4]]
    (tmp_path / "a.tga").write_bytes(head + pixels.tobytes())
    assert tga.read_tga(tmp_path / "a.tga")[:, :, 0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "only 0 bytes"),
        (bytes([0, 0, 10, *[0] * 9, 4, 0, 4, 0, 24, 0]), "not an uncompressed TGA"),
        (bytes([0, 0, 2, *[0] * 9, 0, 0, 4, 0, 24, 0]), "has no pixels"),
        (bytes([0, 0, 2, *[0] * 9, 255, 255, 255, 255, 32, 0]), "ends too early"),
    ],
)
def test_a_broken_tga_ends_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "a.tga").write_bytes(content)
    with pytest.raises(JobError, match=sentence):
        tga.read_tga(tmp_path / "a.tga")


def test_a_flat_height_map_points_up_and_a_slope_leans() -> None:
    assert relief.relief_normals(np.ones((4, 4), np.float32)).tolist() == [[[0, 0, 1]] * 4] * 4
    heights = np.zeros((4, 4), np.float32)
    heights[1, 1] = 1
    normals = relief.relief_normals(heights)
    # To its left the ground rises to the right, by 2: the normal leans left.
    assert np.allclose(normals[1, 0], np.array([-2, 0, 1]) / np.sqrt(5))
    # One row before it the original's sign makes the normal lean towards it.
    assert np.allclose(normals[0, 1], np.array([0, 2, 1]) / np.sqrt(5))


def test_normals_of_a_height_map_are_rounded_to_floats_at_every_step(tmp_path: Path) -> None:
    grey = np.random.default_rng(2).integers(0, 256, (5, 7), np.uint8)
    path = grey_tga(tmp_path / "a.tga", grey)
    found = relief.read_relief(path, 3.7)
    assert found.dtype == np.float32
    # One texel after the other, in the order in which the original adds.
    one, high = np.float32(1), grey.astype(np.float32) / np.float32(255) * np.float32(3.7)
    for y, x in np.ndindex(5, 7):
        across = along = np.float32(0)
        for side in (-1, 1):
            for step, weight in ((-1, 1), (0, 2), (1, 1)):
                across += side * weight * high[(y + step) % 5, (x + side) % 7]
                along += side * weight * high[(y - side) % 5, (x + step) % 7]
        shrink = one / np.sqrt(across * across + along * along + one)
        assert found[y, x].tolist() == [-across * shrink, -along * shrink, shrink]


@pytest.mark.parametrize("scale", [1e30, 3e38, -3e38])
def test_a_height_map_of_any_scale_has_unit_normals(tmp_path: Path, scale: float) -> None:
    path = grey_tga(tmp_path / "a.tga", np.array([[0, 255], [0, 255], [128, 9]], np.uint8))
    assert np.allclose(np.linalg.norm(relief.read_relief(path, scale), axis=2), 1)


def grey_tga(path: Path, grey: np.ndarray) -> Path:
    height, width = grey.shape
    path.write_bytes(bytes([0, 0, 3, *[0] * 9, width, 0, height, 0, 8, 0]) + grey.tobytes())
    return path


def test_an_exr_line_can_be_undone(tmp_path: Path) -> None:
    planes = {
        name: np.random.default_rng(index).random((3, 6), np.float32)
        for index, name in enumerate("RGB")
    }
    planes["R"][:] = 0.25  # so that a line gets smaller
    planes["G"][:] = 0.5
    exr.write_exr(tmp_path / "a.exr", planes)
    raw = (tmp_path / "a.exr").read_bytes()
    assert struct.unpack_from("<II", raw) == (20000630, 2)
    offset = len(raw)
    for row in reversed(range(3)):
        # The table of offsets ends where the first line begins.
        table = raw.index(b"screenWindowWidth") + len(b"screenWindowWidth\0float\0") + 4 + 4 + 1
        (begin,) = struct.unpack_from("<Q", raw, table + 8 * row)
        number, size = struct.unpack_from("<iI", raw, begin)
        assert (number, begin + 8 + size) == (row, offset)
        offset = begin
        packed = raw[begin + 8 : begin + 8 + size]
        line = packed if size == 72 else undone(zlib.decompress(packed))
        values = np.frombuffer(line, "<f4").reshape(3, 6)
        assert np.array_equal(values, [planes[name][2 - row] for name in "BGR"])
    assert struct.unpack_from("<Q", raw, table)[0] == table + 24


def undone(stored: bytes) -> bytes:
    steps = np.frombuffer(stored, np.uint8).astype(np.int64)
    steps[1:] -= 128
    parted = (np.cumsum(steps) % 256).astype(np.uint8)
    half = (len(parted) + 1) // 2
    plain = np.empty_like(parted)
    plain[0::2], plain[1::2] = parted[:half], parted[half:]
    return plain.tobytes()


def decoded(path: Path) -> np.ndarray:
    """Read a PNG from the bottom up."""
    return decoded_png(path.read_bytes())[::-1]


def test_pictures_are_written_as_their_names_say(tmp_path: Path) -> None:
    picture = Picture(np.zeros((2, 2, 3), np.float32), np.ones((2, 2), np.float32))
    picture.normals[:, :, 2] = 1
    for suffix in output.SUFFIXES:
        output.check_output(tmp_path / f"a{suffix}")
        output.write_picture(tmp_path / f"a{suffix}", picture)
    assert (tmp_path / "a.tga").read_bytes()[18:22] == bytes([255, 127, 127, 255])
    assert decoded(tmp_path / "a.png")[0, 0].tolist() == [127, 127, 255, 255]
    output.write_picture(tmp_path / "b.png", picture, bits=16)
    assert decoded(tmp_path / "b.png")[0, 0].tolist() == [32767, 32767, 65535, 65535]


@pytest.mark.parametrize(
    ("name", "bits", "sentence"),
    [
        ("a.jpg", 8, "must end in one of .tga, .png, .exr"),
        ("a", 8, "must end in one of"),
        ("a.tga", 16, "8 bits a channel"),
        ("nowhere/a.tga", 8, "is not there"),
    ],
)
def test_an_output_that_cannot_be_is_refused_early(
    tmp_path: Path, name: str, bits: int, sentence: str
) -> None:
    with pytest.raises(JobError, match=sentence):
        output.check_output(tmp_path / name, bits)


def test_distances_are_scaled_by_the_largest_of_either_sign(tmp_path: Path) -> None:
    distances = np.array([[-2, 1], [0, 2]], np.float32)
    output.write_displacement(tmp_path / "d.png", distances)
    assert decoded(tmp_path / "d.png")[:, :, 0].tolist() == [[1, 32768 + 16384], [32768, 65535]]
    output.write_displacement(tmp_path / "d.exr", distances)
    assert distances[1].tobytes() in (tmp_path / "d.exr").read_bytes()


def test_levels_and_distances_have_names_of_their_own() -> None:
    assert output.level_path(Path("x/map.tga"), 3) == Path("x/map03.tga")
    assert output.level_path(Path("x/map"), 0) == Path("x/map00")
    assert output.displacement_path(Path("x/map.tga")) == Path("x/disp-map.png")
