"""Rows of `tests/rows.txt` on grids of real programs."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import hxgrid
from tests.harness import proctree
from tests.harness.jobs import APPS
from tests.harness.local_grid import LocalGrid
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from tests.harness.processes import Programs

pytestmark = pytest.mark.slow

LIMIT_S = 120
TASKS = APPS / "tasks.py"
AWKWARD = 'a %s %d, b\'s "x" {0} = ü'
"""What a name may hold, though log lines and lists are made of such signs."""


def run(
    session: hxgrid.Session, function: str, data: bytes = b"", module: Path = TASKS
) -> hxgrid.Task:
    task = session.run_task(module, function, data)
    assert task is not None
    return task


def output(task: hxgrid.Task) -> bytes:
    return bytes(task.result(LIMIT_S).read())


def squares(session: hxgrid.Session, count: int, milliseconds: int) -> list[hxgrid.Task]:
    return [run(session, "square", struct.pack("<II", n, milliseconds)) for n in range(count)]


@pytest.fixture
def grid(programs: Programs, own_process: None) -> LocalGrid:
    """A grid that the test itself connects to."""
    grid = LocalGrid(programs, trust_network=True)
    grid.coordinator()
    grid.wait_for_coordinator(LIMIT_S)
    return grid


def test_h1_two_tasks_of_half_a_minute_on_three_agents_end_without_a_loss(
    grid: LocalGrid,
) -> None:
    for _ in range(3):
        grid.agent()
    grid.wait_for_agents(3, LIMIT_S)
    with grid.connect() as session:
        tasks = squares(session, 2, 30_000)
        for task in tasks:
            output(task)
            # On a computer that is very busy a copy may be made; nothing is lost or fails.
            outcomes = [attempt.outcome for attempt in task.attempts]
            assert outcomes.count("done") == 1
            assert set(outcomes) <= {"done", "not_started", "cancelled", "running"}


def test_h2_one_task_larger_than_the_memory_limit_runs_and_so_do_those_behind_it(
    own_process: None,
) -> None:
    limits = {"user_max_memory_bytes": 1 << 20, "compress_threshold_bytes": 1 << 30}
    sizes = [5 << 20, 10, 900_000, 2 << 20, 0]
    with hxgrid.connect("local", slots=1, settings=limits) as session:
        tasks = [run(session, "echo", bytes(size)) for size in sizes]
        assert [len(output(task)) for task in tasks] == sizes


def test_h11_no_program_minds_in_which_folder_it_is_started(
    programs: Programs, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    grid = LocalGrid(programs)
    grid.coordinator(cwd=folders[0])
    grid.agent(cwd=folders[1])
    grid.wait_for_agents(1, LIMIT_S)
    (folders[2] / "own.py").write_text(
        "def f(agent, session, source, sink):\n    sink.write(b'1')\n"
    )
    (folders[2] / "input").write_text("x")
    ended = grid.run(
        "run", "own.py:f", "input", "--output", "results", cwd=folders[2], limit_s=LIMIT_S
    )
    ended.expect(0)
    assert [path.read_bytes() for path in (folders[2] / "results").iterdir()] == [b"1"]
    programs.end_politely()


def test_h13_names_of_every_kind_reach_logs_and_agents_unharmed(
    programs: Programs, own_process: None, tmp_path: Path
) -> None:
    grid = LocalGrid(programs, trust_network=True)
    environment = {"HXGRID_AGENT_AGENT_NAME": AWKWARD, "HXGRID_AGENT_LOG_LEVEL": "debug"}
    grid.coordinator()
    grid.agent(environment=environment)
    grid.wait_for_agents(1, LIMIT_S)
    module = tmp_path / f"{AWKWARD}.py"
    module.write_bytes(TASKS.read_bytes())
    with grid.connect() as session:
        session.bind_get_data(lambda name: name.encode())
        task = run(session, "pass_on_data", AWKWARD.encode(), module)
        assert output(task) == AWKWARD.encode()
        with pytest.raises(hxgrid.TaskFailed):
            output(run(session, "fail", b"", module))
        assert task.attempts[0].agent == AWKWARD
        assert output(run(session, "echo", b"on the same connection", module))


@pytest.mark.timeout(600)
def test_h16_two_hundred_small_jobs_end_while_agents_are_killed(grid: LocalGrid) -> None:
    agents = [grid.agent() for _ in range(3)]
    grid.wait_for_agents(3, LIMIT_S)
    over = threading.Event()
    chance = random.Random(16)

    def kill_now_and_then() -> None:
        while not over.wait(chance.uniform(0.5, 3.0)):
            place = chance.randrange(1, 3)
            agents[place].kill()
            agents[place] = grid.agent()

    killer = threading.Thread(target=kill_now_and_then)
    with grid.connect() as session:
        killer.start()
        try:
            for number in range(200):
                tasks = [run(session, "echo", b"%d" % n) for n in range(50)]
                # The watchdog: what a job of 50 tiny tasks may take at the very most.
                assert session.wait_for_completion(LIMIT_S), f"job {number}: {session.explain()}"
                assert [output(task) for task in tasks] == [b"%d" % n for n in range(50)]
        finally:
            over.set()
            killer.join()


def test_k7_a_crashing_task_leaves_the_agent_alive_and_no_orphan(grid: LocalGrid) -> None:
    agent = grid.agent()
    grid.wait_for_agents(1, LIMIT_S)
    with grid.connect(settings={"retry_delay_s": 0.05}) as session:
        output(run(session, "echo", b"1"))
        with pytest.raises(hxgrid.TaskFailed):
            output(run(session, "crash"))
        assert output(run(session, "echo", b"2")) == b"2"
    family = agent.note_descendants()
    assert agent.is_running
    wait_until(
        lambda: all(one.status() != psutil.STATUS_ZOMBIE for one in family if one.is_running()),
        LIMIT_S,
        "no dead process to stay",
        seen=lambda: proctree.described(family),
    )


def test_k11_two_users_get_equal_shares(grid: LocalGrid) -> None:
    grid.agent(slots=2)
    grid.wait_for_agents(1, LIMIT_S)
    ended: list[list[int]] = [[], []]

    def counter(place: int) -> Callable[[hxgrid.Stream], None]:
        return lambda _out: ended[place].append(1)

    def served(place: int) -> bool:
        return len(ended[place]) > 20

    with grid.connect() as first, grid.connect() as second:
        for place, session in enumerate((first, second)):
            for number in range(1500):
                data = struct.pack("<II", number, 20)
                session.run_task(TASKS, "square", data, counter(place))
            # The second one comes when the first has filled every queue there is.
            wait_until(partial(served, place), LIMIT_S, "both to be served")
        before = [len(each) for each in ended]
        wait_until(lambda: sum(map(len, ended)) - sum(before) > 800, LIMIT_S, "800 more results")
        gained = [len(each) - was for each, was in zip(ended, before, strict=True)]
        assert 0.8 <= gained[0] / gained[1] <= 1.25, gained
        for session in (first, second):
            session.cancel_tasks()


def test_k11_ten_tasks_do_not_wait_behind_ten_thousand(grid: LocalGrid) -> None:
    grid.agent(slots=2)
    grid.wait_for_agents(1, LIMIT_S)
    ended: list[int] = []
    with grid.connect() as first, grid.connect() as second:
        first.update_settings(max_queued_tasks=20_000)
        for number in range(10_000):
            data = struct.pack("<II", number, 20)
            first.run_task(TASKS, "square", data, lambda _out: ended.append(1))
        wait_until(lambda: len(ended) > 50, LIMIT_S, "the large job to be under way")
        before = len(ended)
        small = [second.run_task(TASKS, "square", struct.pack("<II", n, 20)) for n in range(10)]
        for task in small:
            assert task is not None
            task.result(LIMIT_S)
        # Ten tasks of one slot take 0.2 s, and starting its process a moment.
        assert len(ended) - before < 2000
        first.cancel_tasks()


def test_b9_a_task_that_always_fails_ends_after_three_attempts_and_disturbs_nobody(
    own_process: None,
) -> None:
    with hxgrid.connect("local", agents=2, slots=1, settings={"retry_delay_s": 0.05}) as session:
        bad = run(session, "crash")
        good = squares(session, 40, 20)
        assert all(output(task) for task in good)
        error = bad.exception(LIMIT_S)
        assert isinstance(error, hxgrid.TaskFailed)
        assert [one.outcome for one in error.attempts] == ["crashed"] * 3
        assert {one.agent for one in error.attempts} == {one.agent for one in bad.attempts}


def test_b11_modules_that_cannot_be_had_leave_the_connection_fit_for_good_ones(
    grid: LocalGrid, tmp_path: Path
) -> None:
    grid.agent()
    grid.wait_for_agents(1, LIMIT_S)
    with grid.connect(settings={"retry_delay_s": 0.05}) as session:
        for number in range(3):
            missing = tmp_path / f"missing{number}.py"
            with pytest.raises(hxgrid.ModuleError):
                run(session, "echo", b"", missing)
            broken = run(session, "echo", b"", APPS / "tasks_broken_import.py")
            assert isinstance(broken.exception(LIMIT_S), hxgrid.TaskFailed)
            assert output(run(session, "echo", b"%d" % number)) == b"%d" % number


def test_b19_cancelled_tasks_of_a_minute_leave_their_slots_at_once(own_process: None) -> None:
    with hxgrid.connect("local", slots=2) as session:
        tasks = squares(session, 10, 60_000)
        wait_until(lambda: "running" in {task.state for task in tasks}, LIMIT_S, "one to run")
        assert session.cancel_tasks() == []
        assert {task.state for task in tasks} == {"cancelled"}
        # Had the cancelled ones kept their slots, this would wait for a minute.
        assert run(session, "echo", b"next").result(30).read() == b"next"


def test_b39_ending_with_tasks_that_no_agent_will_ever_take_is_quick(grid: LocalGrid) -> None:
    agent = grid.agent()
    grid.wait_for_agents(1, LIMIT_S)
    session = grid.connect()
    output(run(session, "echo", b"1"))
    agent.kill()
    tasks = squares(session, 5, 10)
    session.close(cancel=True)
    assert {task.state for task in tasks} == {"cancelled"}
