"""Ctrl-C and SIGTERM: in order if possible, within two seconds in any case, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.wait import Stopwatch, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")

# What runs the tests may itself have been started to outlive its terminal.
WAITS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import click
from hxgrid.cli import registry
from hxgrid.cli.main import main
ready = pathlib.Path(sys.argv[1])

@click.command("agents")
def command():
    try:
        {before}
        ready.touch()
        {waits}
    finally:
        {after}

registry.LazyGroup.get_command = lambda *_: command
sys.exit(main(["agents"]))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command that waits, and returns when it does."""
    started: list[subprocess.Popen[str]] = []

    def start_waiting(
        waits: str = "time.sleep(60)", before: str = "pass", after: str = "pass"
    ) -> subprocess.Popen[str]:
        script = WAITS.format(before=before, waits=waits, after=after)
        ready = tmp_path / "ready"
        popen = subprocess.Popen(
            [sys.executable, "-c", script, str(ready)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(popen)
        wait_until(ready.exists, 30, "the command to wait")
        return popen

    yield start_waiting
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.communicate()


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_command_that_waits_ends_at_once(start: Start, number: str) -> None:
    popen = start()
    watch = Stopwatch()
    popen.send_signal(signal.Signals[number])
    assert popen.wait(10) == 130
    assert watch.elapsed_s() < 4
    assert not popen.communicate()[1].strip()


def test_a_command_that_does_not_end_is_ended_and_its_children_too(
    start: Start, tmp_path: Path
) -> None:
    child = "import subprocess; p = subprocess.Popen([sys.executable, '-c', 'input()'])"
    popen = start(before=child, after="time.sleep(60)")
    (left,) = psutil.Process(popen.pid).children()
    watch = Stopwatch()
    popen.send_signal(signal.SIGINT)
    assert popen.wait(10) == 130
    assert watch.elapsed_s() < 4  # two, and a busy machine
    wait_until(lambda: not left.is_running(), 5, "the child to be gone")


def test_a_second_ctrl_c_does_not_break_the_closing(start: Start, tmp_path: Path) -> None:
    done = tmp_path / "done"
    popen = start(after=f"sys.stdin.read(); pathlib.Path({str(done)!r}).touch()")
    popen.send_signal(signal.SIGINT)
    popen.send_signal(signal.SIGINT)
    popen.communicate("", timeout=10)
    assert popen.returncode == 130
    assert done.exists()


def test_a_thread_that_does_not_end_does_not_keep_the_program(start: Start) -> None:
    thread = "import threading; threading.Thread(target=time.sleep, args=(60,)).start()"
    popen = start(before=thread)
    popen.send_signal(signal.SIGINT)
    assert popen.wait(10) == 130


def test_a_program_of_ours_ends_with_its_standard_input(start: Start) -> None:
    popen = start(before="from hxgrid.cli.endings import end_with_parent; end_with_parent()")
    assert popen.stdin is not None
    popen.stdin.close()
    popen.stdin = None
    assert popen.wait(10) == 130
