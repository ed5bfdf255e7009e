"""Embedded grid: what the agents are told, what they may answer, and that nothing stays behind.

The agents here are small scripts that follow the same line; the real ones are in tests/programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from hxgrid.embedded import EmbeddedGrid, child
from hxgrid.errors import ConfigError, HxGridError
from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWERS = """
import json, sys
order = json.loads(sys.stdin.readline())
print(json.dumps(order), file=sys.stderr, flush=True)
settings = order["settings"]
print(json.dumps({
    "agent": "0" * 32, "name": settings["agent_name"], "slots": settings["slots"],
    "addresses": [{"host": "127.0.0.1", "port": 1234}], "public_key": settings["public_key"],
    "capabilities": {"platform": "linux", "machine": "x", "python_implementation": "CPython",
                     "python_version": "3.11.0", "processors": 2, "memory_bytes": 1},
}), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HXGRID_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def agents_are(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def choose(script: str) -> None:
        monkeypatch.setattr(child, "hxgrid_command", lambda *_: [sys.executable, "-c", script])

    own = psutil.Process()
    before = set(own.children())  # other tests may have left a guard of theirs
    yield choose
    wait_until(lambda: not set(own.children()) - before, 5, "no child to be left")


def orders_of(grid: EmbeddedGrid, count: int) -> list[dict[str, Any]]:
    wait_until(lambda: len(grid.logs().splitlines()) == count, 5, "the orders to be repeated")
    return [json.loads(line) for line in grid.logs().splitlines()]


def test_each_agent_answers_with_its_roster_entry(agents_are: Callable[[str], None]) -> None:
    agents_are(ANSWERS)
    grid = EmbeddedGrid(agents=2, slots=3)
    entries = grid.start()
    assert [(entry.name, entry.slots) for entry in entries] == [("local-1", 3), ("local-2", 3)]
    assert len({entry.public_key for entry in entries}) == 2
    grid.close()


def test_agents_let_nobody_in_but_the_application(agents_are: Callable[[str], None]) -> None:
    agents_are(ANSWERS)
    with EmbeddedGrid() as grid:
        (order,) = orders_of(grid, 1)
        settings = order["settings"]
        assert settings["allowed_keys"] == [grid.user_keys.public]
        assert (settings["bind"], settings["port"]) == ("127.0.0.1", 0)
        assert order["parent_pid"] == os.getpid()


def test_no_key_is_in_a_command_line_or_environment(agents_are: Callable[[str], None]) -> None:
    agents_are(ANSWERS)
    with EmbeddedGrid() as grid:
        (order,) = orders_of(grid, 1)
        process = psutil.Process(grid.process_ids[0])
        public = " ".join([*process.cmdline(), *process.environ().values()])
        assert order["settings"]["secret_key"] not in public
        assert grid.user_keys.secret not in public


def test_agents_share_the_processors_unless_slots_are_given(
    agents_are: Callable[[str], None],
) -> None:
    agents_are(ANSWERS)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with EmbeddedGrid(agents=1) as grid:
        assert orders_of(grid, 1)[0]["settings"]["slots"] == processors
    with EmbeddedGrid(agents=processors) as grid:
        assert all(one["settings"]["slots"] == 1 for one in orders_of(grid, processors))


def test_settings_of_agents_are_passed_on(
    agents_are: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    agents_are(ANSWERS)
    monkeypatch.setenv("HXGRID_AGENT_MAX_SESSIONS", "7")
    monkeypatch.setenv("HXGRID_AGENT_PORT", "4102")
    with EmbeddedGrid(settings={"status_s": 0.5}) as grid:
        (order,) = orders_of(grid, 1)
        settings = order["settings"]
        assert (settings["max_sessions"], settings["status_s"], settings["port"]) == (7, 0.5, 0)


def test_a_wrong_setting_starts_nothing(agents_are: Callable[[str], None], tmp_path: Path) -> None:
    agents_are(ANSWERS)
    with pytest.raises(ConfigError, match="max_sessions"):
        EmbeddedGrid(settings={"max_sessions": 0}).start()
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("raise SystemExit('no room on this disk')", "no room on this disk"),
        ("pass", "exit status 0"),
        ("print('hello')", "hello"),
        ('print(\'{"error": "port 1 is taken", "advice": "Free it."}\')', "port 1 is taken"),
        ("print('[1]')", "1"),
    ],
)
def test_an_agent_that_does_not_start_is_an_error_with_its_words(
    agents_are: Callable[[str], None], script: str, words: str
) -> None:
    agents_are(script)
    with pytest.raises(HxGridError, match=words):
        EmbeddedGrid().start()


def test_an_agent_that_stays_silent_is_an_error(agents_are: Callable[[str], None]) -> None:
    agents_are("import sys; sys.stdin.read()")
    with pytest.raises(HxGridError, match="in time"):
        EmbeddedGrid().start(timeout_s=0.2)


def test_an_interpreter_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "hxgrid_command", lambda *_: ["/no/such/python"])
    with pytest.raises(HxGridError, match="/no/such/python"):
        EmbeddedGrid().start()


def test_closing_ends_everything_and_twice_is_harmless(
    agents_are: Callable[[str], None], tmp_path: Path
) -> None:
    agents_are(ANSWERS)
    grid = EmbeddedGrid(agents=2)
    grid.start()
    pids = grid.process_ids
    assert len(pids) == 2
    grid.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not list((tmp_path / "tmp").iterdir())
    grid.close()


def test_an_agent_that_does_not_end_is_killed_with_its_children(
    agents_are: Callable[[str], None],
) -> None:
    agents_are(
        "import signal, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        + ANSWERS
        + "signal.sigwait({signal.SIGTERM})\n"
    )
    grid = EmbeddedGrid()
    grid.start()
    (pid,) = grid.process_ids
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(family) == 2
    watch = Stopwatch()
    grid.close(grace_s=0.2)
    assert watch.elapsed_s() < 3
    wait_until(lambda: not any(is_alive(one) for one in family), 5, "both to be gone")


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


STARTS_ASIDE = """
import sys, tempfile, threading
from hxgrid.embedded import EmbeddedGrid, child

tempfile.tempdir = sys.argv[1]
child.hxgrid_command = lambda *_: [sys.executable, "-c", sys.argv[2]]
threading.Thread(target=lambda: EmbeddedGrid().start(), daemon=True).start()
sys.stdin.readline()
"""

MAKES_ITS_FOLDER_AGAIN = """
import json, pathlib, sys
place = pathlib.Path(json.loads(sys.stdin.readline())["settings"]["work_folder"])
print(place, file=sys.stderr, flush=True)
sys.stdin.read(1)  # the end of the line, or a word that it is to end
for number in range(1000):
    (place / str(number)).mkdir(parents=True)
"""


def test_a_program_that_ends_while_a_thread_starts_agents_leaves_no_folder(tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ASIDE, str(place), MAKES_ITS_FOLDER_AGAIN],
        stdin=subprocess.PIPE,
    ) as program:
        wait_until(lambda: any(log.stat().st_size for log in place.rglob("log.txt")), 30, "a start")
        program.communicate(b"\n", timeout=30)
    assert program.returncode == 0
    assert list(place.iterdir()) == []
