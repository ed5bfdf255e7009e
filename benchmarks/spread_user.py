"""The user of the benchmark `spread`, on a machine of its own: prints its numbers as JSON.

`python -m benchmarks.spread_user COORDINATOR AGENTS MEGABYTES RUNS`
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import hxgrid
from tests.harness.wait import wait_until

TASK = str(Path(__file__).parent / "tasks" / "spread.py")


class Spreading:
    """A session, and data that nobody has seen before."""

    def __init__(self, session: hxgrid.Session, size: int) -> None:
        self._session = session
        self._block = os.urandom(size - 8)
        self._contents: dict[str, bytes] = {}
        session.bind_get_data(self._contents.__getitem__)

    def measure(self, name: str, agents: int) -> float:
        """Return the seconds until new data has been read by this many agents."""
        self._contents.clear()
        self._session.forget_data()
        content = self._contents[name] = os.urandom(8) + self._block
        began = time.monotonic()
        tasks = [self._session.run_task(TASK, "measure", name.encode()) for _ in range(agents)]
        self._session.wait_for_completion()
        spent_s = time.monotonic() - began
        for task in tasks:
            if task is None or int(task.result().getvalue()) != len(content):
                raise SystemExit("wrong data has arrived")
        used = {attempt.agent for task in tasks if task is not None for attempt in task.attempts}
        if len(used) < agents:
            raise SystemExit(f"only {len(used)} of {agents} agents were used")
        return spent_s


def main(address: str, agents: int, megabytes: int, runs: int) -> None:
    """Measure one agent and all of them, in turns."""
    with hxgrid.connect(address, trust_network=True, timeout=30.0) as session:
        wait_until(
            lambda: session.connection_status.connected_agents >= agents, 60.0, "the agents to come"
        )
        session.update_settings(send_duplicate_tasks=False)
        spreading = Spreading(session, megabytes * 1_000_000)
        numbers: dict[str, list[float]] = {"one": [], "all": []}
        for run in range(runs):
            numbers["one"].append(spreading.measure(f"one-{run}", 1))
            numbers["all"].append(spreading.measure(f"all-{run}", agents))
        print(json.dumps(numbers))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
