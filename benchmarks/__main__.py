"""Runs all benchmarks, one after the other, and prints the table of the answers.

`python -m benchmarks` runs all, `python -m benchmarks small_tasks round_trip` these. Numbers go to
`benchmarks/results/` as JSON. What has no target (`core_dispatch`, ...) is run by its own name:
`python -m benchmarks.core_dispatch`.
"""

from __future__ import annotations

import importlib
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Answer, computer

ALL = (
    "round_trip",
    "small_tasks",
    "large_tasks",
    "computing",
    "map_memory",
    "idle_agent",
    "native_calls",
    "native_callers",
    "native_tasks",
    "mandelbrot",
    "normalmapper",
    "normalmapper_slots",
    "normalmapper_memory",
    "stopped_agent",
    "submission",
    "safety_nets",
    "spread",
    "tail",
    "growth",
)


def main(names: list[str]) -> int:
    """Run these; the exit status says whether every target was reached."""
    answers: list[Answer] = []
    said = Console(stderr=True)
    about = computer()
    for name in names or ALL:
        began = time.monotonic()
        answers += importlib.import_module(f"benchmarks.{name}").main()
        said.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")
    show(answers, about)
    return 0 if all(one.is_reached is not False for one in answers) else 1


def show(answers: list[Answer], about: dict[str, object]) -> None:
    """Print the table."""
    title = f"{about['processors']} processors, load before {about['load_before']}"
    table = Table(title=title, title_justify="left", caption="medians of 5 (lowest-highest)")
    for heading in ("question", "grid", "must reach", "baseline", "hxGrid", "ratio", "reached"):
        table.add_column(heading, overflow="fold")
    for one in answers:
        reached = {True: "yes", False: "no", None: "-"}[one.is_reached]
        table.add_row(
            *(one.question, one.grid, one.must_reach, one.baseline, one.ours, one.ratio, reached)
        )
    Console(width=None if sys.stdout.isatty() else 150).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
