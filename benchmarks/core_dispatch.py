"""What does the dispatcher cost per task, and how does that grow with the number of agents?

The core alone, no sockets: tasks go in by the hundred, attempts come back as agents would return
them, callbacks are reported. *Tiny* tasks travel in large batches; *long* ones one in a message,
which is the most that a task can cost. Medians of several runs, microseconds per task.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hxgrid.settings import UserSettings
from hxgrid.user.core.actions import CompleteTasks, SendAttempts
from hxgrid.user.core.dispatcher import Dispatcher
from hxgrid.user.core.events import (
    AgentWelcomed,
    AttemptsEnded,
    Event,
    RosterChanged,
    TasksFinalized,
    TasksSubmitted,
)
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.engine import dispatch_settings
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.messages import Capabilities, Load, RosterEntry, Welcome

SUBMITTED_AT_ONCE = 100
TINY_S, LONG_S = 1e-5, 2.0
RUNS = 5
SETTINGS = replace(dispatch_settings(UserSettings()), max_connections=100_000, spare_agents=100_000)
CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.0",
    processors=2,
    memory_bytes=8 << 30,
)
LOAD = Load(free_cpu=2.0, free_memory_bytes=4 << 30)


def arrivals(names: Sequence[str], slots: int) -> Iterator[Event]:
    """Return what a dispatcher is told until it is connected to these agents."""
    entries = [
        RosterEntry(
            agent=name, name=name[-6:], addresses=(), slots=slots, capabilities=CAPABILITIES
        )
        for name in names
    ]
    yield RosterChanged(entries, (), True)
    for handle, name in enumerate(names):
        welcome = Welcome(
            boot_id=name,
            agent_name=name[-6:],
            handle=handle,
            resumed=False,
            slots=slots,
            capabilities=CAPABILITIES,
            load=LOAD,
        )
        yield AgentWelcomed(name, welcome)


def grid(agents: int) -> Dispatcher:
    """Return a dispatcher that is connected to so many agents of two slots."""
    dispatcher = Dispatcher(SETTINGS)
    for event in arrivals([f"{index:032x}" for index in range(agents)], 2):
        dispatcher.handle(event, 0.0)
    return dispatcher


def run(agents: int, tasks: int, task_s: float) -> float:
    """Return the seconds that the core takes for so many tasks of this duration."""
    dispatcher = grid(agents)
    records = [
        TaskRecord(number, 1, b"x" * 100, stored_bytes=100, raw_bytes=100)
        for number in range(1, tasks + 1)
    ]
    inbox: deque[SendAttempts] = deque()
    now, spent_s = 1.0, 0.0

    def tell(event: Event) -> None:
        nonlocal now, spent_s
        now += 1e-4
        began = time.perf_counter()
        actions = dispatcher.handle(event, now)
        spent_s += time.perf_counter() - began
        finished: list[int] = []
        for action in actions:
            if isinstance(action, SendAttempts) and task_s < 1.0:
                inbox.append(action)
            elif isinstance(action, SendAttempts):
                inbox.extend(SendAttempts(action.agent, [each]) for each in action.attempts)
            elif isinstance(action, CompleteTasks):
                finished += [task.id for task, _ in action.completions]
        if finished:
            began = time.perf_counter()
            dispatcher.handle(TasksFinalized(finished), now)
            spent_s += time.perf_counter() - began

    gc.collect()
    for start in range(0, tasks, SUBMITTED_AT_ONCE):
        tell(TasksSubmitted(records[start : start + SUBMITTED_AT_ONCE]))
        while len(inbox) > 2 * agents:
            tell(ended(inbox.popleft(), task_s))
    while inbox:
        tell(ended(inbox.popleft(), task_s))
    if dispatcher.counts.done != tasks:
        raise SystemExit(f"{dispatcher.counts.done} of {tasks} tasks done")
    return spent_s


def ended(sent: SendAttempts, task_s: float) -> AttemptsEnded:
    """Return what an agent answers when all that was sent is done."""
    return AttemptsEnded(
        sent.agent,
        [
            ResultRecord(task.id, attempt.number, 0, 0, 0, 8, 8, 5.0, 5.0 + task_s, b"12345678")
            for task, attempt in sent.attempts
        ],
    )


def cost_us(agents: int, tasks: int, task_s: float) -> float:
    """Return the microseconds per task, median of several runs."""
    seconds = statistics.median(run(agents, tasks, task_s) for _ in range(RUNS))
    return round(seconds / tasks * 1e6, 2)


def main() -> None:
    """Print one JSON document."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    tiny = {agents: cost_us(agents, tasks, TINY_S) for agents in (2, 10, 100)}
    long = {agents: cost_us(agents, tasks, LONG_S) for agents in (10, 100, 1000, 10_000)}
    result = {
        "benchmark": "core_dispatch",
        "tasks": tasks,
        "tiny_us_per_task_by_agents": tiny,
        "long_us_per_task_by_agents": long,
        "growth_from_10_to_10000_agents": round(long[10_000] / long[10], 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
