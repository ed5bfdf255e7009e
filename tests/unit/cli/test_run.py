"""`hxgrid run`: inputs, results in their order, failures, wrong usage. Sessions are inline here."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hxgrid
from hxgrid.cli.options import Common
from hxgrid.cli.progress import Bar
from hxgrid.cli.run_results import Folder

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Ended, Run

TASKS = """
def shout(agent, session_id, in_stream, out_stream):
    out_stream.write(in_stream.read().upper())

def picky(agent, session_id, in_stream, out_stream):
    text = in_stream.read()
    if b"bad" in text:
        raise ValueError("not " + text.decode())
    out_stream.write(text)

def talkative(agent, session_id, in_stream, out_stream):
    raise ValueError("not this\\nbecause of that")
"""

Lines = Callable[[bytes], None]


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.setattr(Common, "connect", lambda _: hxgrid.connect("inline"))


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Lines:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def written(ended: Ended, folder: Path) -> dict[str, bytes]:
    assert ended.status == 0, ended
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_closed_standard_input_has_no_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ended = run("run", "tasks.py:shout")
    assert (ended.status, ended.stdout) == (0, "")
    assert "0 tasks" in ended.stderr


def test_one_result_per_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    ended = run("run", "tasks.py:shout", "--input", "a.txt", "b.txt", "--output", "out")
    assert written(ended, tmp_path / "out") == {"a.txt.out": b"A", "b.txt.out": b"B"}
    assert ended.stdout == ""
    assert "2 tasks in" in ended.stderr


def test_files_of_one_name_do_not_meet(run: Run, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_text(folder)
    ended = run("run", "tasks:shout", "x/a", "y/a", "--output", "out")
    assert written(ended, tmp_path / "out") == {"a.out": b"X", "a-2.out": b"Y"}


def test_results_go_to_standard_output_in_the_order_of_the_inputs(
    run: Run, standard_input: Lines
) -> None:
    standard_input(b"".join(b"line %d\n" % n for n in range(300)))
    ended = run("run", "tasks:shout")
    assert ended.stdout == "".join(f"LINE {n}\n" for n in range(300))


def test_lines_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"one\r\ntwo")
    ended = run("run", "tasks:shout", "--lines", "list", "--output", "out")
    assert written(ended, tmp_path / "out") == {
        "line-000001.out": b"ONE",
        "line-000002.out": b"TWO",
    }


def test_no_lines_is_nothing_to_do(run: Run, standard_input: Lines) -> None:
    standard_input(b"")
    ended = run("run", "tasks:shout", "--lines", "-")
    assert (ended.status, ended.stdout) == (0, "")
    assert "0 tasks" in ended.stderr


def test_failures_are_told_and_the_others_are_done(run: Run, standard_input: Lines) -> None:
    standard_input(b"good 1\nbad 2\ngood 3\n")
    ended = run("run", "tasks:picky")
    assert (ended.status, ended.stdout) == (1, "good 1\ngood 3\n")
    assert "line-000002: ValueError: not bad 2" in ended.stderr
    assert "3 tasks" in ended.stderr
    assert "1 failed" in ended.stderr
    assert "tasks.py" in ended.stderr  # the traceback of the person's own code


def test_of_many_failures_the_first_are_shown(run: Run, standard_input: Lines) -> None:
    standard_input(b"bad\n" * 30)
    ended = run("run", "tasks:picky")
    assert ended.stderr.count("ValueError: not bad (") + 0 <= 10
    assert "... and 20 more failures" in ended.stderr


def test_of_an_exception_with_many_lines_the_first_is_shown(run: Run) -> None:
    ended = run("run", "tasks:talkative", "tasks.py")
    assert ended.stderr.startswith("tasks.py: ValueError: not this"), ended.stderr


@pytest.mark.parametrize(("arguments", "is_shown"), [((), False), (("--output", "out"), True)])
def test_no_bar_stands_among_results_on_a_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], is_shown: bool
) -> None:
    asked: list[bool] = []

    class AskedBar(Bar):
        def __init__(self, title: str, total: int | None, *, is_shown: bool) -> None:
            asked.append(is_shown)
            super().__init__(title, total, is_shown=False)

    monkeypatch.setattr("hxgrid.cli.run.Bar", AskedBar)
    monkeypatch.setattr("hxgrid.cli.run.is_terminal", lambda: True)
    assert run("run", "tasks:shout", "tasks.py", *arguments).status == 0
    assert asked == [is_shown]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no_colon",), "no_colon"),
        (("tasks.py:",), "tasks.py:"),
        (("tasks:shout", "none.txt"), "none.txt"),
        (("tasks:shout", "tasks.py", "--lines", "tasks.py"), "not both"),
        (("tasks:shout", "--lines", "none.txt"), "none.txt"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], words: str) -> None:
    ended = run("run", *arguments)
    assert ended.status == 2
    assert words in ended.stderr


@pytest.mark.parametrize(
    ("what", "words"),
    [("none:shout", "no file none"), ("tasks:shuot", "Did you mean shout?")],
)
def test_what_is_not_there_is_found_before_a_grid_is(run: Run, what: str, words: str) -> None:
    ended = run("run", what, "tasks.py")
    assert ended.status == 1
    assert words in ended.stderr


def test_a_folder_that_cannot_be_made_is_named(run: Run, tmp_path: Path) -> None:
    ended = run("run", "tasks:shout", "tasks.py", "--output", "tasks.py/out")
    assert ended.status == 1
    assert "tasks.py/out" in ended.stderr


def test_a_result_that_cannot_be_written_ends_the_job(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Folder, _name: str, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "put", fail)
    ended = run("run", "tasks:shout", "tasks.py", "--output", "out")
    assert ended.status == 1
    assert "No space left" in ended.stderr


def test_a_folder_is_no_input_and_that_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    ended = run("run", "tasks.py:shout", "photos")
    assert ended.status == 2
    assert f"photos is a folder; give files, such as {Path('photos', '*')}." in ended.stderr


@pytest.mark.parametrize(
    ("module", "told"), [("no.py", "no file no.py\n"), ("no", "no file no or no.py\n")]
)
def test_a_module_that_is_not_there_is_named(run: Run, module: str, told: str) -> None:
    assert told in run("run", f"{module}:shout").stderr
