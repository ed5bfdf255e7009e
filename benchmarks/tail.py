"""How long does the end of a job take when times vary and one agent is slow?

1,000 tasks with lognormal times (sigma 1) on 16 agents of one slot in virtual time, one of them
20 x slow. No schedule can be faster than max(work / speed of all agents, longest task); the answer
is the time of the job over that bound, for 200 seeds, with duplicates and without.
"""

from __future__ import annotations

import random
import statistics
import sys
from dataclasses import replace

from benchmarks.core_dispatch import SETTINGS
from benchmarks.measuring import Answer, write
from benchmarks.virtual_grid import VirtualGrid

TASKS, AGENTS, SLOWNESS, SIGMA = 1000, 16, 20.0, 1.0
SEEDS = 200
MEDIAN_LIMIT, LATE_LIMIT = 1.15, 1.3


def durations(seed: int) -> list[float]:
    """Return what the tasks of one job take on a normal agent; the median is a second."""
    chance = random.Random(seed)
    return [chance.lognormvariate(0.0, SIGMA) for _ in range(TASKS)]


def over_bound(seed: int, *, duplicates: bool) -> tuple[float, float]:
    """Return the time of one job over the bound, and the slot time used over the work."""
    taking = durations(seed)
    slowness = [1.0] * (AGENTS - 1) + [SLOWNESS]
    settings = replace(SETTINGS, send_duplicate_tasks=duplicates)
    grid = VirtualGrid(settings, slowness, seed=seed)
    speed = sum(1.0 / each for each in slowness)
    bound_s = max(sum(taking) / speed, *taking)
    return grid.run(taking) / bound_s, grid.sent_s / sum(taking)


def figures(seeds: int, *, duplicates: bool) -> dict[str, float]:
    """Return median and 95th percentile over all seeds."""
    runs = [over_bound(seed, duplicates=duplicates) for seed in range(seeds)]
    times = sorted(each[0] for each in runs)
    return {
        "median": statistics.median(times),
        "p95": times[int(0.95 * len(times))],
        "highest": times[-1],
        "slot_time": statistics.median(each[1] for each in runs),
    }


def main(seeds: int = SEEDS) -> list[Answer]:
    """Take the figures of both."""
    ours, without = (figures(seeds, duplicates=on) for on in (True, False))
    answer = Answer(
        question=f"{TASKS} tasks of lognormal times on {AGENTS} virtual agents, one {SLOWNESS:g} x "
        "slow: time over the least possible, median / 95th percentile",
        must_reach=f"{MEDIAN_LIMIT} / {LATE_LIMIT}",
        baseline=f"without duplicates {without['median']:.2f} / {without['p95']:.2f}",
        ours=f"{ours['median']:.2f} / {ours['p95']:.2f}",
        ratio=f"{ours['median'] / without['median']:.2f}",
        is_reached=ours["median"] <= MEDIAN_LIMIT and ours["p95"] <= LATE_LIMIT,
        grid="virtual",
        details={"with_duplicates": ours, "without": without, "seeds": seeds},
    )
    write("tail", [answer])
    return [answer]


if __name__ == "__main__":
    print(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)[0])
