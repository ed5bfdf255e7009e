"""What does the agent's core cost per task, with and without reading and packing the messages?

The core alone, no sockets: ATTEMPTS come in by the batch, processes hand their results back as they
would, users acknowledge. *Tiny* tasks travel in large batches; *long* ones one in a message, which
is the most that a task can cost. Medians of several runs, microseconds per task.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks.core_dispatch import CAPABILITIES
from hxgrid.wire.batches import (
    AttemptRecord,
    ResultRecord,
    pack_attempts,
    pack_keys,
    pack_results,
    unpack_attempts,
    unpack_keys,
)
from hxgrid.wire.messages import Batch, FunctionOffer, Hello
from hxgrid_agent.core.actions import Action, RunAttempts, SendResults, StartProcess
from hxgrid_agent.core.core import AgentCore
from hxgrid_agent.core.events import (
    AttemptsEnded,
    AttemptsReceived,
    DocumentReceived,
    ProcessReady,
    ResultsAcknowledged,
)
from hxgrid_agent.core.settings import CoreSettings

RUNS = 5
TINY_S, LONG_S = 1e-5, 1.0
PEER = b"user"
PAYLOAD = b"x" * 100
SETTINGS = CoreSettings(
    boot_id="b" * 32,
    name="bench",
    capabilities=CAPABILITIES,
    slots=2,
    spare_processes=2,
    max_parked_processes=8,
    share_quantum_s=1.0,
    max_sessions=256,
    max_waiting_attempts=100_000,
    max_results_waiting_bytes=1 << 34,
    result_memory_bytes=1 << 28,
    memory_reserve_bytes=0,
    heartbeat_s=0.5,
    suspect_after_s=1.5,
    lost_after_s=10.0,
    status_s=1.0,
    busy_after_s=10.0,
    suspend_s=25.0,
)


class Bench:
    """An agent core with a user and processes that do everything at once."""

    def __init__(self, task_s: float, *, with_wire: bool) -> None:
        self.core = AgentCore(SETTINGS)
        self.task_s = task_s
        self.with_wire = with_wire
        self.now = 1.0
        self.handle = 0
        self.waiting: list[RunAttempts] = []
        self.ended = 0
        hello = Hello(session="a" * 32, ticket="a" * 32)
        self.carry_out(self.core.tick(self.now))
        self.carry_out(self.core.handle(DocumentReceived(PEER, hello), self.now))
        self.handle = next(iter(self.core.table.sessions))
        offer = FunctionOffer(function=1, kind="installed")
        self.carry_out(self.core.handle(DocumentReceived(PEER, offer), self.now))

    def carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, RunAttempts):
                self.waiting.append(action)
            elif isinstance(action, SendResults):
                self._acknowledge(action)
            elif isinstance(action, StartProcess):
                self.carry_out(self.core.handle(ProcessReady(action.process.number), self.now))

    def place(self, first: int, count: int) -> None:
        size = len(PAYLOAD)
        records = [AttemptRecord(first + n, 1, 0, 1, size, size, PAYLOAD) for n in range(count)]
        if self.with_wire:
            (frame,) = pack_attempts(self.handle, records)
            began = time.process_time()
            _, records = unpack_attempts(frame)
            self.timed += time.process_time() - began
        self.hand_in(AttemptsReceived(PEER, self.handle, records))

    def hand_in(self, event: AttemptsReceived | AttemptsEnded | ResultsAcknowledged) -> None:
        began = time.process_time()
        actions = self.core.handle(event, self.now)
        self.timed += time.process_time() - began
        self.carry_out(actions)

    def finish(self) -> None:
        """Let the processes do what they were given."""
        while self.waiting:
            process, attempts = self.waiting.pop()
            now, task_s = self.now, self.task_s
            self.now += task_s
            records = [
                ResultRecord(*a.key, 0, 0, 0, 100, 100, now, now + task_s, PAYLOAD)
                for a in attempts
            ]
            self.hand_in(AttemptsEnded(process.number, records, {}))

    def _acknowledge(self, action: SendResults) -> None:
        records = [a.result for a in action.attempts if a.result is not None]
        self.ended += len(records)
        keys = [(record.task, record.attempt) for record in records]
        if self.with_wire:
            header = pack_keys(Batch.ACKNOWLEDGE, self.handle, keys)[0]
            began = time.process_time()
            pack_results(self.handle, records)
            keys = unpack_keys(header)[1]
            self.timed += time.process_time() - began
        self.hand_in(ResultsAcknowledged(PEER, self.handle, keys))

    timed = 0.0


def cost_us(tasks: int, task_s: float, at_once: int, *, with_wire: bool) -> float:
    """Return microseconds per task; timed is what the agent does, not what the bench pretends."""
    found = []
    for _ in range(RUNS):
        bench = Bench(task_s, with_wire=with_wire)
        gc.collect()
        gc.disable()
        for first in range(0, tasks, at_once):
            bench.place(first, at_once)
            bench.finish()
        gc.enable()
        assert bench.ended == tasks
        found.append(bench.timed / tasks * 1e6)
    return round(statistics.median(found), 2)


def main() -> None:
    results = {
        "tiny_core_us": cost_us(50_000, TINY_S, 500, with_wire=False),
        "tiny_with_wire_us": cost_us(50_000, TINY_S, 500, with_wire=True),
        "long_core_us": cost_us(5_000, LONG_S, 1, with_wire=False),
        "long_with_wire_us": cost_us(5_000, LONG_S, 1, with_wire=True),
    }
    json.dump({"question": "agent core, microseconds per task", **results}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
