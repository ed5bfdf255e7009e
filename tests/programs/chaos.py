"""Real programs under faults for so many minutes: `python -m tests.programs.chaos --minutes 10`.

A job of short tasks, every fourth of them compiled, runs on four agents while programs are killed
and stopped and links are cut, on average five times a second. Where namespaces can be made, each
agent is a machine of its own behind a proxy that delays, drops, resets and goes deaf. At the end
every task must have been finalized exactly once with the right answer, and results must have kept
coming: `suspect_after_s` + 1 s after each attempt that is lost at the latest. Prints one line of
JSON; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.harness import namespaces
from tests.harness.jobs import longest_gap_s
from tests.harness.processes import Programs
from tests.native import building
from tests.programs.canary import Canary
from tests.programs.faults import Afflicted
from tests.programs.sites import LanSite, LoopbackSite

if TYPE_CHECKING:
    from tests.harness.jobs import Job, Result

FAULT_EVERY_S = 0.2
AGENTS = 4
TASKS_PER_MINUTE = 10_000
UNDISTURBED_S = 5.0
END_LIMIT_S = 120.0
ATTEMPT_S = 1.5 + 1.0
"""`suspect_after_s` + 1 s: what one attempt that is lost may cost a task."""


def chaos(folder: Path, minutes: float, seed: int, *, is_lan: bool) -> dict[str, Any]:
    """Run one job under faults; raises AssertionError if a task was lost, repeated or wrong.

    Lasts so many minutes, and up to four times as long until enough tasks are done: 10,000 a
    minute, or on a slow computer a tenth of what it does without faults.
    """
    native = building.c_module(folder, "square.c")
    kind = LanSite if is_lan else LoopbackSite
    with Programs(folder) as programs, Canary() as canary, kind(programs, AGENTS) as site:
        afflicted = Afflicted(site, seed)
        job = site.start_job("--window", "200", "--task-ms", "1", "--native", str(native))
        job.wait_for_more(1, END_LIMIT_S)
        undisturbed_per_s = job.rate(UNDISTURBED_S)
        wanted = int(minutes * min(TASKS_PER_MINUTE, 60 * undisturbed_per_s / 10))
        lasted_s = _afflict(afflicted, job, minutes, wanted, seed)
        afflicted.cure_all()
        end = job.finish_by_itself(END_LIMIT_S)
        results = job.results()
        told = {
            "seed": seed,
            "site": "machines" if is_lan else "loopback",
            "minutes": round(lasted_s / 60, 1),
            "tasks": end["accepted"],
            "tasks_per_s": round(end["accepted"] / lasted_s),
            "undisturbed_per_s": round(undisturbed_per_s),
            "faults_per_s": round(sum(afflicted.done.values()) / lasted_s, 1),
            "faults": dict(afflicted.done),
            "outcomes": end["outcomes"],
            "longest_gap_s": round(longest_gap_s(results), 2),
            "longest_task_s": round(end["longest_s"], 2),
            "computer_stood_still_s": round(canary.stop(), 2),
        }
        sys.stderr.write(f"{json.dumps(told)}\n")
        expect_no_stall(results, told["computer_stood_still_s"])
        return told


def _afflict(afflicted: Afflicted, job: Job, minutes: float, wanted: int, seed: int) -> float:
    """Do things until enough tasks are done, and then until the last one is; return the seconds."""
    chance = random.Random(seed + 1)
    never = threading.Event()
    began_at = time.monotonic()
    next_look_at = began_at + minutes * 60
    is_told_to_stop = False
    next_fault_at = began_at
    while job.program.is_running:
        next_fault_at += chance.expovariate(1 / FAULT_EVERY_S)
        never.wait(max(0.0, next_fault_at - time.monotonic()))
        now = time.monotonic()
        if now >= next_look_at and not is_told_to_stop:
            done = len(job.results())
            is_told_to_stop = done >= wanted
            if is_told_to_stop:
                job.tell_to_stop()
            next_look_at = now + 5.0
        limit_s = 4 * minutes * 60 + END_LIMIT_S
        assert now - began_at < limit_s, f"{len(job.results())} of {wanted}: {job.tail()}"
        afflicted.step(now)
    return time.monotonic() - began_at


def expect_no_stall(results: list[Result], stood_still_s: float) -> None:
    """Fail if no result came for longer than a fit agent that is free may leave a task waiting.

    There are always tasks to be done, and one agent that is always fit. While it has enough to do
    results come one after the other; near the end a task may have to be suspected lost first, once
    for each attempt that it had. A computer that is busy with other things makes all that longer.
    """
    for earlier, later in itertools.pairwise(results):
        attempts = len(later.get("attempts", ())) or 1
        limit_s = ATTEMPT_S * attempts + 1.0 + 3 * stood_still_s
        gap_s = later["at"] - earlier["at"]
        assert gap_s <= limit_s, f"no result for {gap_s:.1f} s, then {later}"


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--loopback", action="store_true", help="leave the network alone")
    options = parser.parse_args()
    reason = "--loopback" if options.loopback else namespaces.reason_against()
    if reason is not None:
        sys.stderr.write(f"links stay whole: {reason}\n")
    with tempfile.TemporaryDirectory(prefix="hxgrid-chaos-") as folder:
        try:
            told = chaos(Path(folder), options.minutes, options.seed, is_lan=reason is None)
        except AssertionError as error:
            sys.stderr.write(f"seed {options.seed}: {error}\n")
            return 1
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
