"""`hxgrid example`: digits for people and for pipes, and what is said where numpy is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import hxgrid
from hxgrid.cli import example
from hxgrid.cli.options import Common

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

PI_20 = "14159265358979323846"


def test_without_a_name_the_examples_are_listed(run: Run) -> None:
    ended = run("example")
    assert ended.status == 0
    assert ended.stdout.startswith("pi ")
    assert "--local" in ended.stderr


def test_the_list_fits_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = run("example").stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        *("pi", "normalmapper", "mandelbrot")
    ]


def test_the_help_has_a_whole_sentence_for_each(run: Run) -> None:
    assert "...\n" not in run("example", "--help").stdout.partition("Commands:")[2]


def test_a_grid_of_its_own_has_no_coordinator_to_name(run: Run) -> None:
    ended = run("example", "pi", "--local", "--coordinator", "pc1")
    assert ended.status == 2
    assert "leave one of the two out" in ended.stderr


def test_a_pipe_gets_the_digits_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Common, "connect", lambda _: hxgrid.connect("inline"))
    ended = run("example", "pi", "--digits", "20")
    assert (ended.status, ended.stdout) == (0, f"3.{PI_20}\n")
    assert "20 digits of pi" in ended.stderr
    assert "Next: hxgrid agents" in ended.stderr


@pytest.mark.parametrize(("columns", "per_line"), [(60, 5), (120, 10), (200, 10), (5, 1)])
def test_people_get_groups_that_fit(columns: int, per_line: int) -> None:
    lines = example.grouped("0123456789" * 20, columns).splitlines()
    assert lines[0] == "3."
    assert lines[1].split() == ["0123456789"] * per_line
    assert max(map(len, lines)) <= max(columns, 13)
    assert sum(len(line.split()) for line in lines[1:]) == 20


def test_missing_numpy_is_a_sentence_with_the_command(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "find_spec", lambda _: None)
    ended = run("example", "pi", "--local")
    assert ended.status == 1
    assert "no numpy" in ended.stderr
    assert "pip install" in ended.stderr


@pytest.mark.parametrize("digits", ["-5", "0", "many", "999999999"])
def test_digits_that_cannot_be_computed_are_wrong_usage(run: Run, digits: str) -> None:
    ended = run("example", "pi", "--digits", digits)
    assert ended.status == 2
    assert digits in ended.stderr
