"""How many tasks of 8 MB in and out, which cannot be compressed, get done in a second?

The baseline sends each as one message to an echo process and back, four under way at each, and
copies nothing that it need not.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial

from benchmarks.bare import BareEchoes
from benchmarks.grids import SLOTS, Grid, keyed_grid, token_grid
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, write
from benchmarks.small_tasks import TASK

TASKS = 64
SIZE_BYTES = 8_000_000
IN_FLIGHT = 4
PAYLOAD = os.urandom(SIZE_BYTES)
MUST_REACH = 0.5


def rate(grid: Grid) -> float:
    """Return the tasks a second."""
    sizes: list[int] = []
    began = time.perf_counter()
    for _ in range(TASKS):
        grid.session.run_task(TASK, "echo", PAYLOAD, lambda out: sizes.append(len(out)))
    grid.session.wait_for_completion()
    took_s = time.perf_counter() - began
    if sizes != [SIZE_BYTES] * TASKS:
        raise SystemExit("results are not whole")
    return TASKS / took_s


def main() -> list[Answer]:
    """Measure; one grid after the other, so that only one fills memory."""
    answers = []
    for open_grid in (token_grid, keyed_grid):
        with contextlib.ExitStack() as stack:
            bare = stack.enter_context(BareEchoes(SLOTS))
            grid = stack.enter_context(open_grid())
            grid.warm_up(TASK, "echo")
            values = take_turns(
                {
                    "bare": partial(bare.large_rate, TASKS, PAYLOAD, IN_FLIGHT),
                    "ours": partial(rate, grid),
                },
                RUNS,
            )
            answers.append(_answer(grid.kind, values["ours"], values["bare"]))
    write("large_tasks", answers)
    return answers


def _answer(kind: str, ours: list[float], bare: list[float]) -> Answer:
    ratio = ratio_of(ours, bare)
    return Answer(
        question=f"{TASKS} tasks of 8 MB each way, tasks/s",
        must_reach=f"at least {MUST_REACH} x",
        baseline=str(Spread.of(bare)),
        ours=str(Spread.of(ours)),
        ratio=f"{ratio:.2f} x",
        is_reached=ratio >= MUST_REACH,
        grid=kind,
        details={"bare": bare, "ours": ours},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer)
