"""A grid in virtual time around the real dispatcher: agents, and a network between.

No processes and no sockets, so a job of hours on thousands of agents takes seconds. What a task
takes on an agent of normal speed is told by `durations`; a slow agent takes so many times longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush

from benchmarks.core_dispatch import arrivals
from hxgrid.user.core.actions import (
    AcknowledgeResults,
    Action,
    CancelAttempts,
    CompleteTasks,
    PingAgents,
    RecallAttempts,
    SendAttempts,
)
from hxgrid.user.core.dispatcher import Dispatcher
from hxgrid.user.core.events import (
    AgentsHeard,
    AttemptsEnded,
    Event,
    TasksFinalized,
    TasksSubmitted,
)
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import TaskRecord
from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.messages import Outcome

LATENCY_S = 0.0003
_GOOD, _CANCELLED, _NOT_STARTED = Outcome.DONE, Outcome.CANCELLED, Outcome.NOT_STARTED


class VirtualAgent:
    """Runs attempts in their order, one in each slot."""

    __slots__ = ("free", "name", "queue", "running", "slowness")

    def __init__(self, name: str, slots: int, slowness: float) -> None:
        self.name = name
        self.free = slots
        self.slowness = slowness
        self.queue: dict[Key, float] = {}
        """Unstarted attempts, oldest first, and what each takes."""
        self.running: dict[Key, float] = {}
        """Attempts in slots, and when each began."""


class VirtualGrid:
    """Runs one job to its end."""

    def __init__(
        self,
        settings: DispatchSettings,
        slowness: Sequence[float],
        *,
        slots: int = 1,
        seed: int = 0,
    ) -> None:
        self.now = 0.0
        self.core_s = 0.0
        """Processor time that the dispatcher has used."""
        self.sent_s = 0.0
        """Virtual slot time that was used, for losers too."""
        self.dispatcher = Dispatcher(settings, seed)
        self._serial = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._durations: Mapping[int, float] = {}
        self._tick_at: float | None = None
        self._agents = {
            f"{index:032x}": VirtualAgent(f"{index:032x}", slots, slow)
            for index, slow in enumerate(slowness)
        }
        self._connect(slots)

    def run(self, durations: Sequence[float], *, function: int = 1, at_once: int = 1000) -> float:
        """Run tasks of these durations; return the virtual seconds until the last result."""
        began = self.now
        self._durations = dict(enumerate(durations, 1))
        counts = self.dispatcher.counts
        for start in range(0, len(durations), at_once):
            tasks = [
                TaskRecord(number, function, b"x", stored_bytes=1, raw_bytes=1)
                for number in range(start + 1, min(start + at_once, len(durations)) + 1)
            ]
            self._tell(TasksSubmitted(tasks))
        while counts.unfinished:
            if not self._agenda:
                raise SystemExit(f"{counts.unfinished} tasks will never end")
            self.now, _, call = heappop(self._agenda)
            call()
        return self.now - began

    def _connect(self, slots: int) -> None:
        for event in arrivals(list(self._agents), slots):
            self._tell(event)
        self.core_s = 0.0

    # -- the dispatcher

    def _tell(self, event: Event) -> None:
        began = time.process_time()
        actions = self.dispatcher.handle(event, self.now)
        self.core_s += time.process_time() - began
        self._finish(actions)

    def _tick(self, planned_at: float) -> None:
        if planned_at != self._tick_at:
            return
        self._tick_at = None
        began = time.process_time()
        actions = self.dispatcher.tick(self.now)
        self.core_s += time.process_time() - began
        self._finish(actions)

    def _finish(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._carry_out(action)
        deadline = self.dispatcher.next_deadline()
        if deadline is not None and deadline != self._tick_at:
            self._tick_at = deadline
            self._at(deadline, partial(self._tick, deadline))

    def _carry_out(self, action: Action) -> None:
        match action:
            case SendAttempts(name, attempts):
                keys = [(task.id, attempt.number) for task, attempt in attempts]
                self._later(partial(self._receive, self._agents[name], keys))
            case CompleteTasks(completions):
                self._tell(TasksFinalized([task.id for task, _ in completions]))
            case RecallAttempts(name, keys) | CancelAttempts(name, keys):
                is_recall = isinstance(action, RecallAttempts)
                self._later(partial(self._stop, self._agents[name], keys, is_recall))
            case PingAgents(names):
                heard = [(name, 2 * LATENCY_S) for name in names]
                self._at(self.now + 2 * LATENCY_S, partial(self._tell, AgentsHeard(heard)))
            case AcknowledgeResults():
                pass
            case _:
                pass  # all agents are connected, and nothing fails

    # -- agents

    def _receive(self, agent: VirtualAgent, keys: Sequence[Key]) -> None:
        for key in keys:
            agent.queue[key] = self._durations[key[0]] * agent.slowness
        self._start(agent)

    def _start(self, agent: VirtualAgent) -> None:
        while agent.free and agent.queue:
            key = next(iter(agent.queue))
            seconds = agent.queue.pop(key)
            agent.free -= 1
            agent.running[key] = self.now
            self._at(self.now + seconds, partial(self._end, agent, key))

    def _end(self, agent: VirtualAgent, key: Key) -> None:
        if key in agent.running:
            self._leave_slot(agent, key, _GOOD)

    def _stop(self, agent: VirtualAgent, keys: Sequence[Key], is_recall: bool) -> None:
        for key in keys:
            if agent.queue.pop(key, None) is not None:
                self._answer(agent, key, _NOT_STARTED if is_recall else _CANCELLED, 0.0, 0.0)
            elif not is_recall and key in agent.running:
                self._leave_slot(agent, key, _CANCELLED)

    def _leave_slot(self, agent: VirtualAgent, key: Key, outcome: Outcome) -> None:
        began = agent.running.pop(key)
        agent.free += 1
        self.sent_s += self.now - began
        self._answer(agent, key, outcome, began, self.now)
        self._start(agent)

    def _answer(
        self, agent: VirtualAgent, key: Key, outcome: Outcome, began: float, ended: float
    ) -> None:
        record = ResultRecord(*key, int(outcome), 0, 0, 0, 0, began, ended, b"")
        self._later(partial(self._tell, AttemptsEnded(agent.name, [record])))

    # -- virtual time

    def _later(self, call: Callable[[], None]) -> None:
        self._at(self.now + LATENCY_S, call)

    def _at(self, moment: float, call: Callable[[], None]) -> None:
        self._serial += 1
        heappush(self._agenda, (moment, self._serial, call))
