"""`hxgrid example normalmapper`: its options by name, the original's flags, and what is wrong."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hxgrid_examples.normalmapper import app, generate, nmf
from hxgrid_examples.normalmapper.flags import Job
from hxgrid_examples.normalmapper.options import Options

import hxgrid
from hxgrid.cli import normalmapper
from hxgrid.cli.options import Common

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Ended, Run

OPTIONS = [
    ("--samples 122", "samples", 122),
    ("--corner-samples", "has_corner_samples", True),
    ("--rule closest", "rule", "closest"),
    ("--rule furthest", "rule", "furthest"),
    ("--rule front", "rule", "front"),
    ("--rule normal", "rule", "normal"),
    ("--better", "is_better", True),
    ("--first", "is_better", False),
    ("--front-only", "is_front_only", True),
    ("--max-distance 0.5", "max_distance", 0.5),
    ("--least-cosine -0.4", "least_cosine", -0.4),
    ("--epsilon 0.1", "epsilon", 0.1),
    ("--occlusion", "has_occlusion", True),
    ("--bent-normals", "has_bent_normals", True),
    ("--rays 581", "rays", 581),
    ("--world-space", "is_world_space", True),
    ("--displacement", "has_displacement", True),
    ("--pad 4", "pad", 4),
    ("--edges", "is_edge_copied", True),
    ("--no-edges", "is_edge_copied", False),
    ("--dilation 0", "dilation_passes", 0),
    ("--box-filter", "has_box_filter", True),
    ("--mips box", "mips", "box"),
    ("--mips recast", "mips", "recast"),
]


class Asked:
    """The jobs that the command hands to the example."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.more: dict[str, Any] = {}

    def run(self, job: Job, connect: object, **more: Any) -> list[Path]:
        self.jobs.append(job)
        self.more = more
        return [job.out]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(app, "run", made.run)
    return made


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Common, "connect", lambda _: hxgrid.connect("inline"))
    nmf.write_nmf(tmp_path / "low.nmf", generate.sheet(generate.plane, 2, 2))
    nmf.write_nmf(tmp_path / "high.nmf", generate.sheet(generate.plane, 6, 6))
    return tmp_path


def normalmapper_of(run: Run, words: str) -> Ended:
    return run("example", "normalmapper", *words.split())


@pytest.mark.parametrize(("words", "field", "value"), OPTIONS)
def test_each_option_has_its_meaning(
    run: Run, asked: Asked, words: str, field: str, value: object
) -> None:
    assert normalmapper_of(run, f"{words} l.nmf h.nmf 16 8 out.tga").status == 0
    (job,) = asked.jobs
    assert getattr(job.options, field) == value
    others = [one.name for one in fields(Options) if one.name != field]
    assert all(getattr(job.options, name) == getattr(Options(), name) for name in others)
    assert (job.low, job.width, job.height, job.out.name) == (Path("l.nmf"), 16, 8, "out.tga")


def test_every_field_of_the_options_can_be_set_by_name() -> None:
    assert {field for _, field, _ in OPTIONS} == {field.name for field in fields(Options)}


def test_a_name_wins_over_a_flag(run: Run, asked: Asked) -> None:
    normalmapper_of(run, "--samples 1 --no-edges -1rp l.nmf h.nmf 16 16 out.tga")
    options = asked.jobs[0].options
    assert (options.samples, options.rays, options.pad) == (1, 69, 3)
    assert not options.is_edge_copied
    assert options.has_occlusion


def test_distance_and_height_map_are_taken_by_position(run: Run, asked: Asked) -> None:
    normalmapper_of(run, "-v l.nmf h.nmf 16 16 2.5 bumps.tga -1 out.tga")
    (job,) = asked.jobs
    assert job.options.max_distance == 2.5
    assert (job.height_map, job.height_scale) == (Path("bumps.tga"), -1)


def test_bits_are_handed_on(run: Run, asked: Asked) -> None:
    normalmapper_of(run, "l.nmf h.nmf 16 16 out.png")
    assert asked.more["bits"] == 8
    normalmapper_of(run, "--bits 16 l.nmf h.nmf 16 16 out.png")
    assert asked.more["bits"] == 16


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("l h 16 16", "got 4 arguments"),
        ("-x l h 16 16 out.tga", "'x' is not one of"),
        ("--samples 7 l h 16 16 out.tga", "samples must be one of 1, 5, 10"),
        ("--rays 70 l h 16 16 out.tga", "rays must be one of 69"),
        ("--rule nearest l h 16 16 out.tga", "'nearest' is not one of"),
        ("--pad many l h 16 16 out.tga", "'many' is not a valid integer"),
        ("low.nmf high.nmf 15 16 out.tga", "even numbers"),
        ("low.nmf high.nmf 16 16 out.jpg", "must end in one of"),
        ("low.nmf high.nmf 16 16 nowhere/out.tga", "is not there"),
        ("--bits 16 low.nmf high.nmf 16 16 out.tga", "8 bits a channel"),
        ("none.nmf high.nmf 16 16 out.tga", "none.nmf cannot be read"),
        ("low.nmf none.obj 16 16 out.tga", "none.obj cannot be read"),
        ("low.nmf high.nmf 16 16 none.tga 1 out.tga", "none.tga cannot be read"),
        ("empty.nmf high.nmf 16 16 out.tga", "empty.nmf is empty"),
        ("low.nmf huge.nmf 16 16 out.tga", "huge.nmf"),
        ("cut.nmf high.nmf 16 16 out.tga", "ends too early"),
        ("outside.nmf high.nmf 16 16 out.tga", "outside 0 and 1"),
        ("nan.nmf high.nmf 16 16 out.tga", "no number in triangle 0"),
        ("flat.nmf high.nmf 16 16 out.tga", "span an area"),
        ("--preview none.nmf high.nmf 16 16 out.tga", "none.nmf cannot be read"),
    ],
)
def test_what_is_wrong_ends_in_a_sentence_and_writes_nothing(
    run: Run, files: Path, words: str, sentence: str
) -> None:
    broken(files)
    ended = normalmapper_of(run, words)
    assert ended.status == 2
    assert sentence in " ".join(ended.stderr.replace("\u2502", " ").split())
    assert "Traceback" not in ended.stderr
    assert not list(files.glob("out.*"))


def broken(folder: Path) -> None:
    """Write meshes that no picture can be made of."""
    whole = (folder / "low.nmf").read_bytes()
    (folder / "empty.nmf").write_bytes(b"")
    (folder / "cut.nmf").write_bytes(whole[:-1])
    # A head that announces 10 GB.
    (folder / "huge.nmf").write_bytes(whole[:16] + (111_000_000).to_bytes(4, "little") + whole[20:])
    for name, column, value in (("outside", 18, 1.5), ("nan", 0, float("nan"))):
        mesh = generate.sheet(generate.plane, 2, 2)
        mesh[0, column] = value
        nmf.write_nmf(folder / f"{name}.nmf", mesh)
    mesh = generate.sheet(generate.plane, 2, 2)
    mesh[:, 18:] = 0.25
    nmf.write_nmf(folder / "flat.nmf", mesh)


def test_a_picture_is_written_and_named(run: Run, files: Path) -> None:
    ended = normalmapper_of(run, "-y low.nmf high.nmf 16 16 out.tga")
    assert (ended.status, ended.stdout) == (0, "out.tga\ndisp-out.png\n")
    assert "16 x 16 texels in" in ended.stderr
    assert (files / "out.tga").stat().st_size == 18 + 3 * 256


def test_quiet_says_nothing_but_the_names(run: Run, files: Path) -> None:
    ended = normalmapper_of(run, "--quiet low.nmf high.nmf 16 16 out.png")
    assert (ended.status, ended.stdout, ended.stderr) == (0, "out.png\n", "")


def test_the_preview_stays_until_ctrl_c(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hxgrid_examples import pages

    waited: list[bool] = []

    def press_ctrl_c() -> None:
        waited.append((files / "out.png").exists())
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "wait_for_ctrl_c", press_ctrl_c)
    ended = normalmapper_of(run, "--preview low.nmf high.nmf 16 16 out.png")
    assert (ended.status, waited) == (0, [True])
    assert "The preview is at http://127.0.0.1:" in ended.stderr


def test_without_numpy_there_is_the_command_to_type(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normalmapper, "find_spec", lambda _: None)
    ended = normalmapper_of(run, "l.nmf h.nmf 16 16 out.png")
    assert ended.status == 1
    assert "pip install" in ended.stderr


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("--occlussion", "--occlusion"),
        ("--sample=5", "--samples"),
        ("--frobnicate", "--frobnicate"),
    ],
)
def test_a_misspelt_option_is_no_word_of_flags(run: Run, word: str, told: str) -> None:
    ended = run("example", "normalmapper", word, "a.nmf", "b.nmf", "64", "64", "c.png")
    assert ended.status == 2
    assert "flag" not in ended.stderr.lower().partition("error:")[2]
    assert told in ended.stderr.partition("Error:")[2]
