"""How well are 64 slots used by a picture of NormalMapper?

Its tasks, cut for 64 slots (1024 x 1024 texels, 69 occlusion rays), are computed on one slot
first, which gives the time of each. Then an agent with 64 slots runs as many tasks that wait 16
times as long instead of computing, and return what was computed: the application places it into the
picture, as ever. One slot would take the sum of the waits; that, without anything for handing tasks
out, is the baseline. The schedule is drawn to `benchmarks/results/normalmapper_slots.svg`.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path

import numpy as np
from hxgrid_examples.normalmapper import app, picture
from hxgrid_examples.normalmapper.plan import Part, cut

import hxgrid
from benchmarks import schedule
from benchmarks.grids import token_grid
from benchmarks.measuring import RESULTS, Answer, Spread, write
from benchmarks.native_calls import left_out
from benchmarks.normalmapper import Job, prepared
from benchmarks.tasks import waiting

EDGE = 1024
SLOTS = 64
STRETCH = 16
MUST_REACH = 60.0
RUNS = 3
TASK = Path(waiting.__file__)


def main() -> list[Answer]:
    """Measure, draw and write it down."""
    if left_out("normalmapper_slots"):
        return []
    with prepared("-r", EDGE) as job, tempfile.TemporaryDirectory() as folder:
        parts = cut(job.scene, EDGE, EDGE, SLOTS)
        waits, results = compute_once(job, parts)
        path = Path(folder) / "results"
        path.write_bytes(b"".join(results))
        sizes = [len(result) for result in results]
        with token_grid(SLOTS) as grid:
            grid.session.bind_get_data(lambda _: path)
            simulated = [
                simulate(grid.session, job, parts, waits, sizes if run else [0] * len(sizes))
                for run in range(RUNS + 1)  # the first starts 64 processes
            ][1:]
    answer = judged(sum(waits), [took_s for took_s, _ in simulated], simulated[-1][1])
    write("normalmapper_slots", [answer])
    return [answer]


def compute_once(job: Job, parts: list[Part]) -> tuple[list[float], list[bytes]]:
    """Compute all on one slot; return how long each is to wait, and its result."""
    waits, results = [], []
    with token_grid(1) as grid:
        job.took_s(grid.session, warming_up=True)
        modules, function = app.task_of(grid.session, job.library)
        tasks = [
            grid.session.run_task(modules, function, part.request(EDGE, EDGE)) for part in parts
        ]
        for task in tasks:
            assert task is not None
            results.append(bytes(task.result().getbuffer()))
            last = task.attempts[-1]
            waits.append(STRETCH * ((last.ended or 0.0) - (last.started or 0.0)))
    return waits, results


def simulate(
    session: hxgrid.Session, job: Job, parts: list[Part], waits: list[float], sizes: list[int]
) -> tuple[float, list[schedule.Bar]]:
    """Run the tasks that wait; return the seconds to the last `finalize`, and what ran when."""
    made = picture.Picture.blank(EDGE, EDGE, job.job.options)
    is_real = any(sizes)

    def place(part: Part, out_stream: hxgrid.Stream) -> None:
        if is_real:
            made.place(part, np.frombuffer(out_stream.getbuffer(), "<f4"))

    begins = np.cumsum([0, *sizes]).tolist()
    began = time.monotonic()
    tasks = [
        session.run_task(
            TASK,
            "wait",
            waiting.REQUEST.pack(wait_s if is_real else 0.1, begin, size),
            functools.partial(place, part),
            cost=part.cost,
        )
        for part, wait_s, begin, size in zip(parts, waits, begins, sizes, strict=False)
    ]
    session.wait_for_completion()
    took_s = time.monotonic() - began
    last = [task.attempts[-1] for task in tasks if task is not None]
    return took_s, [
        schedule.Bar(one.slot or 0, (one.started or 0) - began, (one.ended or 0) - began)
        for one in last
    ]


def judged(one_slot_s: float, taken: list[float], bars: list[schedule.Bar]) -> Answer:
    """Compare with one slot, and draw the last run."""
    spent = Spread.of(taken)
    ratio = one_slot_s / spent.median
    busy = sum(bar.ended - bar.started for bar in bars) / (SLOTS * taken[-1])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "normalmapper_slots.svg").write_text(
        schedule.drawn(bars, SLOTS, taken[-1], f"{len(bars)} tasks on {SLOTS} slots"),
        encoding="utf-8",
    )
    return Answer(
        question=f"NormalMapper, {EDGE} x {EDGE}, 69 rays, {SLOTS} simulated slots",
        must_reach=f"at least {MUST_REACH:g} times one slot",
        baseline=f"one slot {one_slot_s:.0f} s",
        ours=f"{spent} s, slots {busy:.1%} busy",
        ratio=f"{ratio:.1f}",
        is_reached=ratio >= MUST_REACH,
        details={"one_slot_s": one_slot_s, "s": taken, "tasks": len(bars), "busy": busy},
    )


if __name__ == "__main__":
    for answer in main():
        print(answer.question, "|", answer.ours, "|", answer.ratio, "|", answer.is_reached)
