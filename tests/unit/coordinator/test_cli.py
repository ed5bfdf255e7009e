"""The command, as a process of its own: it starts, says what it does, and ends when it is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hxgrid.errors import AddressInUse, ConfigError
from hxgrid_coordinator.cli import command
from tests.harness.ports import free_port, taken_port
from tests.harness.wait import Stopwatch, wait_until

SCRIPT = "from hxgrid_coordinator.cli import command; command()"


class Coordinator:
    """The command in a process, its words in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.said = folder / "stderr"
        environment = os.environ | {
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "HXGRID_COORDINATOR_BEACON_PORT": str(free_port(socket.SOCK_DGRAM)),
        }
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, *arguments], stderr=file, env=environment
            )

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.text(), 20, words, seen=self.text)

    def text(self) -> str:
        return self.said.read_text(encoding="utf-8")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Coordinator]:
    made = Coordinator(tmp_path, "--port", "0", "--name", "studio")
    yield made
    made.process.kill()
    made.process.wait(10)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_it_within_two_seconds(
    started: Coordinator, number: signal.Signals, status: int
) -> None:
    started.wait_for("listening")
    watch = Stopwatch()
    started.process.send_signal(number)
    assert started.process.wait(10) == status
    assert watch.elapsed_s() < 2
    assert "Traceback" not in started.text()


def test_it_says_in_one_sentence_that_only_this_computer_can_join(started: Coordinator) -> None:
    started.wait_for("only this computer can join")
    started.wait_for("grid=studio")


def test_a_taken_port_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with taken_port() as port:
        result = CliRunner().invoke(command, ["--port", str(port), "--quiet"])
    assert isinstance(result.exception, AddressInUse)
    assert str(port) in str(result.exception)


def test_the_lan_without_keys_needs_the_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = CliRunner().invoke(command, ["--bind", "192.0.2.1", "--quiet"])
    assert isinstance(result.exception, ConfigError)
    assert "--trust-network" in str(result.exception)


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--log-level", "loud"], ["extra"]])
def test_wrong_usage_has_status_two(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, arguments).exit_code == 2
