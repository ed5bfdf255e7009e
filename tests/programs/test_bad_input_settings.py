"""What wrong settings get: an error with file, line, key and range, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.ports import free_port, taken_port
from tests.harness.wait import wait_until
from tests.programs.expectations import expect_clear, expect_words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.processes import Programs

LIMIT_S = 120
TOLD = {"coordinator": "listening", "agent": "listens on", "up": "is up"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[user]\nmax_atempts = 5\n", ("max_atempts", "max_attempts", ":2"), id="key"),
        pytest.param('[user]\nmax_attempts = "many"\n', ("max_attempts", "many", ":2"), id="type"),
        pytest.param(
            "[user]\nmax_attempts = -3\n", ("max_attempts", "-3", ":2", "1 to 1000"), id="range"
        ),
        pytest.param("[users]\nmax_attempts = 3\n", ("users", "user", ":1"), id="section"),
        pytest.param("[user\nmax_attempts = 3\n", ("line 1",), id="syntax"),
    ],
)
def test_a_wrong_setting_is_named_with_file_and_line(
    programs: Programs, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "wrong.toml").write_text(text)
    ended = programs.run("config", "--config", tmp_path / "wrong.toml")
    expect_clear(ended, 2, "wrong.toml", *words)


def test_a_settings_file_that_is_not_there_is_named(programs: Programs, tmp_path: Path) -> None:
    expect_clear(programs.run("config", "--config", tmp_path / "none.toml"), 2, "none.toml")


def test_a_wrong_variable_is_named(programs: Programs) -> None:
    ended = programs.run("config", environment={"HXGRID_USER_MAX_ATTEMPTS": "many"})
    expect_clear(ended, 2, "HXGRID_USER_MAX_ATTEMPTS", "many")


def test_a_variable_that_is_no_setting_is_told_of_once(programs: Programs) -> None:
    environment = {"HXGRID_USR_MAX_ATTEMPTS": "3"}
    ended = programs.run("config", environment=environment).expect(0)
    said = " ".join(ended.stderr.split())
    expect_words(said, "HXGRID_USR_MAX_ATTEMPTS is no setting", "HXGRID_USER_MAX_ATTEMPTS?")
    quiet = programs.run("config", "--quiet", environment=environment).expect(0)
    assert quiet.stderr == ""


@pytest.mark.parametrize("command", ["coordinator", "agent", "up"])
def test_a_program_that_serves_tells_once_of_a_variable_that_is_no_setting(
    programs: Programs, command: str
) -> None:
    grid = LocalGrid(programs)
    stray = {"HXGRID_BOGUS": "1", **grid.environment}
    if command != "up":
        stray["HXGRID_AGENT_PORT"] = "0"
    program = programs.hxgrid(command, environment=stray)
    wait_until(lambda: TOLD[command] in program.log(), LIMIT_S, "its start", seen=programs.logs)
    programs.end_politely()
    assert program.log().count("HXGRID_BOGUS is no setting") == 1


@pytest.mark.parametrize("command", ["coordinator", "agent", "up"])
def test_a_wrong_setting_stops_every_program_at_its_start(
    programs: Programs, tmp_path: Path, command: str
) -> None:
    (tmp_path / "wrong.toml").write_text("[coordinator]\nprot = 4100\n")
    ended = programs.run(command, "--config", tmp_path / "wrong.toml")
    expect_clear(ended, 2, "wrong.toml", "prot", "port")
    programs.expect_no_process_left()


def test_a_wrong_setting_stops_an_embedded_grid_before_it_starts(own_process: None) -> None:
    with pytest.raises(hxgrid.ConfigError, match="max_attempts"):
        hxgrid.connect("local", settings={"max_attempts": -3})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"agents": 0}, "from 1 to 256 agents, not 0"),
        ({"agents": 1_000_000}, "not 1000000"),
        ({"slots": 0}, "slots"),
        ({"weight": "much"}, "weight = 'much'"),
        ({"journal": 5}, "journal = 5"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": -1}, "timeout is -1"),
    ],
)
def test_a_wrong_argument_of_connect_is_named_and_starts_nothing(
    own_process: None, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(hxgrid.ConfigError) as caught:
        hxgrid.connect("local", **wrong)
    assert words in str(caught.value)


def test_a_wrong_change_of_settings_changes_nothing(own_process: None) -> None:
    with hxgrid.connect("inline") as session:
        before = session.settings
        with pytest.raises(hxgrid.ConfigError, match="max_attempts"):
            session.update_settings(max_attempts=-3)
        assert session.settings == before


def test_the_working_directory_changes_users_only(programs: Programs, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "hxgrid.toml").write_text("[user]\nno_such_key = 1\n")
    expect_clear(programs.run("config", cwd=trap), 2, "hxgrid.toml", "no_such_key")
    grid = LocalGrid(programs)
    grid.coordinator(cwd=trap)
    grid.agent(cwd=trap)
    grid.wait_for_agents(1, LIMIT_S)
    programs.end_politely()


@pytest.mark.parametrize("command", ["coordinator", "agent"])
def test_a_port_that_is_taken_is_named(programs: Programs, command: str) -> None:
    with taken_port() as port:
        ended = programs.run(command, "--port", str(port), "--bind", "127.0.0.1")
        expect_clear(ended, 2, str(port))
    programs.expect_no_process_left()


# Nobody may have this name (RFC 2606); a network without a name service is to say so soon.
UNKNOWN = "no-such-coordinator.invalid"
SOON = {"RES_OPTIONS": "timeout:1 attempts:1"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["agents", "doctor", "run"])
def test_a_coordinator_whose_name_is_not_known_is_told_from_a_silent_one(
    programs: Programs, tmp_path: Path, command: str
) -> None:
    (tmp_path / "task.py").write_text("def run(agent, session, in_stream, out_stream): ...\n")
    (tmp_path / "some.toml").write_text(
        f'[user]\nallow_discard_coordinator = false\ncoordinator = "{UNKNOWN}"\n'
    )
    words = (f"the coordinator's name '{UNKNOWN}' cannot be resolved", "Check its spelling")
    more: list[str | Path] = (
        [f"{tmp_path / 'task.py'}:run", tmp_path / "task.py"] if command == "run" else []
    )
    given: list[tuple[list[str | Path], str]] = [
        (["--coordinator", UNKNOWN], "(argument coordinator)"),
        (["--config", tmp_path / "some.toml"], "some.toml:3)"),
    ]
    for arguments, place in given:
        ended = programs.run(command, *more, "--trust-network", *arguments, environment=SOON)
        ended.expect(3)
        said = " ".join((ended.stdout + ended.stderr).split())
        expect_words(said, *words, place)
        assert "no answer" not in said


@pytest.mark.slow
def test_a_coordinator_that_is_silent_is_not_said_to_be_unknown(programs: Programs) -> None:
    where = f"localhost:{free_port()}"
    ended = programs.run("agents", "--trust-network", "--coordinator", where).expect(3)
    expect_words(" ".join(ended.stderr.split()), f"{where}: no answer")
    assert "resolved" not in ended.stderr


@pytest.mark.slow
def test_where_another_coordinator_may_be_used_its_unknown_name_is_among_what_was_tried(
    programs: Programs,
) -> None:
    environment = {**SOON, "HXGRID_USER_COORDINATOR": UNKNOWN}
    ended = programs.run("agents", "--trust-network", environment=environment)
    said = " ".join(ended.expect(3).stderr.split())
    expect_words(
        said, "no grid found", "cannot be resolved", "HXGRID_USER_COORDINATOR", "broadcast"
    )


def test_a_session_says_that_the_name_of_its_coordinator_is_not_known(
    own_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RES_OPTIONS", "timeout:1 attempts:1")
    with pytest.raises(hxgrid.NoGridFound, match="cannot be resolved"):
        hxgrid.connect(UNKNOWN, trust_network=True, timeout=2.5)
