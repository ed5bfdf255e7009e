"""An agent for Windows, under Wine, that computes for a session on this system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hxgrid
from tests.harness.processes import Programs
from tests.harness.wait import wait_until
from tests.wine import building
from tests.wine.grids import MixedGrid, module
from tests.wine.pascal import PascalForWindows
from tests.wine.running import LIMIT_S, Wine

TASKS = module("windows_tasks.py")


@pytest.fixture(scope="module")
def alone(wine: Wine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MixedGrid]:
    """A grid with one agent, under Wine."""
    with Programs(tmp_path_factory.mktemp("grid")) as programs:
        grid = MixedGrid(programs)
        with grid.agent_under_wine(wine, slots=2) as agent:
            agent.wait_for("coordinator found")
            yield grid


def submit(session: hxgrid.Session, file: Path, function: str, data: bytes = b"") -> hxgrid.Task:
    task = session.run_task([file], function, data)
    assert task is not None
    return task


def compute_pi(session: hxgrid.Session, modules: list[Path] | hxgrid.ModuleSet) -> str:
    inputs = (position.to_bytes(4, "little") for position in range(1, building.DIGITS, 9))
    tasks = [session.run_task(modules, "RunTask", one) for one in inputs]
    wait_until(lambda: session.is_complete, LIMIT_S, "all digits", seen=session.explain)
    return "".join(task.result().getvalue()[4:].decode() for task in tasks if task)


def test_it_runs_a_python_task_with_global_data(alone: MixedGrid) -> None:
    with alone.session() as session:
        session.bind_get_data(lambda name: f", data {name}".encode())
        out = submit(session, TASKS, "where", b"input").result(LIMIT_S)
        assert out.read_string() == "win32"
        assert out.read() == b"input, data name"


def test_it_runs_functions_of_an_executor(alone: MixedGrid) -> None:
    with alone.session() as session:
        assert list(session.map(lambda number: number * 2, range(100))) == list(range(0, 200, 2))


def test_it_runs_a_task_of_a_windows_library(alone: MixedGrid, tmp_path: Path) -> None:
    pi = building.pi_module(tmp_path, for_windows=True)
    with alone.session() as session:
        assert compute_pi(session, [pi]) == building.expected()


def test_it_runs_a_task_in_pascal(
    alone: MixedGrid, pascal: PascalForWindows, tmp_path: Path
) -> None:
    pi = pascal.compile(building.EXAMPLE / "pi_task.pas", tmp_path / "pi_task_pascal.dll")
    with alone.session() as session:
        assert compute_pi(session, [pi]) == building.expected()


def test_cancelling_stops_its_tasks(alone: MixedGrid) -> None:
    with alone.session() as session:
        tasks = [submit(session, TASKS, "endless") for _ in range(4)]
        wait_until(lambda: tasks[0].progress == 0.5, LIMIT_S, "the first to run")
        assert session.cancel_tasks() == []
        submit(session, TASKS, "where").cancel()


def test_what_a_task_raises_and_prints_comes_back(alone: MixedGrid) -> None:
    with alone.session(max_attempts=1) as session:
        error = submit(session, TASKS, "fail").exception(LIMIT_S)
        assert "ValueError: the reason" in str(error)
        assert "a word of the task" in str(error)


def test_a_library_that_crashes_takes_its_process_only(alone: MixedGrid, tmp_path: Path) -> None:
    falls = building.c_module(tmp_path, module("falls.c"))
    with alone.session(max_attempts=1) as session:
        error = submit(session, falls, "Fall").exception(LIMIT_S)
        assert "Fall" in str(error)
        assert submit(session, TASKS, "where").exception(LIMIT_S) is not None  # no data are bound
    with alone.session() as session:
        assert list(session.map(lambda number: number + 1, range(2))) == [1, 2]


def test_each_agent_gets_the_library_for_its_system(alone: MixedGrid, tmp_path: Path) -> None:
    file = building.pi_module(tmp_path, for_windows=True, for_here=True)
    variants = hxgrid.ModuleSet(variants={"win32": file, "linux": file.with_suffix(".so")})
    alone.agent_here(slots=1)
    with alone.session() as session:
        wait_until(lambda: session.connection_status.connected_agents == 2, LIMIT_S, "both agents")
        assert compute_pi(session, variants) == building.expected()
