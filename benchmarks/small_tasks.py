"""How many tasks of 100 bytes in and out does a session get done, from `run_task` to the last?

The baseline sends one message per task to two echo processes, 64 in flight at each. All of ours is
timed: submitting, placing, the agent, the task process, the result, its acknowledgement. Neither
keeps the results. A job is over in a tenth of a second, in which anything may come between, so each
of the numbers that are compared is the median of several jobs.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.bare import BareEchoes
from benchmarks.grids import SLOTS, Grid, keyed_grid, token_grid
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, tree_cpu_s, write

TASKS = 10_000
JOBS = 5
IN_FLIGHT = 64
PAYLOAD = os.urandom(100)
MUST_REACH = 1.0
TASK = str(Path(__file__).parent / "tasks" / "small.py")


def rate(grid: Grid, count: int = TASKS) -> float:
    """Return the tasks a second."""
    session = grid.session
    began = time.perf_counter()
    for _ in range(count):
        session.run_task(TASK, "echo", PAYLOAD)
    session.wait_for_completion()
    return count / (time.perf_counter() - began)


def several(job: Callable[[], float]) -> Callable[[], float]:
    """Have a job done several times, and its median taken."""
    return lambda: statistics.median(job() for _ in range(JOBS))


def cpu_us(grid: Grid, count: int = TASKS) -> dict[str, float]:
    """Return the processor time that one task costs, in each program."""
    own, agent_only, tree = time.process_time(), _alone(grid.agent), tree_cpu_s(grid.agent)
    rate(grid, count)
    own, alone = time.process_time() - own, _alone(grid.agent) - agent_only
    tree = tree_cpu_s(grid.agent) - tree
    named = {"user": own, "agent": alone, "slots": tree - alone}
    return {name: round(spent / count * 1e6, 1) for name, spent in named.items()}


def main() -> list[Answer]:
    """Measure."""
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(BareEchoes(SLOTS))
        grids = [stack.enter_context(token_grid()), stack.enter_context(keyed_grid())]
        for grid in grids:
            grid.warm_up(TASK, "echo")
        bare.rate(TASKS, PAYLOAD, IN_FLIGHT)
        values = take_turns(
            {
                "bare": several(lambda: bare.rate(TASKS, PAYLOAD, IN_FLIGHT)),
                **{grid.kind: several(partial(rate, grid)) for grid in grids},
            },
            RUNS,
        )
        answers = [_answer(grid, values[grid.kind], values["bare"]) for grid in grids]
    write("small_tasks", answers)
    return answers


def _answer(grid: Grid, ours: list[float], bare: list[float]) -> Answer:
    ratio = ratio_of(ours, bare)
    return Answer(
        question=f"{TASKS} tasks of {len(PAYLOAD)} bytes, tasks/s",
        must_reach=f"at least {MUST_REACH} x",
        baseline=str(Spread.of(bare)),
        ours=str(Spread.of(ours)),
        ratio=f"{ratio:.2f} x",
        is_reached=ratio >= MUST_REACH,
        grid=grid.kind,
        details={"bare": bare, "ours": ours, "cpu_us_per_task": cpu_us(grid)},
    )


def _alone(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    spent = [(task / "schedstat").read_text(encoding="ascii").split()[0] for task in tasks]
    return sum(map(int, spent)) / 1e9


if __name__ == "__main__":
    for answer in main():
        print(answer)
