"""What does an agent cost its owner while nobody wants anything of it?

Processor time over some seconds and memory that is its own, without task processes; those that wait
ahead are given beside it.
"""

from __future__ import annotations

import time
from functools import partial

import psutil

from benchmarks.grids import SLOTS, started_agent
from benchmarks.measuring import Answer, write
from tests.harness.wait import wait_until

START_S = 30.0
LOOK_S = 1.0
WATCH_S = 20.0
MUST_REACH_CPU = 0.005
MUST_REACH_MB = 60


def main() -> list[Answer]:
    """Measure."""
    with started_agent() as (_, pid):
        agent = psutil.Process(pid)
        wait_until(lambda: len(agent.children()) >= SLOTS, START_S, "the task processes")
        wait_until(partial(_has_settled, agent), START_S, "the task processes to be ready")
        began, before = time.monotonic(), _cpu_s(agent)
        time.sleep(WATCH_S)  # no wait for anything: this is the time that is measured
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


def _has_settled(agent: psutil.Process) -> bool:
    """Say whether its task processes have come to rest: whether a while passes without work."""
    before_s = sum(map(_cpu_s, agent.children()))
    time.sleep(LOOK_S)  # the while that is looked at
    return sum(map(_cpu_s, agent.children())) - before_s < LOOK_S / 20


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    for answer in main():
        print(answer)
