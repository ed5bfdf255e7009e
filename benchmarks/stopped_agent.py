"""What does it cost a job when one of two agents stops in the middle?

40 tasks of 50 ms on 2 agents of one slot. After the tenth result one agent is stopped (SIGSTOP, all
its processes), or killed (SIGKILL, the agent's process), or the one process that runs its tasks is
stopped. The baseline is the same job on one healthy agent, in turns: a grid that only sat out the
loss could not be much faster.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil

import hxgrid
from benchmarks.grids import connected, started_agents
from benchmarks.measuring import Answer, Spread, ratio_of, take_turns, write

TASKS, AFTER, RUNS = 40, 10, 3
LIMIT = 1.6
TASK = str(Path(__file__).parent / "tasks" / "paced.py")

Fault = Callable[[int, int], None]
"""Told the agent's process and that of one of its slots that has run a task."""


def stop_agent(agent: int, _slot: int) -> None:
    """Stop all processes of an agent."""
    process = psutil.Process(agent)
    for each in (process, *process.children(recursive=True)):
        each.suspend()


def kill_agent(agent: int, _slot: int) -> None:
    """End an agent's process at once."""
    os.kill(agent, signal.SIGKILL)


def stop_slot(_agent: int, slot: int) -> None:
    """Stop one task process."""
    psutil.Process(slot).suspend()


class Job:
    """One run of the job; the fault strikes on the callback thread, at the tenth result."""

    def __init__(self, session: hxgrid.Session, agents: list[int], fault: Fault | None) -> None:
        self._session = session
        self._agents = agents
        self._fault = fault
        self._count = 0

    def run(self) -> float:
        """Return the seconds from the first task to the last result."""
        began = time.monotonic()
        for _ in range(TASKS):
            self._session.run_task(TASK, "pause", b"", self._finalize)
        self._session.wait_for_completion()
        if self._count != TASKS:
            raise SystemExit(f"{self._count} results of {TASKS} tasks")
        return time.monotonic() - began

    def _finalize(self, out: hxgrid.Stream) -> None:
        self._count += 1
        if self._count == AFTER and self._fault is not None:
            slot = int(out.getvalue())
            parents = {parent.pid for parent in psutil.Process(slot).parents()}
            (agent,) = parents.intersection(self._agents)
            self._fault(agent, slot)


def measure(agents: int, fault: Fault | None) -> float:
    """Return the time of one job on fresh agents."""
    with started_agents(agents, 1) as (address, processes), _thawed(processes):
        with connected(address, agents) as session:
            for _ in range(2 * agents):  # the module everywhere, the task processes started
                session.run_task(TASK, "pause", b"")
            session.wait_for_completion()
            spent_s = Job(session, processes, fault).run()
            session.close(cancel=True)
        return spent_s


@contextlib.contextmanager
def _thawed(processes: list[int]) -> Iterator[None]:
    """Let what was stopped go on at the end, or it could not be ended."""
    try:
        yield
    finally:
        for number in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(number)
                for each in (process, *process.children(recursive=True)):
                    each.resume()


FAULTS: dict[str, Fault] = {
    "one agent stopped": stop_agent,
    "one agent killed": kill_agent,
    "one task process stopped": stop_slot,
}


def main() -> list[Answer]:
    """Measure the three faults and the baseline in turns."""
    measures: dict[str, Callable[[], float]] = {"one agent": partial(measure, 1, None)}
    measures |= {name: partial(measure, 2, fault) for name, fault in FAULTS.items()}
    measures["two agents"] = partial(measure, 2, None)
    times = take_turns(measures, RUNS)
    alone = times["one agent"]
    answers = [
        Answer(
            question=f"{TASKS} tasks of 50 ms on two agents, {name} after the tenth result",
            must_reach=f"at most {LIMIT:g} x the time of one healthy agent",
            baseline=f"{Spread.of(alone)} s; two healthy agents {Spread.of(times['two agents'])} s",
            ours=f"{Spread.of(times[name])} s",
            ratio=f"{ratio_of(times[name], alone):.2f}",
            is_reached=ratio_of(times[name], alone) <= LIMIT,
            grid="token",
            details=times,
        )
        for name in FAULTS
    ]
    write("stopped_agent", answers)
    return answers


if __name__ == "__main__":
    for answer in main():
        print(answer)
