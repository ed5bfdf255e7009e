"""The end of a job: when nothing is left that could be sent and an agent has a free slot.

First attempts that have not started are *recalled* from the agent with the longest backlog; each
comes back as not started, and only then is its task placed elsewhere. An agent that says nothing
to a recall has started the attempt. Then *orphans* get a copy: tasks whose every live attempt is in
doubt. Last, *stragglers*: attempts older than a multiple of what their function takes get one
copy each, oldest first, within a budget.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.placement import Placement
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState

RECALL_ANSWER_S: Final = 0.5
"""After this time an unanswered recall is taken for "it has started"."""
MIN_RECALL_S: Final = 0.02
"""A backlog that is shorter is gone before it could be moved."""
MAX_LOOKED_AT: Final = 256
"""Entries of a long list that one event may cost."""
COPIES_AGAIN_S: Final = 0.05
"""Pause before orphans that nobody could take are offered again, unless something changes."""
STRAGGLER_MULTIPLE: Final = 3.0
"""How many times the mean duration makes an attempt a straggler. With lognormal times of sigma 1
one in twenty is; the budget takes care of those."""
MIN_STRAGGLER_S: Final = 0.1
"""Age below which nothing is a straggler: a busy computer is easily late by some of it."""
MIN_SCAN_S: Final = 0.05
LONGEST_SCAN_S: Final = 0.25
SCAN_SHARE_S: Final = 2e-5
"""Pause between two looks at all attempts, at least and per attempt: at most a twentieth of a
core for any number of them."""


class Copies:
    """Recall, copies of orphans, copies of stragglers."""

    __slots__ = ("_placement", "_state")

    def __init__(self, state: DispatchState, placement: Placement) -> None:
        self._state = state
        self._placement = placement

    def run(self, now: float) -> None:
        """Do what can be done at once. Called when nothing more can be placed."""
        state = self._state
        is_scan_due = not state.timers.is_set("stragglers")
        # Asked first, because mostly there is nothing of all this.
        if not (is_scan_due or state.orphans or len(state.overfull)):
            return
        idle = state.ready.best()
        if idle is None or idle.free_slots <= 0:
            return
        if len(state.overfull):
            self._recall(idle, now)
        if not state.settings.send_duplicate_tasks:
            return
        if state.orphans and (state.doubts_changed or not state.timers.is_set("copies")):
            self._copy_orphans(now)
        if is_scan_due and state.running_count:
            state.timers.set("stragglers", now + MIN_SCAN_S)

    # ------------------------------------------------------------------ recall

    def _recall(self, idle: AgentView, now: float) -> None:
        state = self._state
        victim = state.overfull.best()
        if victim is None or victim.backlog_s < max(MIN_RECALL_S, 2.0 * victim.round_trip_s):
            return
        unstarted = len(victim.held) - victim.slots
        free = state.free_slots - state.recalling
        if free <= 0:
            return
        wanted = max(1, unstarted * free // (free + victim.slots))
        chosen = self._recallable(victim, idle, unstarted)[:wanted]
        if not chosen:
            state.overfull.drop(victim)
            return
        for attempt, _ in chosen:
            attempt.state = AttemptState.RECALLED
        keys = [(task.id, attempt.number) for attempt, task in chosen]
        state.orders.recalled.setdefault(victim.agent, []).extend(keys)
        state.recalling += len(keys)
        state.timers.set("recall", now + RECALL_ANSWER_S)

    def _recallable(
        self, victim: AgentView, idle: AgentView, unstarted: int
    ) -> list[tuple[Attempt, TaskRecord]]:
        """Return attempts there that the idle agent could take, the least likely started first."""
        newest = islice(reversed(victim.held.items()), min(unstarted, 4 * MAX_LOOKED_AT))
        return [
            (attempt, task)
            for attempt, task in newest
            if attempt.state is AttemptState.SENT and self._suits(idle, task)
        ]

    def stop_waiting(self) -> None:
        """Take unanswered recalls for refused."""
        self._state.recalling = 0

    # ------------------------------------------------------------------ copies

    def _copy_orphans(self, now: float) -> None:
        state = self._state
        state.doubts_changed = False
        for task in list(islice(state.orphans.values(), MAX_LOOKED_AT)):
            agent = self._agent_for(task, now)
            if agent is not None:
                self._placement.send(agent, [task], now, as_copy=True)
                state.orphans.pop(task.id)
        if state.orphans:
            state.timers.set("copies", now + COPIES_AGAIN_S)

    def scan_stragglers(self, now: float) -> None:
        """Copy what has become too old, and arrange for the next look."""
        state = self._state
        idle = state.ready.best()
        if idle is None or idle.free_slots <= 0 or state.lanes.has_movable():
            return
        late: list[tuple[float, int, TaskRecord, Attempt]] = []
        looked_at, next_at = 0, now + LONGEST_SCAN_S
        for agent in state.agents.values():
            looked_at += 1 + len(agent.held)
            if agent.doubtful:
                continue
            for attempt, task in agent.held.items():
                late_at = self._late_at(agent, attempt, task)
                if late_at is None:
                    continue
                if late_at <= now:
                    late.append((late_at, task.id, task, attempt))
                else:
                    next_at = min(next_at, late_at)
        late.sort(key=lambda entry: entry[:2])
        waiting = [entry for entry in late if not self._copy_straggler(entry[2], entry[3], now)]
        if looked_at > len(state.agents):
            pause_s = max(MIN_SCAN_S, SCAN_SHARE_S * looked_at)
            state.timers.set(
                "stragglers", now + pause_s if waiting else max(next_at, now + pause_s)
            )

    def _late_at(self, agent: AgentView, attempt: Attempt, task: TaskRecord) -> float | None:
        if (
            task.state is not TaskState.RUNNING
            or not task.idempotent
            or attempt.state is AttemptState.STOPPING
            or (task.proof is not None and task.proof.good)
            or len(self._state.live_attempts(task)) > 1
        ):
            return None
        estimate = self._state.estimates.get(task.function)
        if estimate is None or not estimate.count:
            return None
        sessions = agent.load.sessions if agent.load is not None else 1
        usual_s = estimate.expected_s(task.cost) * max(sessions, 1)
        return agent.began_at(attempt) + max(STRAGGLER_MULTIPLE * usual_s, MIN_STRAGGLER_S)

    def _copy_straggler(self, task: TaskRecord, attempt: Attempt, now: float) -> bool:
        state = self._state
        mean_s = state.estimates[task.function].expected_s(task.cost)
        age_s = now - attempt.placed_at
        live_s = sum(now - copy.placed_at + mean_s for copy in state.copies)
        allowed_s = state.settings.duplicate_budget * (state.slot_s + age_s)
        if state.copy_s + live_s + mean_s > allowed_s:
            return False
        agent = self._agent_for(task, now)
        if agent is None or mean_s * agent.speed > age_s:
            return False
        self._placement.send(agent, [task], now, as_copy=True)
        state.copies[task.attempts[-1]] = None
        return True

    # ------------------------------------------------------------------ choice of the agent

    def _agent_for(self, task: TaskRecord, now: float) -> AgentView | None:
        """Return the best agent with a free slot for another attempt of a task."""
        state = self._state
        live = state.live_attempts(task)
        stuck = sum(attempt in state.agents[attempt.agent].troubled for attempt in live)
        if stuck >= state.settings.max_attempts:
            return None  # It may be the task that stops its process; not in every slot there is.
        avoided = set(task.trouble.avoided(now)) if task.trouble is not None else set()
        holders = {attempt.agent for attempt in live}
        best = state.ready.best()
        if best is not None and best.agent not in avoided | holders and self._has_slot(best, task):
            return best
        candidates = [
            each for each in state.ready if each.agent not in avoided and self._has_slot(each, task)
        ]
        # A slot that does not answer says nothing against its neighbours in the same agent.
        elsewhere = [each for each in candidates if each.agent not in holders]
        beside = [each for each in candidates if self._holds_only_stuck(each, task)]
        return min(elsewhere or beside, key=_preference, default=None)

    def _has_slot(self, agent: AgentView, task: TaskRecord) -> bool:
        return agent.free_slots > 0 and self._suits(agent, task)

    def _suits(self, agent: AgentView, task: TaskRecord) -> bool:
        if task.requires is not None and agent.lacks(task.requires):
            return False
        if task.trouble is not None and agent.agent in task.trouble.failed_on:
            return False
        settings = self._state.settings
        needed_bytes = task.raw_bytes * settings.agent_min_free_memory_factor
        return agent.has_memory_for(needed_bytes, settings.agent_min_free_memory_bytes)

    def _holds_only_stuck(self, agent: AgentView, task: TaskRecord) -> bool:
        mine = [
            attempt for attempt in self._state.live_attempts(task) if attempt.agent == agent.agent
        ]
        return bool(mine) and all(attempt in agent.troubled for attempt in mine)


def _preference(agent: AgentView) -> tuple[bool, float, int]:
    return (len(agent.held) > 0, agent.speed, agent.index)
