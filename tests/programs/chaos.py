"""Real processes under faults for so many minutes: `python -m tests.programs.chaos --minutes 10`.

A job of short tasks runs on three agents while programs are killed and stopped, on average five
times a second. At the end every task must have been finalized exactly once with the right answer.
Prints one line of JSON; exit status 1 if anything was lost, repeated or wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.harness.jobs import longest_gap_s
from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs
from tests.programs.faults import Afflicted

FAULT_EVERY_S = 0.2
AGENTS, SLOTS = 3, 1
END_LIMIT_S = 120.0


def chaos(folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Run one job under faults; raises AssertionError if a task was lost, repeated or wrong."""
    chance = random.Random(seed + 1)
    never = threading.Event()
    with Programs(folder) as programs:
        grid = LocalGrid(programs)
        afflicted = Afflicted(grid, AGENTS, SLOTS, seed)
        grid.wait_for_agents(AGENTS, 60)
        job = grid.job("--tasks", "1000000", "--window", "60", "--task-ms", "2")
        job.wait_for_more(1, 60)
        ends_at = time.monotonic() + minutes * 60
        while time.monotonic() < ends_at:
            never.wait(chance.expovariate(1 / FAULT_EVERY_S))
            afflicted.step(time.monotonic())
        afflicted.cure_all()
        end = job.finish(END_LIMIT_S)
        return {
            "seed": seed,
            "minutes": minutes,
            "tasks": end["accepted"],
            "faults": dict(afflicted.done),
            "longest_gap_s": round(longest_gap_s(job.results()), 2),
        }


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hxgrid-chaos-") as folder:
        try:
            told = chaos(Path(folder), options.minutes, options.seed)
        except AssertionError as error:
            sys.stderr.write(f"seed {options.seed}: {error}\n")
            return 1
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
