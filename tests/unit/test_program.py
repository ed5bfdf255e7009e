"""Programs that serve: which signals end them, in what order, and with what status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")

SERVES = """
import os, signal, sys
from hxgrid.program import serve

def say(word): os.write(1, word.encode() + b"\\n")  # may interrupt itself

class Server:
    def __init__(self): self.is_stopped = False
    def open(self): say("open")
    def stop(self):
        say("stop")
        self.is_stopped = True
    def close(self): say("closed")
    def run(self):
        while not self.is_stopped:
            signal.sigtimedwait([], 0.01)

{before}
sys.exit(serve(Server()))
"""


# What runs the tests may itself have been started to outlive its terminal.
HAS_TERMINAL = "signal.signal(signal.SIGHUP, signal.SIG_DFL)"


def ended_by(*names: str, before: str = HAS_TERMINAL) -> tuple[int, str]:
    """Send these signals to a program that serves; return its status and what it said."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVES.format(before=before)], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "open\n"
        for name in names:
            program.send_signal(signal.Signals[name])
        try:
            said = program.communicate(timeout=30)[0]
        finally:
            program.kill()  # if it is still there
    return program.returncode, said


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 0), ("SIGHUP", 0)])
def test_a_program_that_serves_ends_in_order(name: str, status: int) -> None:
    assert ended_by(name) == (status, "stop\nclosed\n")


def test_a_program_under_nohup_outlives_its_terminal() -> None:
    ignores = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert ended_by("SIGHUP", "SIGINT", before=ignores) == (130, "stop\nclosed\n")
