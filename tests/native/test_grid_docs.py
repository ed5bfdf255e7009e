"""Every program of the page on native tasks compiles as it says there, and runs on a grid."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
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


def working(compiler: str) -> str:
    """The first of this name on the path that runs: rustup leaves one that needs a toolchain."""
    found = [
        path
        for folder in os.get_exec_path()
        if (path := shutil.which(compiler, path=folder)) is not None
        and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0
    ]
    return found[0] if found else compiler


@pytest.fixture(scope="module")
def session() -> Iterator[hxgrid.Session]:
    with hxgrid.connect("local", slots=1) as made:
        made.bind_get_data({"doubles": bytes(range(0, 256, 2))}.get)
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
    compiler, *arguments = shlex.split(command)
    building.run([working(compiler), *arguments], cwd=tmp_path)
    (library,) = tmp_path.glob("*.so")
    assert number_of(submit(session, library, "Double", milliseconds(21))) == 42


def test_all_languages_are_there() -> None:
    assert {Path(name).suffix for name in PROGRAMS} == {".cpp", ".c", ".pas", ".rs"}
