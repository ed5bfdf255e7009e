"""Grids on one computer: embedded in a program, or started with `hxgrid up`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import hxgrid
from tests.harness import proctree
from tests.harness.jobs import APPS, Job
from tests.harness.local_grid import LocalGrid
from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from tests.harness.processes import Program, Programs

Measure = Callable[[str, float], None]

LIMIT_S = 120

# What is promised, times what other work on the computer may cost; the measured times are printed.
NOISE = 2.5
GONE_LIMIT_S = 2 * NOISE
CTRL_C_LIMIT_S = 2 * NOISE
CLOSE_LIMIT_S = 1 * NOISE

ADDS_UP = """
import hxgrid

def square(number):
    return number * number

if __name__ == "__main__":
    with hxgrid.connect("local", slots=2) as session:
        print(sum(session.map(square, range(1000))))
"""


def test_a_script_with_an_embedded_grid_gets_right_results(
    programs: Programs, write_script: Callable[[str, str], Path]
) -> None:
    done = programs.python(write_script("adds_up.py", ADDS_UP)).wait(LIMIT_S).expect(0)
    assert done.stdout.split() == [str(sum(number * number for number in range(1000)))]
    programs.expect_no_process_left()


def test_each_task_comes_back_once_with_its_own_number(programs: Programs) -> None:
    job = Job(programs, "--address", "local", "--slots", "2", "--tasks", "200", "--task-ms", "1")
    end = job.finish_by_itself(LIMIT_S)
    assert end["accepted"] == 200
    programs.expect_no_process_left()


DATA_TASKS = """
def read(agent, session_id, in_stream, out_stream):
    out_stream.write(agent.get_data("mesh").read())

def free(agent, session_id, in_stream, out_stream):
    agent.get_data("mesh")
    agent.free_cached_data("mesh")

def compare(agent, session_id, in_stream, out_stream):
    held = agent.get_data("mesh")
    agent.report(0.5, "has it")
    while (seen := agent.get_data("mesh").read()) == held.read():
        held.seek(0)
        if not agent.test_connection():
            return False
    held.seek(0)
    out_stream.write(held.read() + seen)
"""


def test_forgotten_data_is_new_in_every_process_of_every_agent(
    write_script: Callable[[str, str], Path],
) -> None:
    module = write_script("data_tasks.py", DATA_TASKS)
    with hxgrid.connect("local", agents=2, slots=2) as session:

        def results() -> set[bytes]:
            tasks = [session.run_task(module, "read") for _ in range(40)]
            return {bytes(task.result(LIMIT_S).getbuffer()) for task in tasks if task}

        session.bind_get_data(lambda _name: b"first")
        assert results() == {b"first"}
        running = session.run_task(module, "compare")
        assert running is not None
        wait_until(lambda: running.progress_text == "has it", LIMIT_S, "the old data")
        session.bind_get_data(lambda _name: b"second")
        session.forget_data("mesh")
        assert results() == {b"second"}
        assert bytes(running.result(LIMIT_S).getbuffer()) == b"firstsecond"
        session.bind_get_data(lambda _name: b"third")
        session.forget_data()
        assert results() == {b"third"}


def test_volatile_data_that_one_process_frees_is_new_in_the_others(
    write_script: Callable[[str, str], Path],
) -> None:
    module = write_script("data_tasks.py", DATA_TASKS)
    versions = itertools.count()
    with hxgrid.connect("local", slots=2) as session:
        session.bind_get_data(lambda _name: b"%d" % next(versions), volatile=True)
        running = session.run_task(module, "compare")
        assert running is not None
        wait_until(lambda: running.progress_text == "has it", LIMIT_S, "the first version")
        freeing = session.run_task(module, "free")
        assert freeing is not None
        freeing.result(LIMIT_S)
        assert bytes(running.result(LIMIT_S).getbuffer()) == b"01"


@pytest.mark.slow
def test_several_agents_of_an_embedded_grid_all_work(programs: Programs) -> None:
    job = Job(programs, "--address", "local", "--agents", "3", "--slots", "1")
    wait_until(
        lambda: len({result["pid"] for result in job.results()}) >= 3,
        LIMIT_S,
        "results from three task processes",
        seen=job.program.log,
    )
    assert len(job.finish(LIMIT_S)["agents"]) == 3
    programs.expect_no_process_left()


def test_children_go_when_the_application_is_killed(programs: Programs, measured: Measure) -> None:
    job = Job(programs, "--address", "local", "--agents", "2", "--slots", "2")
    job.wait_for_more(5, LIMIT_S)
    assert len(job.program.note_descendants()) >= 4
    watch = Stopwatch()
    job.program.kill()
    programs.expect_no_process_left(GONE_LIMIT_S)
    measured("children gone", watch.elapsed_s())


@pytest.mark.slow
def test_children_go_when_the_application_is_killed_while_they_start(programs: Programs) -> None:
    job = Job(programs, "--address", "local", "--agents", "2", "--slots", "2")
    wait_until(job.program.note_descendants, LIMIT_S, "the first child", seen=job.program.log)
    job.program.kill()
    programs.expect_no_process_left(GONE_LIMIT_S + 5)  # an interpreter that starts must come up


@pytest.mark.slow
def test_two_embedded_grids_live_side_by_side(programs: Programs) -> None:
    jobs = [Job(programs, "--address", "local", "--slots", "1") for _ in range(2)]
    for job in jobs:
        job.wait_for_more(10, LIMIT_S)
    pids = [{result["pid"] for result in job.results()} for job in jobs]
    assert not pids[0] & pids[1]
    for job in jobs:
        job.finish(LIMIT_S)
    programs.expect_no_process_left()


def started_up(grid: LocalGrid) -> Program:
    program = grid.up()
    grid.wait_for_agents(1, LIMIT_S)
    return program


def started_coordinator(grid: LocalGrid) -> Program:
    program = grid.coordinator()
    grid.wait_for_coordinator(LIMIT_S)
    return program


def started_agent(grid: LocalGrid) -> Program:
    grid.coordinator()
    program = grid.agent()
    grid.wait_for_agents(1, LIMIT_S)
    return program


def started_example(grid: LocalGrid) -> Program:
    program = grid.programs.hxgrid("example", "pi", "--digits", "20000", "--local")
    wait_until(
        lambda: proctree.descendants_showing(program.pid, "hxgrid slot"),
        LIMIT_S,
        "a task process",
        seen=program.log,
    )
    return program


@pytest.mark.parametrize(
    "start",
    [
        started_up,
        pytest.param(started_coordinator, marks=pytest.mark.slow),
        pytest.param(started_agent, marks=pytest.mark.slow),
        started_example,
    ],
)
def test_ctrl_c_ends_a_command_quickly(
    programs: Programs, measured: Measure, start: Callable[[LocalGrid], Program]
) -> None:
    program = start(LocalGrid(programs))
    watch = Stopwatch()
    program.interrupt()
    ended = program.wait(LIMIT_S).expect(130)
    measured("end after Ctrl-C", watch.elapsed_s())
    assert watch.elapsed_s() < CTRL_C_LIMIT_S
    assert "Traceback" not in ended.stderr
    programs.end_politely()


@pytest.mark.slow
@pytest.mark.parametrize("start", [started_up, started_coordinator, started_agent])
def test_a_polite_request_to_end_is_followed(
    programs: Programs, start: Callable[[LocalGrid], Program]
) -> None:
    program = start(LocalGrid(programs))
    program.terminate()
    ended = program.wait(10)
    assert "Traceback" not in ended.stderr
    programs.end_politely()


def close_in_time(session: hxgrid.Session, measured: Measure, *, cancel: bool = False) -> None:
    watch = Stopwatch()
    session.close(cancel=cancel)
    measured(f"close(cancel={cancel})", watch.elapsed_s())
    assert watch.elapsed_s() < CLOSE_LIMIT_S


def start_hanging(session: hxgrid.Session) -> None:
    """Fill the grid with tasks that neither end nor listen, and wait until one hangs."""
    tasks = [session.run_task(APPS / "tasks.py", "hang") for _ in range(20)]
    wait_until(
        lambda: any(task.progress_text for task in tasks if task is not None),
        LIMIT_S,
        "a task that hangs",
    )


def test_k1_an_application_without_work_left_closes_within_a_second(
    own_process: None, measured: Measure
) -> None:
    session = hxgrid.connect("local", slots=1)
    task = session.run_task(APPS / "tasks.py", "echo", b"here")
    assert task is not None
    assert task.result(LIMIT_S).read() == b"here"
    close_in_time(session, measured)


def test_k1_cancelling_leaves_within_a_second_while_tasks_hang(
    own_process: None, measured: Measure
) -> None:
    session = hxgrid.connect("local", slots=2)
    start_hanging(session)
    close_in_time(session, measured, cancel=True)


@pytest.mark.parametrize("freeze", [proctree.freeze_one, proctree.freeze_tree])
def test_k1_cancelling_leaves_within_a_second_while_the_agents_are_stopped(
    own_process: None, measured: Measure, freeze: Callable[[int], None]
) -> None:
    session = hxgrid.connect("local", agents=2, slots=1)
    start_hanging(session)
    for agent in proctree.descendants_showing(os.getpid(), "hxgrid agent"):
        freeze(agent.pid)
    close_in_time(session, measured, cancel=True)


LEAVES_TRACES = """
import os, pathlib, time

def run_task(agent, session_id, in_stream, out_stream):
    folder = pathlib.Path(agent.session_cache_directory)
    folder.joinpath(f"left-{os.getpid()}").write_text("a trace")
    agent.report(0.5, f"{os.getpid()} {folder}")
    while True:
        time.sleep(1)  # never asks whether it may go on
"""


@pytest.mark.slow
def test_i7_what_a_session_had_is_gone_from_all_agents_two_seconds_after_it_has_closed(
    programs: Programs, own_process: None, tmp_path: Path, measured: Measure
) -> None:
    grid = LocalGrid(programs)
    grid.up(agents=2)
    grid.wait_for_agents(2, LIMIT_S)
    (tmp_path / "traces.py").write_text(LEAVES_TRACES)
    session = grid.connect()
    tasks = [session.run_task(tmp_path / "traces.py", "run_task") for _ in range(2)]

    def reports() -> list[str]:
        return [task.progress_text for task in tasks if task is not None]

    wait_until(lambda: all(reports()), LIMIT_S, "both to run", seen=programs.logs)
    had = [(int(pid), Path(folder)) for pid, folder in (one.split(" ", 1) for one in reports())]
    assert len({folder for _, folder in had}) == 2, "one agent has both"
    assert all(folder.joinpath(f"left-{pid}").exists() for pid, folder in had)

    watch = Stopwatch()
    session.close(cancel=True)
    wait_until(
        lambda: not [1 for pid, folder in had if psutil.pid_exists(pid) or folder.exists()],
        LIMIT_S,
        "processes and folders to be gone",
        seen=programs.logs,
    )
    measured("gone after close", watch.elapsed_s())
    assert watch.elapsed_s() < GONE_LIMIT_S
    programs.end_politely()


def test_several_sessions_in_one_process_share_a_grid(
    programs: Programs, own_process: None
) -> None:
    grid = LocalGrid(programs)
    grid.up(agents=2)
    grid.wait_for_agents(2, LIMIT_S)
    sessions = [grid.connect() for _ in range(3)]
    batches = [
        [session.run_task(APPS / "tasks.py", "echo", b"%d" % n) for n in range(start, start + 50)]
        for start, session in zip(itertools.count(0, 1000), sessions, strict=False)
    ]
    for start, batch in zip(itertools.count(0, 1000), batches, strict=False):
        answers = [task.result(LIMIT_S).read() for task in batch if task is not None]
        assert answers == [b"%d" % n for n in range(start, start + 50)]
    for session in sessions:
        session.close()
    programs.end_politely()


@pytest.mark.slow
def test_k4_several_users_of_one_grid_all_finish(programs: Programs) -> None:
    grid = LocalGrid(programs)
    grid.up(agents=2)
    grid.wait_for_agents(2, LIMIT_S)
    jobs = [grid.job() for _ in range(3)]
    for job in jobs:
        job.wait_for_more(20, LIMIT_S)
    for job in jobs:
        job.finish(LIMIT_S)
    programs.end_politely()


@pytest.mark.slow
def test_a_user_that_is_killed_does_not_disturb_the_others(programs: Programs) -> None:
    grid = LocalGrid(programs)
    grid.up(agents=1)
    grid.wait_for_agents(1, LIMIT_S)
    victim, other = grid.job(), grid.job()
    victim.wait_for_more(5, LIMIT_S)
    of_the_victim = {result["pid"] for result in victim.results()}
    victim.program.kill()
    other.wait_for_more(20, LIMIT_S)
    wait_until(
        lambda: not of_the_victim & {one.pid for one in programs.living()},
        30,  # a session lease of ten seconds, and then some
        "the task processes of the killed user to end",
        seen=programs.logs,
    )
    other.finish(LIMIT_S)
    programs.end_politely()


TELLS_ITS_SESSION = """
import time

def run_task(agent, session_id, in_stream, out_stream):
    time.sleep(0.3)
    out_stream.write(session_id.to_bytes(8, "little"))
"""


def test_a_session_has_one_number_at_all_agents(own_process: None, tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(TELLS_ITS_SESSION)
    with hxgrid.connect("local", agents=2, slots=1) as session:
        tasks = [session.run_task(tmp_path / "telling.py", "run_task") for _ in range(8)]
        numbers = {task.result(LIMIT_S).getvalue() for task in tasks if task is not None}
        agents = {task.attempts[-1].agent for task in tasks if task is not None}
    assert len(agents) == 2
    assert len(numbers) == 1
