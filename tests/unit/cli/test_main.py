"""The frame of the command line: help, statuses, errors in a line or two, no stack trace."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from hxgrid.cli import registry
from hxgrid.cli.main import hxgrid
from hxgrid.errors import ConfigError, HxGridError, NoGridFound

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The command `agents` raises what is put into this list."""
    errors: list[BaseException] = []

    @click.command("agents")
    def command() -> None:
        raise errors[0]

    monkeypatch.setattr(registry.LazyGroup, "get_command", lambda *_: command)
    return errors


def test_the_help_lists_all_commands_without_loading_them(run: Run) -> None:
    ended = run("--help")
    assert ended.status == 0
    for name in ("up", "agents", "example", "run", "why", "doctor", "config", "coordinator"):
        assert f"\n  {name} " in ended.stdout


def test_the_version_is_told(run: Run) -> None:
    assert "hxgrid, version 0." in run("--version").stdout


@pytest.mark.parametrize("name", registry.COMMANDS)
def test_every_command_that_is_listed_exists_and_explains_itself(run: Run, name: str) -> None:
    ended = run(name, "--help")
    assert ended.status == 0
    assert f"Usage: hxgrid {name}" in ended.stdout
    assert "--quiet" in ended.stdout or name in {"example", "native"}


@pytest.mark.parametrize("arguments", [("fly",), ("agents", "--no-such"), ("--no-such",)])
def test_wrong_usage_is_status_2_on_standard_error(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert arguments[-1] in ended.stderr


def test_a_misspelt_command_is_told_the_right_one(run: Run) -> None:
    ended = run("agnts")
    assert ended.status == 2
    assert "Did you mean 'agents'?" in ended.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HxGridError("broken", where="pc7", why="no reason", advice="Mend it."), 1),
        (ConfigError("broken", where="pc7", why="no reason", advice="Mend it."), 2),
        (NoGridFound("broken", where="pc7", why="no reason", advice="Mend it."), 3),
    ],
)
def test_an_error_of_ours_is_two_lines(
    run: Run, failing: list[BaseException], error: HxGridError, status: int
) -> None:
    failing.append(error)
    ended = run("agents")
    assert ended.status == status
    assert ended.stderr == "hxgrid: broken (pc7): no reason\n  Mend it.\n"


def test_an_unknown_error_is_a_line_and_how_to_see_more(
    run: Run, failing: list[BaseException]
) -> None:
    failing.append(KeyError("x"))
    ended = run("agents")
    assert ended.status == 1
    assert ended.stderr.startswith("hxgrid: internal error: KeyError: 'x'\n")
    assert "--log-level debug" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_debugging_shows_where_it_was(run: Run, failing: list[BaseException]) -> None:
    import logging

    logging.getLogger("hxgrid").setLevel(logging.DEBUG)
    failing.append(KeyError("x"))
    assert "Traceback" in run("agents").stderr


def test_a_file_that_is_not_there_is_named(run: Run, failing: list[BaseException]) -> None:
    failing.append(FileNotFoundError(2, "No such file or directory", "some/file"))
    ended = run("agents")
    assert (ended.status, ended.stderr) == (1, "hxgrid: some/file: No such file or directory\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_ends_with_130(
    run: Run, failing: list[BaseException], error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hxgrid.cli.endings import Interrupts

    monkeypatch.setattr(Interrupts, "watch", lambda _: None)  # it would end the tests as well
    failing.append(error)
    assert run("agents").status == 130


def test_what_a_command_returns_is_the_status(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("agents")
    def command() -> int:
        return 7

    monkeypatch.setattr(registry.LazyGroup, "get_command", lambda *_: command)
    assert run("agents").status == 7


def test_the_hidden_option_is_taken_out_before_the_command_sees_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(registry, "end_with_parent", lambda: calls.append(1))
    assert run("config", "--end-with-parent", "--json").status == 0
    assert calls == [1]


def test_nothing_heavy_is_loaded_for_the_help() -> None:
    script = (
        "import sys; from hxgrid.cli.main import main; main(['--help'])\n"
        "heavy = {'zmq', 'pydantic', 'rich', 'psutil', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_crash(closed: str) -> None:
    command = f"'{sys.executable}' -m hxgrid config --changed {closed}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr


@pytest.mark.parametrize("words", [["config"], ["config", "--help"], ["--help"]])
def test_a_reader_that_has_read_enough_is_no_failure(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "hxgrid", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "-u"])
def test_a_full_disk_under_standard_output_is_one_line(unbuffered: str) -> None:
    command = (
        f"unset PYTHONUNBUFFERED; '{sys.executable}' {unbuffered} -m hxgrid config > /dev/full"
    )
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"hxgrid: standard output: {os.strerror(errno.ENOSPC)}\n"


def test_the_group_is_the_entry_point_of_the_distribution() -> None:
    assert isinstance(hxgrid, registry.LazyGroup)


@pytest.mark.parametrize("name", ["up", "agent"])
def test_the_range_of_slots_is_that_of_the_setting(run: Run, name: str) -> None:
    Path("wrong.toml").write_text("[agent]\nslots = 0\n")
    (option,) = [o for o in _command(name).params if o.name == "slots"]
    assert isinstance(option.type, click.IntRange)
    allowed = f"from {option.type.min} to {option.type.max}"
    assert allowed in run("config", "--config", "wrong.toml").stderr


@pytest.mark.parametrize("name", ["up", "agent", "coordinator", "agents"])
def test_quiet_has_one_letter_everywhere(name: str) -> None:
    (option,) = [o for o in _command(name).params if "--quiet" in o.opts]
    assert "-q" in option.opts


def _command(name: str) -> click.Command:
    command = hxgrid.get_command(click.Context(hxgrid), name)
    assert command is not None
    return command
