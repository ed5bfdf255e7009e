"""How busy are the slots while 400 tasks of 20 ms computing are run?

By the slots' own stamps: between the first start and the last end, which part of its time was each
slot outside the task function? Beside it the wall time against two plain processes that compute the
same without any grid, a fixed half each.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time

from benchmarks.grids import SLOTS, Grid, keyed_grid, token_grid
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, write
from benchmarks.small_tasks import TASK

TASKS = 400
MUST_REACH = 0.05
PLAIN = f"""
import sys
from benchmarks.tasks.small import compute
sys.stdout.write("r"); sys.stdout.flush()
while sys.stdin.read(1):
    for _ in range({TASKS // SLOTS}):
        compute(None, 0, None, None)
    sys.stdout.write("e"); sys.stdout.flush()
"""


class PlainProcesses:
    """Two processes that wait to be told to compute."""

    def __init__(self) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", PLAIN],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            for _ in range(SLOTS)
        ]
        self._wait()

    def took_s(self) -> float:
        """Let both compute their half; return the wall time."""
        began = time.perf_counter()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("g")
            process.stdin.flush()
        self._wait()
        return time.perf_counter() - began

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.communicate()

    def _wait(self) -> None:
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.read(1)


class Job:
    """Runs the tasks on a grid and keeps what the stamps say."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self.outside: list[float] = []

    def took_s(self) -> float:
        """Run all; return the wall time."""
        session = self._grid.session
        began = time.perf_counter()
        tasks = [session.run_task(TASK, "compute") for _ in range(TASKS)]
        session.wait_for_completion()
        took_s = time.perf_counter() - began
        attempts = [one.attempts[-1] for one in tasks if one is not None]
        stamps = [(one.started or 0.0, one.ended or 0.0) for one in attempts]
        first = min(started for started, _ in stamps)
        last = max(ended for _, ended in stamps)
        inside = sum(ended - started for started, ended in stamps)
        self.outside.append(1 - inside / (SLOTS * (last - first)))
        return took_s


def main() -> list[Answer]:
    """Measure."""
    with contextlib.ExitStack() as stack:
        plain = PlainProcesses()
        stack.callback(plain.close)
        grids = [stack.enter_context(token_grid()), stack.enter_context(keyed_grid())]
        jobs = {grid.kind: Job(grid) for grid in grids}
        for grid in grids:
            grid.warm_up(TASK, "echo")
        values = take_turns(
            {"plain": plain.took_s, **{kind: job.took_s for kind, job in jobs.items()}}, RUNS
        )
    answers = [_answer(kind, job, values[kind], values["plain"]) for kind, job in jobs.items()]
    write("computing", answers)
    return answers


def _answer(kind: str, job: Job, ours: list[float], plain: list[float]) -> Answer:
    outside = statistics.median(job.outside)
    wall = ratio_of(ours, plain)
    return Answer(
        question=f"{TASKS} tasks of 20 ms computing, slot outside the function",
        must_reach=f"at most {MUST_REACH:.0%}",
        baseline=f"two plain processes {Spread.of(plain)} s",
        ours=f"{outside:.1%} outside; {Spread.of(ours)} s",
        ratio=f"{wall:.2f} x wall",
        is_reached=outside <= MUST_REACH,
        grid=kind,
        details={"outside": job.outside, "ours_s": ours, "plain_s": plain},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer)
