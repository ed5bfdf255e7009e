"""The harness's own promises: nothing of a program stays, and nothing of the developer gets in."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.harness import guard, proctree
from tests.harness.processes import SETTINGS, Programs
from tests.harness.wait import WaitTimeoutError, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A parent with one child; both wait for ever, the child in a session of its own.
FAMILY = """
import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"],
                         start_new_session=True)
print('{"child": %d}' % child.pid)
threading.Event().wait()
"""
WAITS_FOR_EVER = "import threading; threading.Event().wait()"


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path) as programs:
        yield programs


def start_family(programs: Programs) -> tuple[int, int]:
    family = programs.start("family", [sys.executable, "-c", FAMILY])
    lines = wait_until(family.json_lines, 30, "the child to be named", seen=family.log)
    return family.pid, int(lines[0]["child"])


def test_output_and_exit_status_are_kept(programs: Programs) -> None:
    speaks = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = programs.start("speaks", [sys.executable, "-c", speaks]).wait(30).expect(3)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_nothing_of_the_developers_environment_gets_in(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HXGRID_USER_COORDINATOR", "elsewhere")
    shows = "import json, os; print(json.dumps(dict(os.environ)))"
    environment = programs.start("shows", [sys.executable, "-c", shows]).wait(30).json()
    assert {name for name in environment if name.startswith("HXGRID_")} == set(SETTINGS)
    assert environment["HOME"] == f"{programs.home}/"[:-1]
    assert environment["XDG_CONFIG_HOME"].startswith(environment["HOME"])


def test_an_orphan_in_another_session_is_still_found_and_ended(programs: Programs) -> None:
    parent, child = start_family(programs)
    proctree.kill_one(parent)
    with pytest.raises(WaitTimeoutError, match=str(child)):
        programs.expect_no_process_left(0.1)
    programs.stop_all()
    programs.expect_no_process_left(0.1)


def test_one_process_is_frozen_without_its_children(programs: Programs) -> None:
    parent, child = start_family(programs)
    proctree.freeze_one(parent)
    wait_until(lambda: psutil.Process(parent).status() == "stopped", 10, "the parent to stop")
    assert psutil.Process(child).status() != "stopped"
    proctree.thaw_one(parent)
    wait_until(lambda: psutil.Process(parent).status() != "stopped", 10, "the parent to go on")


def test_a_tree_is_frozen_thawed_and_killed(programs: Programs) -> None:
    pids = start_family(programs)
    proctree.freeze_tree(pids[0])
    wait_until(lambda: {psutil.Process(pid).status() for pid in pids} == {"stopped"}, 10, "both")
    proctree.kill_tree(pids[0])
    programs.expect_no_process_left(10)


def test_a_family_is_a_program_and_all_below_it(programs: Programs) -> None:
    parent, child = start_family(programs)
    family = programs.started[0].family()
    assert [one.pid for one in family] == [parent, child]


def test_processes_are_found_by_the_words_they_show(programs: Programs) -> None:
    parent, child = start_family(programs)
    assert [p.pid for p in proctree.descendants_showing(parent, "threading.Event")] == [child]
    assert proctree.descendants_showing(parent, "no such words") == []


def test_interrupting_reaches_the_whole_group(programs: Programs) -> None:
    program = programs.start("waits", ["sh", "-c", "echo '{}'; sleep 100 & wait"])
    wait_until(program.json_lines, 30, "the shell to be ready")
    program.interrupt()
    assert program.wait(10).status != 0


def test_the_guard_ends_what_a_killed_test_run_leaves() -> None:
    run = f"test-{os.getpid()}"
    left = subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR_EVER], env={**os.environ, guard.RUN_VARIABLE: run}
    )
    try:
        watching = guard.start(run)
        assert watching.stdin is not None
        watching.stdin.close()  # what the system does when the test run ends, however it ends
        assert left.wait(30) < 0
        assert watching.wait(30) == 0
    finally:
        left.kill()
