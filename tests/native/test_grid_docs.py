"""Every program of the page on native tasks compiles as it says there, and runs on a grid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import hxgrid
from hxgrid import native
from tests.native import building
from tests.native.grid import milliseconds, number_of, submit

PAGE = building.ROOT / "docs" / "native-tasks.md"
PROGRAM = re.compile(r"```\w+\n// file: (\S+)\n(.*?)```\n\n```console\n\$ (.*?)\n```", re.DOTALL)
PROGRAMS = {name: (text, command) for name, text, command in PROGRAM.findall(PAGE.read_text())}


@pytest.fixture(scope="module")
def session() -> Iterator[hxgrid.Session]:
    with hxgrid.connect("local", slots=1) as made:
        yield made


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.system(shlex.split(command)[0]))
        for name, (_, command) in PROGRAMS.items()
    ],
)
def test_the_program_compiles_and_runs(session: hxgrid.Session, tmp_path: Path, name: str) -> None:
    text, command = PROGRAMS[name]
    (tmp_path / name).write_text(text)
    command = command.replace("$INCLUDE", str(native.include_path()))
    command = command.replace("$PASCAL", str(native.pascal_path()))
    building.run(shlex.split(command), cwd=tmp_path)
    (library,) = tmp_path.glob("*.so")
    assert number_of(submit(session, library, "Double", milliseconds(21))) == 42


def test_all_languages_are_there() -> None:
    assert {Path(name).suffix for name in PROGRAMS} == {".cpp", ".c", ".pas", ".rs"}
