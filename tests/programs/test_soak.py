"""The long run, kept short: it measures what it says, and handles and threads are level at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.programs import soak

ONE_SESSION = {"handles": 12.0, "threads": 6.0, "processes": 2.0}
"""A session has five threads. And with the first message that is not copied pyzmq starts, once in
a program, three threads with seven handles: a step, which may tilt the line by half more."""


def test_a_level_line_does_not_grow_and_a_rising_one_does() -> None:
    assert soak.growth([9.0, 9.0, *[5.0, 6.0] * 50]) == pytest.approx(0.0, abs=0.1)
    assert soak.growth([float(n) for n in range(100)]) == pytest.approx(50.0)


def test_warming_up_is_no_growth() -> None:
    assert soak.growth([*map(float, range(50)), *[50.0] * 50]) == pytest.approx(0.0)


def test_samples_are_thinned_out_and_stay_in_order(tmp_path: Path) -> None:
    notes = soak.Notes({"me": psutil.Process(os.getpid())}, tmp_path)
    for session in range(1, 4 * soak.SAMPLES):
        if session == 10:
            (tmp_path / "file").touch()
        notes.take(session)
    files = notes._taken["all"]["files"]
    assert soak.SAMPLES // 2 <= len(files) < soak.SAMPLES
    assert files == sorted(files)
    assert notes.last()["all"]["files"] == 1.0
    assert notes.rises()["all"]["files"] == 0.0


def test_what_grows_is_not_level() -> None:
    assert soak.is_level({"growth": {"user": {"rss_bytes": 1e6, "threads": -3.0}}})
    assert not soak.is_level({"growth": {"user": {"rss_bytes": 1e7, "threads": 0.0}}})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_short_run_keeps_handles_threads_and_processes() -> None:
    command = [sys.executable, "-m", "tests.programs.soak", "--minutes", "0"]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    told = json.loads(ended.stdout)
    assert told["sessions"] == soak.LEAST_SESSIONS, ended.stderr
    assert told["tasks"] == told["sessions"] * soak.TASKS_PER_SESSION
    # Memory needs a longer run: pools are still being filled here. Of the rest a single look that
    # met a session may tilt the line by what one session has; a leak of one each would be 24.
    for who, rises in told["growth"].items():
        for what in rises.keys() - {"rss_bytes", "files"}:
            assert rises[what] <= ONE_SESSION[what], (who, what, rises)
