"""`hxgrid config`: every setting with its origin, and the original's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def row(run: Run, *arguments: str | Path, section: str = "user", key: str) -> dict[str, Any]:
    rows = json.loads(run("config", "--json", *arguments).stdout)
    return next(one for one in rows if (one["section"], one["key"]) == (section, key))


def test_all_settings_of_all_programs_are_listed(run: Run) -> None:
    rows = json.loads(run("config", "--json").stdout)
    keys = {(one["section"], one["key"]) for one in rows}
    assert {("coordinator", "port"), ("agent", "slots"), ("user", "max_attempts")} <= keys
    assert all(one["origin"] == "default" and one["description"] for one in rows)


def test_the_origin_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hxgrid.toml").write_text("[user]\nmax_attempts = 5\n")
    found = row(run, key="max_attempts")
    assert (found["value"], found["origin"]) == (5, "working directory")
    assert found["place"].endswith("hxgrid.toml:2")
    monkeypatch.setenv("HXGRID_USER_MAX_ATTEMPTS", "7")
    found = row(run, key="max_attempts")
    assert (found["value"], found["place"]) == (7, "environment variable HXGRID_USER_MAX_ATTEMPTS")


def test_arguments_count_as_settings(run: Run) -> None:
    found = row(run, "--coordinator", "pc1", section="agent", key="coordinator")
    assert (found["value"], found["origin"]) == ("pc1", "argument")


def test_people_see_one_line_per_setting(run: Run) -> None:
    lines = run("config").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("max_attempts ")]
    assert line.split() == ["max_attempts", "3", "default"]


def test_a_word_chooses(run: Run) -> None:
    lines = run("config", "user", "attempts").stdout.split("\n")
    assert lines[0] == "[user]"
    assert [line.split()[0] for line in lines[1:] if line] == ["max_attempts"]
    assert run("config", "no_such_key").status == 2


def test_changed_shows_what_is_not_as_delivered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("config", "--changed").stdout == ""
    monkeypatch.setenv("HXGRID_AGENT_SLOTS", "2")
    assert "slots" in run("config", "--changed").stdout


def test_a_secret_key_is_never_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HXGRID_USER_SECRET_KEY", "x" * 40)
    assert row(run, key="secret_key")["value"] == "(set)"
    assert "x" * 40 not in run("config").stdout


def test_the_files_are_named(run: Run) -> None:
    assert "hxgrid.toml (not there)" in run("config").stderr
    assert run("config", "--quiet").stderr == ""


def test_the_original_is_translated(run: Run, tmp_path: Path) -> None:
    ini = tmp_path / "hxgrid.ini"
    ini.write_text("[agent]\nfreeCPUCount=2\nuseHT=1\n")
    ended = run("config", "--import", ini)
    assert ended.stdout == "[agent]\nfree_cpu_count = 2\n"
    assert "useHT" in ended.stderr


def test_the_translation_is_written_but_never_over_something(run: Run, tmp_path: Path) -> None:
    ini, target = tmp_path / "hxgrid.ini", tmp_path / "new.toml"
    ini.write_text("[agent]\nfreeCPUCount=2\n")
    assert run("config", "--import", ini, "--write", target).status == 0
    assert target.read_text() == "[agent]\nfree_cpu_count = 2\n"
    assert run("config", "--import", ini, "--write", target).status == 2
    assert run("config", "--write", target).status == 2
    assert run("config", "--import", ini, "--write", tmp_path / "no" / "where").status == 1


def test_a_word_that_means_nothing_is_named_with_the_nearest(run: Run) -> None:
    ended = run("config", "agent", "slost")
    assert ended.status == 2
    assert "no setting is called 'slost'. Did you mean 'slots'?" in ended.stderr


def test_nothing_changed_is_said(run: Run) -> None:
    ended = run("config", "--changed")
    assert (ended.status, ended.stdout) == (0, "")
    assert ended.stderr.startswith("All settings are as delivered.\n")
