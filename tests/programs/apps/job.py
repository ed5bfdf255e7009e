"""A job on a grid, told as JSON lines: what was accepted, what came back, how often, from where.

It keeps `--window` tasks in flight until `--tasks` have been handed in or `--stop-file` exists.
With `--native MODULE` every fourth task is the same function, compiled.
Every finalize call is a line; the last line sums up and says what was missing or came twice.
"""

from __future__ import annotations

import argparse
import collections
import json
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hxgrid

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = Path(__file__).with_name("tasks.py")
LONG_S = 1.0
"""Of tasks that take longer the attempts are told."""


class Job:
    """Hands tasks in and counts what comes back."""

    def __init__(self, session: hxgrid.Session, options: argparse.Namespace) -> None:
        self.session = session
        self.options = options
        self.room = threading.Semaphore(options.window)
        self.tasks: dict[int, hxgrid.Task] = {}
        self.submitted_at: dict[int, float] = {}
        self.finalized: collections.Counter[int] = collections.Counter()
        self.longest_s = 0.0
        self.is_wrong = False

    def run(self) -> None:
        """Hand in until told to stop, then wait for the rest."""
        number = 0
        while number < self.options.tasks and not self._is_told_to_stop():
            if not self.room.acquire(timeout=0.1):
                continue
            number += 1
            self.submitted_at[number] = time.monotonic()
            task = self.session.run_task(
                self._module_for(number),
                "square",
                struct.pack("<II", number, self.options.task_ms),
                self.finalizer(number),
            )
            assert task is not None
            self.tasks[number] = task
        tell("handed-in", count=number)
        self.session.wait_for_completion()

    def _module_for(self, number: int) -> Path:
        is_native = self.options.native is not None and number % 4 == 0
        return self.options.native if is_native else TASKS

    def finalizer(self, number: int) -> Callable[[hxgrid.Task, hxgrid.Stream], None]:
        """What the session calls with the result of this task."""

        def finalize(_task: hxgrid.Task, out: hxgrid.Stream) -> None:
            self.count(number, out)

        return finalize

    def count(self, number: int, out: hxgrid.Stream) -> None:
        """Count one result; called once per task if all is well."""
        waited_s = time.monotonic() - self.submitted_at[number]
        self.longest_s = max(self.longest_s, waited_s)
        self.finalized[number] += 1
        answer = json.loads(out.read())
        self.is_wrong |= (answer["number"], answer["square"]) != (number, number**2)
        attempts = [(one.agent, one.outcome) for one in self._attempts_of(number, waited_s)]
        tell(
            "finalized",
            waited_s=waited_s,
            times=self.finalized[number],
            **({"attempts": attempts} if attempts else {}),
            **answer,
        )
        if self.finalized[number] == 1:
            self.room.release()

    def _attempts_of(self, number: int, waited_s: float) -> list[hxgrid.AttemptRecord]:
        """The history of a task that took long."""
        task = self.tasks.get(number)
        return list(task.attempts) if task is not None and waited_s > LONG_S else []

    def sum_up(self) -> None:
        """Say how it ended."""
        attempts = [attempt for task in self.tasks.values() for attempt in task.attempts]
        tell(
            "end",
            accepted=len(self.tasks),
            missing=sorted(set(self.tasks) - set(self.finalized)),
            repeated=sorted(n for n, times in self.finalized.items() if times > 1),
            is_wrong=self.is_wrong,
            longest_s=self.longest_s,
            outcomes=collections.Counter(attempt.outcome for attempt in attempts),
            agents=collections.Counter(attempt.agent for attempt in attempts),
            reasons=sorted({attempt.reason for attempt in attempts if attempt.reason}),
        )

    def _is_told_to_stop(self) -> bool:
        return self.options.stop_file is not None and self.options.stop_file.exists()


def tell(event: str, **facts: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps({"event": event, "at": time.monotonic(), **facts}) + "\n")
    sys.stdout.flush()


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address")
    parser.add_argument("--name")
    parser.add_argument("--trust-network", action="store_true")
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--tasks", type=int, default=sys.maxsize)
    parser.add_argument("--task-ms", type=int, default=100)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--stop-file", type=Path)
    parser.add_argument("--native", type=Path)
    return parser.parse_args()


def main() -> None:
    """Connect, run the job, sum up."""
    options = parsed_arguments()
    with hxgrid.connect(
        options.address,
        name=options.name,
        timeout=options.timeout,
        trust_network=options.trust_network,
        agents=options.agents,
        slots=options.slots,
    ) as session:
        tell("connected")
        job = Job(session, options)
        try:
            job.run()
        finally:
            job.sum_up()


if __name__ == "__main__":
    main()
