"""Callers in every language on a grid of separate programs, with an agent killed in the middle."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs
from tests.harness.wait import wait_until
from tests.native import building, calling

pytestmark = pytest.mark.slow

LIMIT_S = 90.0
EXAMPLE = building.ROOT / "examples" / "picalculator" / "native"
# Ten numbered tasks; each says who runs it, and waits until all may go on.
TASK = """
import os
import time
from pathlib import Path

FOLDER = Path({folder!r})


def RunTask(agent, session_id, in_stream, out_stream):
    (position,) = in_stream.read_struct("I")
    (FOLDER / f"{{position}} begun by {{os.getpid()}}").touch()
    while not (FOLDER / "go").exists():
        if not agent.test_connection():
            return False
        time.sleep(0.01)
    out_stream.write_struct("I9s", position, b"%09d" % position)
"""
EXPECTED = "".join(f"{position:09d}" for position in range(1, 91, 9))


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[LocalGrid]:
    folder = tmp_path / "programs"
    folder.mkdir()
    with Programs(folder) as programs:
        made = LocalGrid(programs)
        made.coordinator()
        made.wait_for_coordinator(LIMIT_S)
        yield made


@pytest.mark.system("g++")
def test_cpp_by_gcc_gets_everything(grid: LocalGrid, tmp_path: Path) -> None:
    check_pi(grid, tmp_path, cpp_caller(tmp_path, "g++"))


@pytest.mark.system("clang++")
def test_cpp_by_clang_gets_everything(grid: LocalGrid, tmp_path: Path) -> None:
    check_pi(grid, tmp_path, cpp_caller(tmp_path, "clang++"))


@pytest.mark.system("fpc")
def test_pascal_gets_everything(grid: LocalGrid, tmp_path: Path) -> None:
    target = tmp_path / "caller"
    flags = [f"-Fu{building.ROOT / 'native' / 'pascal'}", f"-FU{tmp_path}", f"-o{target}"]
    building.run(["fpc", "-O2", "-v0", *flags, str(EXAMPLE / "picalculator.pas")])
    check_pi(grid, tmp_path, target)


def test_c_gets_everything(grid: LocalGrid, tmp_path: Path) -> None:
    caller = calling.compile_caller(tmp_path, "flat.c", building.cc(), "-std=gnu99")
    lose_an_agent(grid, tmp_path, [str(caller), "numbered"])


def cpp_caller(folder: Path, compiler: str) -> Path:
    source = str(EXAMPLE / "picalculator.cpp")
    return calling.compile_caller(folder, source, compiler, "-std=c++11")


def check_pi(grid: LocalGrid, folder: Path, caller: Path) -> None:
    out = lose_an_agent(grid, folder, [str(caller), "90", "--task", str(folder / "numbered.py")])
    assert out.splitlines()[0] == f"PI=3.{EXPECTED}"


def lose_an_agent(grid: LocalGrid, folder: Path, command: list[str]) -> str:
    """Run a caller, kill one of two agents while both run a task of it, and return what it said."""
    module = folder / "numbered.py"
    module.write_text(TASK.format(folder=str(folder)))
    agents = [grid.agent(), grid.agent()]
    grid.wait_for_agents(2, LIMIT_S)
    more = grid.programs.environment(grid.programs.home, grid.environment)
    more |= {"HXGRID_BRIDGE": str(calling.BRIDGE), "HXGRID_BRIDGE_ADDRESS": grid.address}
    more |= {"CALLER_MODULE": str(module), "LD_LIBRARY_PATH": str(calling.LIBRARY_FOLDER)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=more
    ) as process:
        wait_until(lambda: len(begun(folder)) >= 2, LIMIT_S, "both agents to run a task")
        before = begun(folder)
        agents[0].kill()
        # Its task begins again on the other one only when that has room.
        (folder / "go").touch()
        out, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    assert len(begun(folder)) > 10, f"no task began twice: {begun(folder)} after {before}"
    return out


def begun(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("* begun by *"))
