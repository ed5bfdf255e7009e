"""`hxgrid example mandelbrot --out`: a file, and sentences for what is wrong."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hxgrid_examples.mandelbrot import app

import hxgrid
from hxgrid.cli import mandelbrot
from hxgrid.cli.options import Common

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Run

SMALL = ("--size", "40x30", "--iterations", "200", "--task", "python")


@pytest.fixture(autouse=True)
def _inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Common, "connect", lambda _: hxgrid.connect("inline"))


def test_a_picture_is_written_and_named(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    place = ("--centre", "-0.75,0.1", "--zoom", "10")
    ended = run("example", "mandelbrot", "--out", str(out), *place, *SMALL)
    assert (ended.status, ended.stdout) == (0, f"{out}\n")
    assert "40 x 30 points in" in ended.stderr
    data = out.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert b"Centre\x00-0.75,0.1" in data


def test_quiet_says_nothing_but_the_name(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    ended = run("example", "mandelbrot", "--out", str(out), "--quiet", *SMALL)
    assert (ended.status, ended.stdout, ended.stderr) == (0, f"{out}\n", "")


@pytest.mark.parametrize("method", ["grid", "grid-exact", "double", "exact"])
@pytest.mark.parametrize("cut", ["tiles", "columns"])
def test_every_method_and_cut_gives_the_same_file(
    run: Run, tmp_path: Path, method: str, cut: str
) -> None:
    first, other = tmp_path / "first.png", tmp_path / "other.png"
    run("example", "mandelbrot", "--out", str(first), *SMALL)
    words = ("--method", method, "--cut", cut)
    ended = run("example", "mandelbrot", "--out", str(other), *words, *SMALL)
    assert ended.status == 0
    assert other.read_bytes() == first.read_bytes()


def test_a_chart_is_written_beside_it(run: Run, tmp_path: Path) -> None:
    out, gantt = tmp_path / "x.png", tmp_path / "x.svg"
    ended = run("example", "mandelbrot", "--out", str(out), "--gantt", str(gantt), *SMALL)
    assert ended.stdout == f"{out}\n{gantt}\n"
    assert ET.parse(gantt).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--out", "x.jpg"), "must end in .png"),
        (("--out", "/nowhere/x.png"), "the folder /nowhere is not there"),
        (("--centre", "5"), "the centre must be RE,IM"),
        (("--centre", "a,b"), "'a', which is no number"),
        (("--zoom", "0"), "the zoom must be"),
        (("--zoom", "deep"), "'deep', which is no number"),
        (("--size", "big"), "the size must be WIDTHxHEIGHT"),
        (("--size", "0x0"), "cannot be made"),
        (("--iterations", "-4"), "iterations go from 1"),
        (("--palette", "grey"), "there is no palette 'grey'"),
        (("--method", "fast"), "'fast' is not one of"),
        (("--gantt", "/nowhere/x.svg"), "the folder /nowhere is not there"),
    ],
)
def test_wrong_usage_ends_in_a_sentence(
    run: Run, tmp_path: Path, words: tuple[str, str], sentence: str
) -> None:
    given = ("--out", str(tmp_path / "x.png"), "--task", "python", *words)
    ended = run("example", "mandelbrot", *given)
    assert ended.status == 2
    assert sentence in " ".join(ended.stderr.split())
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_a_folder_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    ended = run("example", "mandelbrot", "--out", str(tmp_path / "x.png"), *SMALL)
    assert ended.status == 2
    assert "is a folder" in ended.stderr


def test_without_numpy_there_is_the_command_to_type(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mandelbrot, "find_spec", lambda _: None)
    ended = run("example", "mandelbrot", "--out", "x.png")
    assert ended.status == 1
    assert "pip install" in ended.stderr


def test_the_folder_s_own_program_draws_too(tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    words = ["--address", "inline", "--size", "32x20", "--iterations", "50", "--out", str(out)]
    assert app.main([*words, "--task", "python"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert app.main([*words, "--zoom", "no"]) == 2
