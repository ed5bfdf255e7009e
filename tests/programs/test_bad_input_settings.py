"""What wrong settings get: an error with file, line, key and range, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.ports import taken_port
from tests.programs.expectations import expect_clear

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.processes import Programs

LIMIT_S = 120


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
