"""What does an agent cost its owner while nobody wants anything of it?

Processor time over some seconds and memory that is its own, without task processes; those that wait
ahead are given beside it.
"""

from __future__ import annotations

import time

import psutil

from benchmarks.grids import SLOTS, started_agent
from benchmarks.measuring import Answer, write

SETTLE_S = 3.0
WATCH_S = 20.0
MUST_REACH_CPU = 0.005
MUST_REACH_MB = 60


def main() -> list[Answer]:
    """Measure."""
    with started_agent() as (_, pid):
        agent = psutil.Process(pid)
        deadline = time.monotonic() + 30
        while len(agent.children()) < SLOTS and time.monotonic() < deadline:
            time.sleep(0.05)
        if len(agent.children()) < SLOTS:
            raise SystemExit("the agent has not started its task processes")
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), _cpu_s(agent)
        time.sleep(WATCH_S)
        cpu = (_cpu_s(agent) - before) / (time.monotonic() - began)
        memory = agent.memory_info().rss / 1e6
        waiting = [child.memory_info().rss / 1e6 for child in agent.children()]
    answer = Answer(
        question="idle agent: processor and memory, without task processes",
        must_reach=f"under {MUST_REACH_CPU:.1%}, {MUST_REACH_MB} MB",
        baseline="-",
        ours=f"{cpu:.2%}, {memory:.0f} MB",
        ratio=f"and {len(waiting)} x {sum(waiting) / max(len(waiting), 1):.0f} MB waiting",
        is_reached=cpu < MUST_REACH_CPU and memory < MUST_REACH_MB,
        grid="token",
        details={"cpu": cpu, "memory_mb": memory, "waiting_mb": waiting},
    )
    write("idle_agent", [answer])
    return [answer]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    for answer in main():
        print(answer)
