"""One agent and one user for so many minutes: `python -m tests.programs.soak --minutes 10`.

Sessions are opened, given tasks with global data, and closed, over and over. Memory, open files and
threads of the user and of the agent are noted after each; their slopes over the second half must be
zero within the noise. Prints one line of JSON; exit status 1 if something grows.
"""

from __future__ import annotations

import argparse
import json
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
MAY_GROW = {"rss_bytes": 2_000_000.0, "handles": 2.0, "threads": 1.0}
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
    }


def growth(samples: list[Sample], what: str) -> float:
    """How much the fitted line rises over the second half of the samples."""
    half = [one[what] for one in samples[len(samples) // 2 :]]
    places = list(range(len(half)))
    return statistics.linear_regression(places, half).slope * len(half)


def soak(folder: Path, minutes: float) -> dict[str, Any]:
    """Run sessions until the time is over, and measure."""
    with Programs(folder) as programs:
        # This process has another home than the programs, and so another token.
        grid = LocalGrid(programs, trust_network=True)
        grid.coordinator()
        grid.wait_for_coordinator(30)
        agent = psutil.Process(grid.agent(slots=1).pid)
        me = psutil.Process()
        samples: dict[str, list[Sample]] = {"user": [], "agent": []}
        ends_at = time.monotonic() + minutes * 60
        while time.monotonic() < ends_at or len(samples["user"]) < 8:
            one_session(grid)
            samples["user"].append(sample(me))
            samples["agent"].append(sample(agent))
        rises = {
            who: {what: round(growth(found, what), 1) for what in MAY_GROW}
            for who, found in samples.items()
        }
        count = len(samples["user"])
        return {"sessions": count, "tasks": count * TASKS_PER_SESSION, "growth": rises}


def one_session(grid: LocalGrid) -> None:
    """A session as applications have them: tasks, global data, results, close."""
    with grid.connect() as session:
        session.bind_get_data(lambda name: name.encode() * 1000)
        tasks = [
            session.run_task(TASKS, "echo", number.to_bytes(4, "little") * 64)
            for number in range(TASKS_PER_SESSION)
        ]
        session.wait_for_completion()
        assert all(task is not None and task.result().getvalue() for task in tasks)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hxgrid-soak-") as folder:
        told = soak(Path(folder), options.minutes)
    sys.stdout.write(f"{json.dumps(told)}\n")
    is_flat = all(
        rise <= MAY_GROW[what] for who in told["growth"].values() for what, rise in who.items()
    )
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
