"""Ends the programs of a test run that was itself ended before it could clean up.

Runs as a program of its own (`python guard.py RUN`), with a pipe from the test run as standard
input. When the pipe closes, for whatever reason, everything with the run's mark is killed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.harness import proctree

RUN_VARIABLE = "GRID_TEST_RUN"


def start(run: str) -> subprocess.Popen[bytes]:
    """Start a guard for the processes that carry `run` in `RUN_VARIABLE`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.harness.guard", run],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        start_new_session=True,  # Ctrl-C in the terminal of the tests must not end it first
    )


def main(run: str) -> None:
    """Wait for the end of the test run, then end what it left."""
    sys.stdin.read()
    for _round in range(20):
        left = proctree.processes_with_environment(RUN_VARIABLE, run)
        if not left:
            return
        for process in left:
            proctree.kill_one(process.pid)


if __name__ == "__main__":
    main(sys.argv[1])
