"""Tables and words at 60 columns and more."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hxgrid.cli import output
from hxgrid.cli.output import Column, count_of, duration, folded, size, table

COLUMNS = (
    Column("name"),
    Column("address", is_detail=True),
    Column("free", is_number=True),
    Column("state"),
)
ROWS = [
    ["pc7", "192.168.100.107:4102", "6.2", "active"],
    ["a-computer-with-a-name", "192.168.100.8:4102", "10.0", "suspended: somebody plays"],
]


def test_a_table_that_fits_is_a_line_per_row() -> None:
    lines = table(COLUMNS, ROWS, 120).splitlines()
    assert lines[0] == "name                    address               free  state"
    assert lines[1] == "pc7                     192.168.100.107:4102   6.2  active"
    assert len(lines) == 3


def test_details_go_below_where_it_is_narrow() -> None:
    lines = table(COLUMNS, ROWS, 60).splitlines()
    assert lines[1] == "pc7                      6.2  active"
    assert lines[2] == "    address 192.168.100.107:4102"
    assert len(lines) == 5


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert all(len(line) <= width for line in table(COLUMNS, ROWS, width).splitlines())


def test_a_table_without_rows_has_its_titles() -> None:
    assert table(COLUMNS, [], 60) == "name  address  free  state"


def test_long_texts_are_folded_under_an_indent() -> None:
    assert folded("one two three", 20) == "one two three"
    assert folded("one two three four five", 20) == "one two three four\n  five"
    assert folded("", 20) == ""
    assert folded("a\n\nb", 20) == "a\n\nb"


def test_an_address_is_never_broken() -> None:
    text = folded("the coordinator is at 192.168.100.107:4100-and-more", 24)
    assert "192.168.100.107:4100-and-more" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5 << 40, "5.0 TiB")],
)
def test_bytes_for_people(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12 ms"), (3.21, "3.2 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_times_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_for_people() -> None:
    assert [count_of(n, "agent") for n in (0, 1, 1000)] == ["0 agents", "1 agent", "1,000 agents"]


def test_a_pipe_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert output.width() == 60
    monkeypatch.delenv("COLUMNS")
    assert output.width() > 1000


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command in an environment, and the one that runs."""
    path = tmp_path / "my env" / "hxgrid"
    path.parent.mkdir()
    path.write_text("")
    monkeypatch.setattr(sys, "argv", [str(path), "example"])
    return path


def test_a_command_that_no_shell_finds_is_shown_with_its_path(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert output.as_typed() == f"'{script}'"
    another = script.with_name("another")
    another.write_text("")
    monkeypatch.setattr(shutil, "which", lambda _: str(another))
    assert output.as_typed() == f"'{script}'"


def test_a_command_that_the_shell_finds_is_a_word(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: str(script))
    assert output.as_typed() == "hxgrid"


@pytest.mark.parametrize("started", ["/somewhere/hxgrid/__main__.py", "-c", "", "/gone/hxgrid"])
def test_what_is_no_script_of_that_name_is_called_by_it(
    started: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert output.as_typed() == "hxgrid"
