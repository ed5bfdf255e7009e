"""Gives waiting tasks to agents with room: the best agent takes the oldest tasks it can.

An agent is served in two rounds: first its free slots, then, when every agent has something to
do, what it should hold ahead; of a short queue each gets its share only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.lanes import Lane, can_take
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import Attempt, Proof, TaskRecord, TaskState

QUANTUM_S: Final = 0.0005
"""Work that is dealt at a time: dealing tiny tasks one by one would cost more than they do."""
COUNTED_BYTES: Final = 65536
"""Inputs from this size on are counted one by one against free memory."""


class Placement:
    """The pull."""

    __slots__ = ("_state",)

    def __init__(self, state: DispatchState) -> None:
        self._state = state

    def run(self, now: float) -> None:
        """Place whatever can be placed."""
        state = self._state
        lanes, ready = state.lanes, state.ready
        if state.fresh:
            if lanes.has_stuck():
                self._offer_stuck(now)
            state.fresh.clear()
        aside: list[AgentView] = []
        while lanes.has_movable():
            agent = ready.best()
            if agent is None:
                break
            if not self._serve(agent, now):
                ready.drop(agent)
                aside.append(agent)
        if aside:
            if not len(ready):
                for lane in lanes.lanes:
                    lane.stuck = lane.count > 0
            for agent in aside:
                state.rank(agent)

    def send(
        self, agent: AgentView, tasks: Sequence[TaskRecord], now: float, *, as_copy: bool = False
    ) -> None:
        """Make an attempt of each task and have it sent."""
        state = self._state
        name, held = agent.agent, agent.held
        batch = state.orders.sends.get(name)
        if batch is None:
            batch = state.orders.sends[name] = []
        sent_bytes = 0
        running = TaskState.RUNNING
        for task in tasks:
            attempts = task.attempts
            attempt = Attempt(len(attempts) + 1, name, now, as_copy)
            task.attempts = [*attempts, attempt] if attempts else [attempt]
            task.state = running
            held[attempt] = task
            batch.append((task, attempt))
            sent_bytes += task.raw_bytes
        if agent.must_prove:
            self._have_proved(tasks)
        agent.pending_bytes += sent_bytes
        agent.mark_begun(now)
        state.rank(agent)

    def _have_proved(self, tasks: Sequence[TaskRecord]) -> None:
        """Have tasks verified that go to an agent which was wrong before."""
        for task in tasks:
            if task.idempotent and task.proof is None:
                task.proof = Proof()
                self._state.unproved[task.id] = task

    def _offer_stuck(self, now: float) -> None:
        for agent in list(self._state.fresh):
            while agent in self._state.ready and self._serve(agent, now):
                pass

    def _serve(self, agent: AgentView, now: float) -> int:
        state = self._state
        lane, head = self._lane_for(agent)
        if lane is None or head is None:
            return 0
        limit = self._limit(agent, lane, head)
        if limit <= 0:
            state.rank(agent)  # Its window is smaller for this function.
            return 0
        tasks = lane.take(limit, head.function)
        state.lanes.tidy(lane)
        self.send(agent, tasks, now)
        return len(tasks)

    def _lane_for(self, agent: AgentView) -> tuple[Lane | None, TaskRecord | None]:
        """Return the lane from which it takes next, with its first task."""
        state = self._state
        settings = state.settings
        reserve, factor = (
            settings.agent_min_free_memory_bytes,
            settings.agent_min_free_memory_factor,
        )
        best: Lane | None = None
        first: TaskRecord | None = None
        for lane in state.lanes.lanes:
            head = lane.head() if lane.count else None
            if (
                head is not None
                and (first is None or head.id < first.id)
                and can_take(agent, lane, head, reserve, factor)
            ):
                best, first = lane, head
        return best, first

    def _limit(self, agent: AgentView, lane: Lane, head: TaskRecord) -> int:
        state = self._state
        window = agent.window = state.window_of(agent, head.function, head.cost)
        room = window - len(agent.held)
        estimate = agent.estimates.get(head.function)
        mean_s = estimate.expected_s(head.cost) if estimate is not None else 0.0
        quantum = int(QUANTUM_S * agent.slots / mean_s) if 0.0 < mean_s < QUANTUM_S else 1
        share = agent.free_slots
        if share <= 0:
            share = lane.count // len(state.ready)
        limit = min(room, max(share, quantum))
        if head.raw_bytes >= COUNTED_BYTES and agent.load is not None and limit > 1:
            available = agent.load.free_memory_bytes - agent.pending_bytes
            needed = head.raw_bytes * state.settings.agent_min_free_memory_factor
            if needed > 0:
                limit = max(1, min(limit, int(available / needed)))
        return limit
