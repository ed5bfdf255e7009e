"""The commands as a person or a script uses them: statuses, JSON on stdout, words on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.local_grid import LocalGrid
from tests.harness.ports import free_port
from tests.harness.processes import Programs
from tests.programs.expectations import expect_clear, expect_words

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 120

COMMANDS = ("coordinator", "agent", "up", "agents", "example", "run", "why", "doctor", "config")
PI_50 = "14159265358979323846264338327950288419716939937510"

TASK_FILE = '''
def shout(agent, session_id, in_stream, out_stream):
    """One task per input: the same in capitals."""
    out_stream.write(in_stream.read().upper())

def refuse(agent, session_id, in_stream, out_stream):
    raise ValueError("not " + in_stream.read().decode())
'''


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGrid]:
    """One coordinator, two agents with one slot each, for all the questions here."""
    with Programs(tmp_path_factory.mktemp("grid")) as programs:
        grid = LocalGrid(programs)
        grid.up(agents=2)
        grid.wait_for_agents(2, LIMIT_S)
        yield grid
        programs.end_politely()


# ------------------------------------------------------------------ help and wrong usage


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(programs: Programs, command: str) -> None:
    ended = programs.run(command, "--help").expect(0)
    expect_words(ended.stdout, command, "--")


def test_the_help_lists_every_command(programs: Programs) -> None:
    expect_words(programs.run("--help").expect(0).stdout, *COMMANDS)


def test_the_version_is_told(programs: Programs) -> None:
    expect_words(programs.run("--version").expect(0).stdout, "0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("agents", "--no-such-option"),
        ("agent", "--slots", "many"),
        ("coordinator", "--port", "70000"),
        ("example", "pi", "--digits", "-5"),
        ("example", "unheard-of"),
        ("run", "no_colon_here"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_status_2(programs: Programs, arguments: tuple[str, ...]) -> None:
    ended = programs.run(*arguments)
    expect_clear(ended, 2, arguments[-1].lstrip("-"))
    assert ended.stdout == ""


def test_the_console_script_is_the_same_program(programs: Programs) -> None:
    script = Path(sys.executable).with_name("hxgrid")
    by_script = programs.start("script", [script, "--help"]).wait(LIMIT_S).expect(0)
    assert by_script.stdout == programs.run("--help").stdout


# ------------------------------------------------------------------ config


def test_config_shows_each_setting_with_its_origin(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "hxgrid.toml").write_text("[user]\nmax_attempts = 5\n")
    text = programs.run("config", cwd=tmp_path).expect(0).stdout
    line = next(line for line in text.splitlines() if "max_attempts" in line)
    expect_words(line, "5", "hxgrid.toml")


def test_the_environment_wins_over_the_file(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "hxgrid.toml").write_text("[user]\nmax_attempts = 5\n")
    ended = programs.run("config", cwd=tmp_path, environment={"HXGRID_USER_MAX_ATTEMPTS": "7"})
    line = next(line for line in ended.expect(0).stdout.splitlines() if "max_attempts" in line)
    expect_words(line, "7", "HXGRID_USER_MAX_ATTEMPTS")


def test_config_is_one_json_document(programs: Programs) -> None:
    text = json.dumps(programs.run("config", "--json").expect(0).json())
    expect_words(text, "max_attempts", "heartbeat_s", "default")


def test_a_settings_file_of_the_original_is_taken_over(programs: Programs, tmp_path: Path) -> None:
    ini = tmp_path / "hxgrid.ini"
    ini.write_text("[agent]\nfreeCPUCount=2\nuseHT=1\n[user]\nmaxQueqedTasks=40\n")
    ended = programs.run("config", "--import", ini).expect(0)
    expect_words(ended.stdout + ended.stderr, "free_cpu_count", "40", "useHT")


# ------------------------------------------------------------------ agents, why, doctor


def test_agents_is_a_list_of_objects(grid: LocalGrid) -> None:
    agents = grid.run("agents", "--json").expect(0).json()
    assert len(agents) == 2
    for agent in agents:
        assert {"name", "address", "processors", "state", "sessions"} <= set(agent), agent
        assert agent["state"] == "active"
        assert agent["processors"] >= 1


def test_agents_is_a_table_for_people(grid: LocalGrid) -> None:
    text = grid.run("agents").expect(0).stdout
    assert sum("active" in line for line in text.splitlines()) == 2


def test_the_port_in_the_list_is_the_agents_own(grid: LocalGrid) -> None:
    addresses = {agent["address"] for agent in grid.agents_listed()}
    assert len(addresses) == 2


def test_why_says_that_an_agent_has_no_work(grid: LocalGrid) -> None:
    name = grid.agents_listed()[0]["name"]
    expect_words(grid.run("why", name).expect(0).stdout, name)


def test_why_names_what_it_does_not_know(grid: LocalGrid) -> None:
    expect_clear(grid.run("why", "nobody-of-this-name"), 1, "nobody-of-this-name")


def test_doctor_finds_a_healthy_grid_healthy(grid: LocalGrid) -> None:
    ended = grid.run("doctor").expect(0)
    expect_words(ended.stdout, "127.0.0.1", "coordinator", "agent", "task")


def test_doctor_says_what_is_missing_and_what_to_do(programs: Programs) -> None:
    ended = programs.run("doctor", "--coordinator", f"127.0.0.1:{free_port()}")
    assert ended.status in {1, 3}
    expect_words(ended.stdout + ended.stderr, "coordinator", "hxgrid")


# ------------------------------------------------------------------ examples and run


def test_the_example_prints_digits_on_stdout_alone(programs: Programs) -> None:
    ended = programs.run("example", "pi", "--digits", "50", "--local").expect(0)
    assert PI_50 in "".join(ended.stdout.split())
    programs.expect_no_process_left()


def test_the_example_runs_on_a_grid(grid: LocalGrid) -> None:
    ended = grid.run("example", "pi", "--digits", "50").expect(0)
    assert PI_50 in "".join(ended.stdout.split())


def test_run_makes_one_task_per_file(grid: LocalGrid, tmp_path: Path) -> None:
    (tmp_path / "shouting.py").write_text(TASK_FILE)
    inputs = [tmp_path / f"{name}.txt" for name in ("one", "two", "three")]
    for path in inputs:
        path.write_text(f"text of {path.stem}")
    output = tmp_path / "results"
    grid.run("run", "shouting:shout", "--input", *inputs, "--output", output, cwd=tmp_path).expect(
        0
    )
    contents = sorted(path.read_text() for path in output.iterdir())
    assert contents == ["TEXT OF ONE", "TEXT OF THREE", "TEXT OF TWO"]


def test_run_ends_with_status_1_when_a_task_fails(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "shouting.py").write_text(TASK_FILE)
    (tmp_path / "one.txt").write_text("for me")
    ended = programs.run(
        *("run", "shouting:refuse", "--local", "--input", tmp_path / "one.txt"),
        *("--output", tmp_path / "results"),
        cwd=tmp_path,
    )
    ended.expect(1)
    expect_words(ended.stderr, "ValueError", "not for me")
    programs.expect_no_process_left()


@pytest.mark.parametrize(
    ("what", "words"),
    [("missing:shout", ("missing",)), ("shouting:missing", ("shouting", "missing"))],
)
def test_run_names_a_module_or_function_that_is_not_there(
    programs: Programs, tmp_path: Path, what: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "shouting.py").write_text(TASK_FILE)
    (tmp_path / "one.txt").write_text("for me")
    ended = programs.run("run", what, "--local", "--input", tmp_path / "one.txt", cwd=tmp_path)
    assert ended.status in {1, 2}
    expect_words(ended.stderr, *words)
    programs.expect_no_process_left()


def test_quiet_says_nothing_but_the_result(programs: Programs) -> None:
    ended = programs.run("example", "pi", "--digits", "50", "--local", "--quiet").expect(0)
    assert ended.stderr == ""
    assert PI_50 in "".join(ended.stdout.split())


def test_a_closed_pipe_is_no_crash(programs: Programs) -> None:
    environment = programs.environment(programs.home, {})
    piped = f"'{sys.executable}' -m hxgrid config | head -n 1"
    done = subprocess.run(
        ["sh", "-c", piped], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr


def test_programs_show_what_they_are(grid: LocalGrid) -> None:
    shown = [" ".join(one.cmdline()) for one in grid.programs.living()]
    assert any("hxgrid coordinator" in line or "hxgrid up" in line for line in shown), shown
    assert sum("hxgrid agent" in line for line in shown) == 2, shown
    slots = [line for line in shown if "hxgrid slot" in line]
    assert slots, shown
    assert not any("agent" in line for line in slots), slots
