"""A computer that computes wrongly among others, found by running some tasks twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.processes import Programs

START_LIMIT_S = 60
LIMIT_S = 120

WORK = """
import os, time

def run(agent, session_id, in_stream, out_stream):
    # Stands for a computer with a broken memory bank.
    wrong = os.environ.get("BROKEN_MEMORY", "")
    out_stream.write(in_stream.read() + wrong.encode())
    time.sleep(0.02)

def noisy(agent, session_id, in_stream, out_stream):
    out_stream.write_struct("<d", 1.0 + os.getpid() * 1e-12)
"""


@pytest.fixture
def grid(programs: Programs) -> LocalGrid:
    """Three agents of one slot, of which the one called `liar` computes wrongly."""
    grid = LocalGrid(programs, trust_network=True)
    grid.coordinator()
    for name in ("first", "second", "liar"):
        wrong = {"BROKEN_MEMORY": "?"} if name == "liar" else {}
        grid.agent(environment={"HXGRID_AGENT_AGENT_NAME": name, **wrong})
    grid.wait_for_agents(3, START_LIMIT_S)
    return grid


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "work.py"
    path.write_text(WORK)
    return path


def wait_for_connections(session: hxgrid.Session, count: int) -> None:
    wait_until(
        lambda: session.connection_status.connected_agents == count, START_LIMIT_S, "connections"
    )


@pytest.mark.usefixtures("own_process")
def test_the_odd_computer_is_named_and_nothing_of_it_is_taken(
    grid: LocalGrid, module: Path
) -> None:
    finalized: list[bytes] = []
    with grid.connect(verify=1.0) as session:
        wait_for_connections(session, 3)
        tasks = [
            session.run_task(module, "run", b"%d" % number, lambda s: finalized.append(s.read()))
            for number in range(60)
        ]
        session.wait_for_completion()
        told = session.verification
        explained = [each.text for each in session.explain()]
    assert len(finalized) == 60
    undecided = [dispute for dispute in told.disputes if dispute.odd is None]
    wrong = [each for each in finalized if b"?" in each]
    # On a busy computer a check may come too late; nothing else is taken from the liar.
    assert len(wrong) <= told.unverified + len(undecided)
    assert {dispute.odd for dispute in told.disputes} - {None} == {"liar"}
    assert told.agreed + told.unverified + len(told.disputes) == 60
    dispute = next(dispute for dispute in told.disputes if dispute.odd is not None)
    assert str(dispute).startswith(f"liar gave a wrong result for task {dispute.task} (asked were ")
    task = tasks[dispute.task - 1]
    assert task is not None
    assert [each.agent for each in task.attempts if "another result" in each.reason] == ["liar"]
    assert any("liar gets no work: it gave another result" in text for text in explained)


@pytest.mark.slow
@pytest.mark.usefixtures("own_process")
def test_results_that_differ_a_little_agree_if_the_application_says_so(
    grid: LocalGrid, module: Path
) -> None:
    def are_near(one: hxgrid.Stream, other: hxgrid.Stream) -> bool:
        return bool(abs(one.read_struct("<d")[0] - other.read_struct("<d")[0]) < 1e-3)

    with grid.connect(verify=1.0, verify_compare=are_near) as session:
        wait_for_connections(session, 3)
        for _ in range(10):
            session.run_task(module, "noisy")
        session.wait_for_completion()
        assert session.verification.disputes == ()
        # On a busy computer a check may come too late.
        assert session.verification.agreed + session.verification.unverified == 10
        assert session.verification.agreed >= 3


CALLS = """
import hxgrid

def letters(number):
    return {chr(97 + (number + step) % 26) for step in range(9)}

with hxgrid.connect("local", agents=2, slots=1, verify=1.0) as session:
    while session.connection_status.connected_agents < 2:
        pass
    assert all(len(each) == 9 for each in session.map(letters, range(20), chunksize=2))
    print(session.verification.agreed > 0, session.verification.disputes)
"""


def test_values_are_equal_whatever_their_pickles_look_like(
    programs: Programs, write_script: Callable[[str, str], Path]
) -> None:
    done = programs.python(write_script("calls.py", CALLS)).wait(LIMIT_S).expect(0)
    assert done.stdout.strip() == "True ()"


@pytest.mark.slow
def test_the_example_of_the_documentation_does_what_it_says(
    programs: Programs, write_script: Callable[[str, str], Path]
) -> None:
    page = (Path(__file__).parents[2] / "docs/verification.md").read_text()
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    done = programs.python(write_script("areas.py", example)).wait(LIMIT_S).expect(0)
    assert re.fullmatch(r"\d+ tasks verified(, \d+ could not be verified)?\n", done.stdout)


@pytest.mark.slow
def test_a_command_tells_at_its_end_who_was_wrong(grid: LocalGrid, module: Path) -> None:
    words = [str(number) for number in range(300)]
    (module.parent / "lines").write_text("\n".join(words))
    done = grid.run(
        "run",
        f"{module}:run",
        "--lines",
        module.parent / "lines",
        "--verify",
        "1",
        limit_s=LIMIT_S,
    ).expect(0)
    assert len(done.stdout.split()) == len(words)
    assert "liar gave a wrong result for task" in done.stderr
    assert "tasks verified" in done.stderr


@pytest.mark.usefixtures("own_process")
def test_with_one_agent_it_says_that_it_cannot_and_goes_on(
    module: Path,
) -> None:
    with hxgrid.connect("local", slots=1, verify=1.0) as session:
        tasks = [session.run_task(module, "run", b"x") for _ in range(5)]
        assert all(task is not None and task.exception() is None for task in tasks)
        told = session.verification
    assert told == (0, 5, ())
