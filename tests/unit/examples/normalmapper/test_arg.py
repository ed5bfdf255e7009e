from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hxgrid_examples.errors import JobError
from hxgrid_examples.normalmapper import arg, output
from hxgrid_examples.normalmapper.picture import Picture

OPEN = np.array([[0.0, 0.5]], np.float32)
NORMALS = np.array([[[1, -1, 0], [0.6, 0, 0.8]]], np.float32)


def written(path: Path, letter: str) -> tuple[tuple[int, ...], bytes]:
    output.write_picture(path / "a.arg", Picture(NORMALS, OPEN), layout=letter)
    raw = (path / "a.arg").read_bytes()
    return arg.HEAD.unpack_from(raw), raw[arg.HEAD.size :]


def test_the_head_takes_13_bytes() -> None:
    assert arg.HEAD.size == 13


@pytest.mark.parametrize(
    ("letter", "bits", "code"),
    [("h", 32, 8), ("H", 64, 9), ("i", 32, 10), ("s", 64, 7), ("S", 64, 7), ("", 64, 9)],
)
def test_the_head_names_size_and_format(tmp_path: Path, letter: str, bits: int, code: int) -> None:
    head, texels = written(tmp_path, letter)
    assert head == (2, 1, bits, code, 0)
    assert len(texels) == 2 * bits // 8


def test_four_words_are_signed_normals_and_unsigned_openness(tmp_path: Path) -> None:
    _, texels = written(tmp_path, "H")
    x, y, z, _ = np.frombuffer(texels, "<i2").reshape(2, 4).T.tolist()
    assert (x, y, z) == ([32767, 19660], [-32767, 0], [0, 26214])
    assert np.frombuffer(texels, "<u2").reshape(2, 4)[:, 3].tolist() == [0, 32767]


def test_two_words_are_x_and_y(tmp_path: Path) -> None:
    _, texels = written(tmp_path, "h")
    assert np.frombuffer(texels, "<i2").tolist() == [32767, -32767, 19660, 0]


def test_ten_bits_each_stand_in_the_upper_thirty(tmp_path: Path) -> None:
    _, texels = written(tmp_path, "i")
    first, second = np.frombuffer(texels, "<u4").tolist()
    assert [first >> shift & 1023 for shift in (22, 12, 2)] == [1022, 0, 511]
    assert [second >> shift & 1023 for shift in (22, 12, 2)] == [511 + 306, 511, 511 + 408]
    assert (first & 3, second & 3) == (0, 0)


@pytest.mark.parametrize(("letter", "kept"), [("s", (10, 10, 10)), ("S", (11, 11, 10))])
def test_chopped_words_begin_at_0_and_have_no_bits_below(
    tmp_path: Path, letter: str, kept: tuple[int, int, int]
) -> None:
    _, texels = written(tmp_path, letter)
    words = np.frombuffer(texels, "<u2").reshape(2, 4).T.tolist()
    whole = ([65535, 52428], [0, 32767], [32767, 58981])
    for found, numbers, bits in zip(words, whole, kept, strict=False):
        assert found == [number >> (16 - bits) << (16 - bits) for number in numbers]
    assert words[3] == [32767, 32767]


def test_without_occlusion_the_fourth_word_is_empty(tmp_path: Path) -> None:
    output.write_picture(tmp_path / "a.arg", Picture(NORMALS))
    texels = (tmp_path / "a.arg").read_bytes()[arg.HEAD.size :]
    assert np.frombuffer(texels, "<u2").reshape(2, 4)[:, 3].tolist() == [0, 0]


def test_distances_of_an_arg_picture_are_one_too(tmp_path: Path) -> None:
    path = output.displacement_path(tmp_path / "a.arg")
    assert path.name == "disp-a.arg"
    output.write_displacement(path, np.array([[-2, 1]], np.float32))
    raw = path.read_bytes()
    assert arg.HEAD.unpack_from(raw) == (2, 1, 16, 5, 0)
    assert np.frombuffer(raw[arg.HEAD.size :], "<i2").tolist() == [-32767, 16383]


def test_no_distance_anywhere_is_written_as_0(tmp_path: Path) -> None:
    arg.write_grey(tmp_path / "a.arg", np.zeros((2, 2), np.float32))
    assert (tmp_path / "a.arg").read_bytes()[arg.HEAD.size :] == bytes(8)


def test_a_layout_without_an_arg_file_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"flag 'h' makes an \.arg file"):
        output.check_output(tmp_path / "a.tga", layout="h")
    output.check_output(tmp_path / "a.arg", layout="h")
    with pytest.raises(JobError, match="65535"):
        arg.write_grey(tmp_path / "wide.arg", np.zeros((1, 65536), np.float32))
