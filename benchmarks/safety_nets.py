"""What do `journal=` and `verify=` cost a task?

The same job, by turns, on the same two agents of one slot: without either, with a new journal, with
a journal that has all results already (no task runs), and with 1 % and all tasks verified. Each
time in a session of its own, which has done a short job before. Wall time, and processor time of
the application's process (the journal's thread and its keys are in there) and of the agents'.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import hxgrid
from benchmarks.grids import connected, started_agents
from benchmarks.measuring import RUNS, Answer, Spread, ratio_of, take_turns, tree_cpu_s, write

TASKS, WARM_UP, AGENTS = 10_000, 1000, 2
TASK = str(Path(__file__).parent / "tasks" / "small.py")
WAYS = {
    "journal": "a new journal",
    "replay": "a journal that has all results",
    "verify 1 %": "verify=0.01",
    "verify all": "verify=1",
}

Cost = tuple[float, float, float]
"""Per task: wall time, processor time of the application and of the agents; microseconds."""


class Job:
    """The same tasks each time, on the same agents."""

    def __init__(self, address: str, agents: Sequence[int], folder: Path) -> None:
        self.costs: dict[str, list[Cost]] = {}
        self._address = address
        self._agents = agents
        self._folder = folder
        self._count = 0

    def wall_us(self, way: str, arguments: Callable[[], dict[str, Any]]) -> float:
        """Run it one way; returns the microseconds per task."""
        with connected(self._address, AGENTS, **arguments()) as session:
            _submit(session, WARM_UP, b"warm up")
            own, agents, began = time.process_time(), self._agents_cpu_s(), time.perf_counter()
            _submit(session, TASKS, b"measured")
            took_s = time.perf_counter() - began
            own, agents = time.process_time() - own, self._agents_cpu_s() - agents
        wall, mine, theirs = (spent * 1e6 / TASKS for spent in (took_s, own, agents))
        self.costs.setdefault(way, []).append((wall, mine, theirs))
        return wall

    def new_journal(self) -> dict[str, Any]:
        """Return the arguments for a journal that has nothing yet."""
        self._count += 1
        return {"journal": self._folder / f"journal-{self._count}"}

    def full_journal(self) -> dict[str, Any]:
        """Return the arguments for the journal that was written last."""
        return {"journal": self._folder / f"journal-{self._count}"}

    def _agents_cpu_s(self) -> float:
        return sum(tree_cpu_s(agent) for agent in self._agents)


def _submit(session: hxgrid.Session, count: int, what: bytes) -> None:
    for number in range(count):
        session.run_task(TASK, "echo", b"%-100b" % (b"%s %d" % (what, number)))
    session.wait_for_completion()


def main() -> list[Answer]:
    """Measure all ways in turns."""
    with tempfile.TemporaryDirectory() as folder, started_agents(AGENTS, 1) as (address, agents):
        job = Job(address, agents, Path(folder))
        ways: dict[str, Callable[[], dict[str, Any]]] = {
            "plain": dict,
            "journal": job.new_journal,
            "replay": job.full_journal,
            "verify 1 %": lambda: {"verify": 0.01},
            "verify all": lambda: {"verify": 1.0},
        }
        job.wall_us("before", dict)
        walls = take_turns(
            {way: partial(job.wall_us, way, make) for way, make in ways.items()}, RUNS
        )
    answers = [_answer(way, walls, job.costs) for way in WAYS]
    write("safety_nets", answers)
    return answers


def _answer(way: str, walls: dict[str, list[float]], costs: dict[str, list[Cost]]) -> Answer:
    (mine, theirs), (own, agents) = _processor_us(costs["plain"]), _processor_us(costs[way])
    return Answer(
        question=f"{TASKS:,} tasks of 100 bytes with {WAYS[way]}, against without: us a task"
        " (processor time of the application, of the agents)",
        must_reach="",
        baseline=f"{Spread.of(walls['plain'])} ({mine:.1f}, {theirs:.1f})",
        ours=f"{Spread.of(walls[way])} ({own:.1f}, {agents:.1f})",
        ratio=f"{ratio_of(walls[way], walls['plain']):.2f} x",
        is_reached=None,
        grid=f"{AGENTS} agents",
        details={"plain": costs["plain"], way: costs[way]},
    )


def _processor_us(costs: Sequence[Cost]) -> tuple[float, float]:
    return (
        Spread.of([mine for _, mine, _ in costs]).median,
        Spread.of([theirs for *_, theirs in costs]).median,
    )


if __name__ == "__main__":
    for answer in main():
        print(answer)
