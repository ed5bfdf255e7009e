"""What does one task process cost per task, without a network?

A `TaskProcess` is fed as the agent's driver does it, with 64 tasks of 100 bytes in flight. Beside
it stands the least that any process could cost: a child that echoes over a bare socket pair.
Medians of several runs; processor time is told apart by process.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.messages import FunctionOffer
from hxgrid_agent.execution.events import Ended, Ready
from hxgrid_agent.execution.frames import Assignment
from hxgrid_agent.execution.process import TaskProcess

RUNS = 5
TASKS = 10_000
IN_FLIGHT = 64
ROUND_TRIPS = 300
PAYLOAD = b"x" * 100
ECHO = "def run_task(agent, session, source, out):\n    out.write(source.read())\n"
BARE = (
    "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]))\n"
    "while data := s.recv(4096): s.sendall(data)"
)


def processor_s(pid: int) -> float:
    """Return the processor time of a process, to the microsecond where the system has it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    except OSError:
        return 0.0


class Feeder:
    """Keeps one task process busy."""

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        self.process = TaskProcess(0, folder)
        self.process.start()
        while not any(isinstance(event, Ready) for event in self.events()):
            pass
        self.start_s = time.perf_counter() - began
        (folder / "task.py").write_text(ECHO, encoding="utf-8")
        self.process.assign(Assignment(1, str(folder), str(folder), str(folder / "lock"), 65535))
        offer = FunctionOffer(function=1, kind="module", entry="run_task", label="echo")
        self.process.offer_function(offer, str(folder), ["task.py"])
        offer = FunctionOffer(function=2, kind="installed", module="math", entry="sqrt")
        self.process.offer_function(offer, str(folder), [])
        self.task = 0

    def events(self) -> list[object]:
        waits = [self.process.socket] if self.process.wants_write else []
        readable, writable, _ = select.select([self.process.socket], waits, [], 10)
        if writable:
            self.process.on_writable()
        return list(self.process.on_readable()) if readable else []

    def give(self, count: int, function: int, payload: bytes) -> None:
        size = len(payload)
        first = self.task
        self.task += count
        self.process.run(
            [
                (AttemptRecord(task, 1, 0, function, size, size, payload), "")
                for task in range(first, self.task)
            ]
        )

    def run(self, count: int, function: int, payload: bytes) -> None:
        """Run so many tasks, each answer making room for the next."""
        given = done = 0
        while done < count:
            room = min(IN_FLIGHT - (given - done), count - given)
            if room:
                self.give(room, function, payload)
                given += room
            for event in self.events():
                if isinstance(event, Ended):
                    done += len(event.records)
                    if any(record.outcome for record in event.records):
                        raise RuntimeError(bytes(event.records[0].payload).decode())


def throughput(feeder: Feeder, function: int, payload: bytes) -> dict[str, float]:
    rates, ours, theirs = [], [], []
    feeder.run(100, function, payload)
    for _ in range(RUNS):
        began, own, child = (
            time.perf_counter(),
            time.process_time(),
            processor_s(feeder.process.pid),
        )
        feeder.run(TASKS, function, payload)
        rates.append(TASKS / (time.perf_counter() - began))
        ours.append((time.process_time() - own) / TASKS * 1e6)
        theirs.append((processor_s(feeder.process.pid) - child) / TASKS * 1e6)
    return {
        "tasks_per_s": round(statistics.median(rates)),
        "agent_us_per_task": round(statistics.median(ours), 2),
        "process_us_per_task": round(statistics.median(theirs), 2),
    }


def round_trip_us(feeder: Feeder) -> float:
    times = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        feeder.run(1, 1, PAYLOAD)
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6, 1)


def bare_round_trip_us() -> float:
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(
        [sys.executable, "-c", BARE, str(theirs.fileno())], pass_fds=(theirs.fileno(),)
    )
    theirs.close()
    times = []
    with child, ours:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            ours.sendall(PAYLOAD)
            select.select([ours], [], [], 10)
            ours.recv(4096)
            times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6, 1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        feeder = Feeder(Path(folder))
        try:
            streams = throughput(feeder, 1, PAYLOAD)
            calls = throughput(feeder, 2, pickle.dumps([((9.0,), {})]))
            answer = {
                "benchmark": "slot_process",
                "processors": os.cpu_count(),
                "start_until_ready_ms": round(feeder.start_s * 1e3, 1),
                "run_task": streams,
                "executor_call": calls,
                "round_trip_us": round_trip_us(feeder),
                "bare_socket_pair_round_trip_us": bare_round_trip_us(),
            }
        finally:
            feeder.process.close()
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
