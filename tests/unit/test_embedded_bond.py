"""The bond between a process and the one that started it, also where the parent has forked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from hxgrid.embedded.bond import when_parent_ends
from hxgrid.embedded.process import OwnedProcess
from tests.harness.wait import wait_until

CHILD = (
    "import threading; from hxgrid.embedded.bond import when_parent_ends\n"
    "over = threading.Event(); when_parent_ends(0, over.set, look_every_s=0.1)\n"
    "print('ready', flush=True); over.wait()"
)


class Line(NamedTuple):
    reader: int
    writer: int


@pytest.fixture
def line() -> Iterator[Line]:
    ends = Line(*os.pipe())
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_nothing_happens_while_the_parent_lives(line: Line) -> None:
    over = threading.Event()
    when_parent_ends(line.reader, over.set, look_every_s=0.01)
    assert not over.wait(0.1)
    os.write(line.writer, b"\n")
    assert over.wait(5)


def test_the_end_of_the_line_is_a_sign(line: Line) -> None:
    over = threading.Event()
    when_parent_ends(line.reader, over.set)
    os.close(line.writer)
    assert over.wait(5)


@pytest.mark.skipif(os.name == "nt", reason="processes keep the number of a dead parent")
def test_another_parent_is_a_sign_though_the_line_is_open(line: Line) -> None:
    over = threading.Event()
    when_parent_ends(line.reader, over.set, parent=1 << 22, look_every_s=0.01)
    assert over.wait(5)
    os.write(line.writer, b"\n")  # for the thread that reads


def test_a_process_is_told_even_if_the_line_stays_open() -> None:
    process = OwnedProcess([sys.executable, "-c", CHILD], reads=True)
    stdin = process._popen.stdin
    assert stdin is not None
    copy = os.dup(stdin.fileno())  # what a forked copy of us holds
    try:
        assert process.stdout.readline() == b"ready\n"
        process.ask_to_end()
        process.ask_to_end()
        assert process._popen.wait(10) == 0
    finally:
        os.close(copy)
        process.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_killed_parent_takes_its_child_along_though_a_copy_of_it_lives() -> None:
    parent = (
        "import os, signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "if os.fork() == 0:\n"
        "    os.close(1)\n"
        "    sys.stdin.read()  # a pool that has not noticed\n"
        "    os._exit(0)\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdin is not None
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    started.wait(10)
    wait_until(lambda: not is_running(pid), 10, "the child of the killed program to end")
    started.stdin.close()
    started.stdout.close()


def is_running(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
