"""`hxgrid up` and what is asked about a grid: ports, killing, `why` after the program, `doctor`."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.harness.local_grid import LocalGrid
from tests.harness.ports import taken_port
from tests.harness.wait import wait_until
from tests.programs.expectations import expect_clear, expect_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.processes import Program, Programs

pytestmark = pytest.mark.slow

LIMIT_S = 60
GONE_LIMIT_S = 5

TASKS = """
def refuse(agent, session_id, in_stream, out_stream):
    raise ValueError("not " + in_stream.read().decode())
"""


@pytest.fixture
def grid(programs: Programs) -> Iterator[LocalGrid]:
    """Two agents with one slot each, in one `up`."""
    grid = LocalGrid(programs)
    grid.up(agents=2)
    grid.wait_for_agents(2, LIMIT_S)
    yield grid
    programs.end_politely()


@contextlib.contextmanager
def usual_port_taken() -> Iterator[None]:
    with socket.socket() as holder:
        with contextlib.suppress(OSError):  # it is taken already, which is as good
            holder.bind(("127.0.0.1", 4100))
            holder.listen()
        yield


def wait_until_it_says(program: Program, words: str) -> None:
    wait_until(lambda: words in program.stdout(), LIMIT_S, words, seen=program.log)


def test_it_says_when_the_grid_is_there_and_what_to_type_next(programs: Programs) -> None:
    grid = LocalGrid(programs)
    up = grid.up(agents=2)
    wait_until_it_says(up, "hxgrid agents")
    expect_words(up.stdout(), f"'{grid.name}'", "2 agents, 2 slots", grid.address)
    assert len(grid.agents_listed()) == 2, "it said so before it was true"
    programs.end_politely()


def test_killing_it_leaves_nothing(programs: Programs) -> None:
    grid = LocalGrid(programs)
    up = grid.up(agents=2)
    wait_until_it_says(up, "hxgrid agents")
    assert len(up.note_descendants()) >= 3
    up.kill()
    programs.expect_no_process_left(GONE_LIMIT_S)


def test_a_coordinator_that_dies_ends_it_with_a_word(programs: Programs) -> None:
    grid = LocalGrid(programs)
    up = grid.up(agents=1)
    wait_until_it_says(up, "hxgrid agents")
    (coordinator,) = [
        one for one in up.note_descendants() if "hxgrid coordinator" in " ".join(one.cmdline())
    ]
    coordinator.kill()
    ended = up.wait(LIMIT_S)
    expect_clear(ended, 1, "coordinator has ended")
    programs.expect_no_process_left()


def test_an_agent_that_dies_does_not_end_the_others(grid: LocalGrid) -> None:
    up = grid.programs.started[0]
    wait_until_it_says(up, "hxgrid agents")
    agents = [one for one in up.note_descendants() if "hxgrid agent" in " ".join(one.cmdline())]
    agents[0].kill()
    wait_until(lambda: "has ended" in up.stderr(), LIMIT_S, "a word about it", seen=up.log)
    assert up.is_running
    grid.run("example", "pi", "--digits", "9").expect(0)


def test_a_chosen_port_that_is_taken_is_an_error(programs: Programs) -> None:
    grid = LocalGrid(programs)
    with taken_port() as port:
        grid.port = port
        expect_clear(grid.up().wait(LIMIT_S), 2, str(port))
    programs.expect_no_process_left()


def test_the_usual_port_gives_way(programs: Programs) -> None:
    grid = LocalGrid(programs)
    environment = {key: value for key, value in grid.environment.items() if "PORT" in key}
    del environment["HXGRID_COORDINATOR_PORT"]
    with usual_port_taken():
        up = programs.hxgrid("up", "--slots", "1", environment=environment)
        wait_until_it_says(up, "hxgrid agents")
        expect_words(up.stdout(), "TCP port 4100 is taken", "--coordinator 127.0.0.1:")
        word = up.stdout().split("--coordinator ")[1].split()[0]
        assert len(programs.run("agents", "--json", "--coordinator", word).expect(0).json()) == 1
    programs.end_politely()


def test_why_answers_after_the_program_has_ended(grid: LocalGrid, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "one.txt").write_text("for me")
    grid.run("run", "tasks:refuse", "one.txt", cwd=tmp_path).expect(1)
    expect_words(grid.run("why", "1").expect(0).stdout, "task 1 failed", "not for me")
    expect_clear(grid.run("why", "9999"), 1, "9999")
    everything = json.loads(grid.run("why", "--json").expect(0).stdout)
    assert {"session", "task", "agent"} == {one["kind"] for one in everything}


def test_doctor_reaches_each_agent_and_runs_a_task_on_it(grid: LocalGrid) -> None:
    stages = grid.run("doctor", "--json").expect(0).json()
    names = [stage["stage"] for stage in stages]
    assert sum(name.startswith("agent ") for name in names) == 2
    assert sum(name.startswith("task on ") for name in names) == 2
    assert {stage["result"] for stage in stages} <= {"ok", "note"}


def test_doctor_examines_this_computer_alone(programs: Programs) -> None:
    ended = programs.run("doctor", "--local").expect(0)
    expect_words(ended.stdout, "embedded grid", "task on local")
    programs.expect_no_process_left()


def test_doctor_without_any_grid_ends_with_status_3(programs: Programs) -> None:
    environment = LocalGrid(programs).environment
    ended = programs.run("doctor", environment=environment).expect(3)
    expect_words(ended.stdout, "hxgrid up", "FAIL  coordinator")
