"""What the benchmarks share: taking turns, medians, the processor time of others, the answer."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

RUNS = 5
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Answer:
    """The answer to one question, as it stands in the table."""

    question: str
    must_reach: str
    """In words; `is_reached` is computed from the same numbers."""
    baseline: str
    ours: str
    ratio: str
    is_reached: bool | None
    """None: nothing was promised."""
    grid: str = ""
    """Which kind of grid: with a token, or with CURVE keys."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """All numbers that were taken."""


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.lowest)}-{_short(self.highest)})"

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Take the median and the ends."""
        return cls(statistics.median(values), min(values), max(values))


def take_turns(
    measures: Mapping[str, Callable[[], float]], runs: int = RUNS
) -> dict[str, list[float]]:
    """Measure A, B, A, B, ... so that a change of the computer's mood meets all of them."""
    values: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            values[name].append(measure())
    return values


def ratio_of(ours: Sequence[float], baseline: Sequence[float]) -> float:
    """Return the median of the ratios of neighbours in time."""
    return statistics.median(ours[i] / baseline[i] for i in range(len(ours)))


def write(name: str, answers: Sequence[Answer]) -> None:
    """Keep the numbers of one benchmark as JSON."""
    RESULTS.mkdir(exist_ok=True)
    content = {"benchmark": name, "computer": computer(), "answers": [asdict(a) for a in answers]}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2), encoding="utf-8")


def computer() -> dict[str, Any]:
    """Describe where and when this was measured."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processors": os.cpu_count(),
        "load_before": load,
        "taken_at": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def tree_cpu_s(pid: int) -> float:
    """Return the processor time of a process and its living descendants.

    Exact on Linux; elsewhere as coarse as psutil's.
    """
    process = psutil.Process(pid)
    return sum(_cpu_s(one) for one in [process, *process.children(recursive=True)])


def _cpu_s(process: psutil.Process) -> float:
    tasks = Path(f"/proc/{process.pid}/task")
    try:
        stats = [task / "schedstat" for task in tasks.iterdir()]
        return sum(int(one.read_text(encoding="ascii").split()[0]) for one in stats) / 1e9
    except (OSError, ValueError):
        times = process.cpu_times()
        return float(times.user + times.system)


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
