"""Two agents and one user for a long time: `python -m tests.programs.soak --sessions 2000`.

Sessions are opened, given 500 tasks and global data, and closed, over and over: 2,000 of them make
a million tasks. Memory, open handles, threads and processes of the user, the agents and the
coordinator and the files that all keep are noted on the way; lines through the second half of the
run must be level within the noise. Prints one line of JSON; exit status 1 if something grows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs

TASKS = Path(__file__).with_name("apps") / "tasks.py"
TASKS_PER_SESSION = 500
WITH_DATA = 5
"""Of these tasks, so many ask for global data."""
SAMPLES = 200
"""So many at most: what this program keeps must not look like a leak of what it measures."""
LEAST_SESSIONS = 48
MAY_GROW = {
    "rss_bytes": 2_000_000.0,
    "handles": 2.0,
    "threads": 1.0,
    "processes": 1.0,
    "files": 2.0,
}
"""Over the second half of the run, by the fitted line: what an allocator's noise explains."""

Sample = dict[str, float]


def sample(process: psutil.Process) -> Sample:
    """What a process holds at the moment."""
    if sys.platform == "win32":
        handles = process.num_handles()
    else:
        handles = process.num_fds()
    return {
        "rss_bytes": float(process.memory_info().rss),
        "handles": float(handles),
        "threads": float(process.num_threads()),
        "processes": float(len(process.children(recursive=True))),
    }


def growth(samples: list[float]) -> float:
    """How much the fitted line rises over the second half of the samples."""
    half = samples[len(samples) // 2 :]
    return statistics.linear_regression(range(len(half)), half).slope * len(half)


class Notes:
    """Samples of everybody; every other one is left out when there are too many."""

    def __init__(self, processes: dict[str, psutil.Process], folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._taken: dict[str, dict[str, list[float]]] = {}
        self._every = 1

    def take(self, session: int) -> None:
        """Look at everybody after this session, if it is its turn."""
        if session % self._every:
            return
        found = {who: sample(process) for who, process in self._processes.items()}
        found["all"] = {"files": float(sum(len(names) for *_, names in os.walk(self._folder)))}
        for who, values in found.items():
            for what, value in values.items():
                self._taken.setdefault(who, {}).setdefault(what, []).append(value)
        if len(self._taken["all"]["files"]) == SAMPLES:
            self._every *= 2
            for series in self._taken.values():
                for values_so_far in series.values():
                    del values_so_far[::2]

    def rises(self) -> dict[str, dict[str, float]]:
        """By whom and what, the rise over the second half of the run."""
        return {
            who: {what: round(growth(values), 1) for what, values in series.items()}
            for who, series in self._taken.items()
        }

    def last(self) -> dict[str, dict[str, float]]:
        """The last values, for who reads the rises."""
        return {
            who: {what: values[-1] for what, values in series.items()}
            for who, series in self._taken.items()
        }


def soak(folder: Path, sessions: int, minutes: float) -> dict[str, Any]:
    """Run so many sessions, or until the time is over, and measure."""
    with Programs(folder) as programs:
        # Spilled inputs of this process are to be counted, too.
        os.environ.update(programs.environment(folder / "user-home", {}))
        tempfile.tempdir = None
        grid = LocalGrid(programs, trust_network=True)
        coordinator = grid.coordinator()
        grid.wait_for_coordinator(30)
        agents = [grid.agent(slots=1) for _ in range(2)]
        grid.wait_for_agents(2, 60)
        processes = {
            "user": psutil.Process(),
            "coordinator": psutil.Process(coordinator.pid),
            **{f"agent {n}": psutil.Process(agent.pid) for n, agent in enumerate(agents, 1)},
        }
        notes = Notes(processes, folder)
        began_at = time.monotonic()
        done = 0
        while done < sessions and (
            done < LEAST_SESSIONS or time.monotonic() < began_at + minutes * 60
        ):
            one_session(grid)
            done += 1
            notes.take(done)
        return {
            "sessions": done,
            "tasks": done * TASKS_PER_SESSION,
            "minutes": round((time.monotonic() - began_at) / 60, 1),
            "growth": notes.rises(),
            "at_the_end": notes.last(),
        }


def one_session(grid: LocalGrid) -> None:
    """A session as applications have them: tasks, global data, results, close."""
    with grid.connect() as session:
        session.bind_get_data(lambda name: name.encode() * 10_000)
        tasks = [
            session.run_task(TASKS, "echo", number.to_bytes(4, "little") * 64)
            for number in range(TASKS_PER_SESSION - WITH_DATA)
        ]
        tasks += [session.run_task(TASKS, "pass_on_data", b"%d" % n) for n in range(WITH_DATA)]
        session.wait_for_completion()
        assert all(task is not None and task.result().getvalue() for task in tasks)


def is_level(told: dict[str, Any]) -> bool:
    """Say whether nothing has grown."""
    return all(
        rise <= MAY_GROW[what] for who in told["growth"].values() for what, rise in who.items()
    )


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.soak", description=__doc__)
    parser.add_argument("--sessions", type=int, default=sys.maxsize)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hxgrid-soak-") as folder:
        told = soak(Path(folder), options.sessions, options.minutes)
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0 if is_level(told) else 1


if __name__ == "__main__":
    sys.exit(main())
