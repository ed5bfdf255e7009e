"""Does handing in a task cost more when many wait already?

Processor time of the application's process per `run_task`, with 100,000 tasks in the queue against
100, in turns. There is no agent, so nothing else happens. So many are handed in that the garbage
collector's visits to all that waits are in the average.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import hxgrid
from benchmarks.grids import started_agents
from benchmarks.measuring import Answer, Spread, ratio_of, take_turns, write
from tests.harness.wait import wait_until

FEW, MANY, MEASURED, ROUND = 100, 100_000, 25_000, 5000
LIMIT = 1.5
TASK = str(Path(__file__).parent / "tasks" / "small.py")
INPUT = b"x" * 100


def cost_us(address: str, queued: int) -> float:
    """Return the microseconds per task on top of so many."""
    with hxgrid.connect(address, timeout=30.0) as session:
        session.update_settings(max_queued_tasks=2 * MANY)
        submit(session, queued)
        spent_s = 0.0
        for _ in range(MEASURED // ROUND):
            began = time.process_time()
            submit(session, ROUND)
            spent_s += time.process_time() - began
            if queued == FEW:  # let no queue grow
                session.cancel_tasks()
                submit(session, queued)
        session.close(cancel=True)
    return spent_s / MEASURED * 1e6


def submit(session: hxgrid.Session, count: int) -> None:
    """Hand tasks in, and wait until the session's own thread has taken them."""
    dispatcher = session._engine.driver.dispatcher  # noqa: SLF001 - nothing public tells
    before = dispatcher.waiting_count
    for _ in range(count):
        session.run_task(TASK, "echo", INPUT)
    # What is asked meanwhile hardly counts: processor time is measured, and nothing else waits.
    wait_until(lambda: dispatcher.waiting_count >= before + count, 60.0, "the tasks to be taken")


def main() -> list[Answer]:
    """Measure both in turns."""
    with started_agents(0, 1) as (address, _):
        costs = take_turns(
            {"few": partial(cost_us, address, FEW), "many": partial(cost_us, address, MANY)}
        )
    ratio = ratio_of(costs["many"], costs["few"])
    answer = Answer(
        question=f"submission of a task with {MANY:,} queued, against {FEW}",
        must_reach=f"at most {LIMIT:g} x",
        baseline=f"{Spread.of(costs['few'])} us",
        ours=f"{Spread.of(costs['many'])} us",
        ratio=f"{ratio:.2f}",
        is_reached=ratio <= LIMIT,
        grid="no agent",
        details=costs,
    )
    write("submission", [answer])
    return [answer]


if __name__ == "__main__":
    print(main()[0])
