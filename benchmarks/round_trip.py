"""How long does one small task take there and back, when the next is given only then?

`run_task(...).result()` against one message to an echo process and back. Blocks of round trips of
both take turns.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from functools import partial

from benchmarks.bare import BareEchoes
from benchmarks.grids import Grid, keyed_grid, token_grid
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, write
from benchmarks.small_tasks import TASK

ROUND_TRIPS = 400
PAYLOAD = os.urandom(100)
MUST_REACH = 3.0


def round_trip_us(grid: Grid, count: int = ROUND_TRIPS) -> float:
    """Return the median of so many."""
    session, times = grid.session, []
    for _ in range(count):
        began = time.perf_counter()
        task = session.run_task(TASK, "echo", PAYLOAD)
        assert task is not None
        task.result()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def main() -> list[Answer]:
    """Measure."""
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(BareEchoes(1))
        grids = [stack.enter_context(token_grid()), stack.enter_context(keyed_grid())]
        for grid in grids:
            grid.warm_up(TASK, "echo")
            round_trip_us(grid)

        def bare_us() -> float:
            return statistics.median(bare.round_trips(ROUND_TRIPS, PAYLOAD)) * 1e6

        values = take_turns(
            {"bare": bare_us, **{grid.kind: partial(round_trip_us, grid) for grid in grids}},
            RUNS,
        )
    answers = [_answer(grid.kind, values[grid.kind], values["bare"]) for grid in grids]
    write("round_trip", answers)
    return answers


def _answer(kind: str, ours: list[float], bare: list[float]) -> Answer:
    ratio = ratio_of(ours, bare)
    return Answer(
        question="one task at a time, round trip, us",
        must_reach=f"at most {MUST_REACH:g} x",
        baseline=str(Spread.of(bare)),
        ours=str(Spread.of(ours)),
        ratio=f"{ratio:.2f} x",
        is_reached=ratio <= MUST_REACH,
        grid=kind,
        details={"bare_us": bare, "ours_us": ours},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer)
