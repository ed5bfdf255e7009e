"""Pictures held against those that lie in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hxgrid_examples.normalmapper.tga import read_tga, write_tga

from tests.unit.examples.normalmapper import comparing

EDGE = 16


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with this program's own pictures of two jobs."""
    monkeypatch.delenv("HXGRID_SAMPLES", raising=False)
    meshes = comparing.Meshes.found_or_made(tmp_path)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for job in ("default", "zr"):
        comparing.picture(meshes, job, EDGE, folder)
    return folder


def test_a_picture_in_a_folder_agrees_with_one_that_is_drawn_again(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--edge", str(EDGE), "--job", "default", "--job", "zr", "--against", str(pictures)]
    assert comparing.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["default", "zr"]
    assert all("256 texels" in line and "most 0/0/0" in line for line in lines)


def test_every_byte_that_differs_is_told_by_its_channel(pictures: Path) -> None:
    pixels = read_tga(pictures / "zr.tga").copy()
    pixels[3, 5, 0] ^= 4  # blue
    pixels[7, 9, 3] ^= 16
    pixels[9, 9, 3] ^= 1
    write_tga(pictures / "zr.tga", pixels[:, :, [2, 1, 0, 3]])
    meshes = comparing.Meshes.found_or_made(pictures.parent)
    found = comparing.compare_with(pictures, meshes, "zr", EDGE, pictures.parent)
    assert (found.texels, found.most) == (EDGE * EDGE, [0, 0, 4, 16])
    assert found.mean == [0, 0, 4 / 256, 17 / 256]
    assert found.share == 3 / 1024


@pytest.mark.parametrize(
    ("edge", "job", "sentence"),
    [
        (EDGE, "1", "1.tga cannot be read"),
        (8, "default", "16 x 16 texels of 3 channels where this program makes 8 x 8 texels of 3"),
    ],
)
def test_what_cannot_be_compared_ends_in_a_sentence(
    pictures: Path, capsys: pytest.CaptureFixture[str], edge: int, job: str, sentence: str
) -> None:
    assert comparing.main(["--edge", str(edge), "--job", job, "--against", str(pictures)]) == 1
    assert sentence in capsys.readouterr().err


def test_the_reference_has_some_jobs_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        comparing.main(["--job", "zr"])
    assert "no job zr: default, 1, r, o, height map" in capsys.readouterr().err
