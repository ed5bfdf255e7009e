"""What all parts of the dispatcher share, and the bookkeeping that keeps it consistent.

A task is WAITING in a lane, or RUNNING with at least one live attempt, or FINALIZING until its
callback has returned, or final. It stays known until its last live attempt has ended, so that late
results find it. A live attempt is in `held` of its agent, whatever has become of its task.

A task whose live attempts all are in doubt (the agent is silent, suspended or cooling, or the slot
does not answer) is an *orphan*: it may get a copy as soon as an agent has a free slot.
"""

from __future__ import annotations

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.estimates import Estimate, window_of
from hxgrid.user.core.lanes import Lanes
from hxgrid.user.core.orders import Orders
from hxgrid.user.core.ranking import Ranking
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState
from hxgrid.user.core.timers import Jitter, Timers

IDLE, HAS_FREE_SLOT, SLOTS_FULL = range(3)
"""Tiers of `ready`."""


class Tally:
    """How many tasks there have been, by what became of them."""

    __slots__ = ("accepted", "cancelled", "done", "failed", "finalizing")

    def __init__(self) -> None:
        self.accepted = 0
        self.finalizing = 0
        self.done = 0
        self.failed = 0
        self.cancelled = 0

    @property
    def unfinished(self) -> int:
        """Tasks that have not ended."""
        return self.accepted - self.done - self.failed - self.cancelled


class DispatchState:
    """Tables; the rules that change them are in the modules beside this one."""

    __slots__ = (
        "agents",
        "chance",
        "chosen",
        "copies",
        "copy_s",
        "doubts_changed",
        "estimates",
        "fit_count",
        "free_slots",
        "fresh",
        "jitter",
        "lanes",
        "looked_up",
        "next_index",
        "orders",
        "orphans",
        "overfull",
        "ready",
        "recalling",
        "settings",
        "slot_s",
        "tally",
        "tasks",
        "timers",
        "unproved",
    )

    def __init__(self, settings: DispatchSettings, seed: int) -> None:
        self.settings = settings
        self.jitter = Jitter(seed)
        self.chance = Jitter(~seed)
        """Decides which tasks are verified."""
        self.orders = Orders()
        self.timers = Timers()
        self.tally = Tally()
        self.lanes = Lanes()
        self.tasks: dict[int, TaskRecord] = {}
        self.looked_up: dict[int, TaskRecord] = {}
        """Waiting tasks whose result may be known from an earlier run: in no lane."""
        self.chosen: dict[int, TaskRecord] = {}
        """Tasks with a proof whose first attempt has not been sent."""
        self.unproved: dict[int, TaskRecord] = {}
        """Tasks with a proof that want one more attempt than they have."""
        self.agents: dict[str, AgentView] = {}
        self.next_index = 0
        self.fit_count = 0
        """Agents that something may be sent to."""
        self.free_slots = 0
        """Of the agents in `ready`."""
        self.ready = Ranking()
        """Fit agents with room: idle ones first, then those with a free slot, then by load."""
        self.overfull = Ranking()
        """Agents with attempts beyond their slots, longest expected backlog first."""
        self.fresh: dict[AgentView, None] = {}
        """Agents that have changed since lanes were last offered around."""
        self.orphans: dict[int, TaskRecord] = {}
        self.doubts_changed = False
        """There are new orphans or newly free agents."""
        self.estimates: dict[int, Estimate] = {}
        """Durations by function, over all agents."""
        self.recalling = 0
        """Attempts that may come back soon."""
        self.copies: dict[Attempt, None] = {}
        """Live copies of stragglers, which count against the budget."""
        self.slot_s = 0.0
        """Time that attempts have used, and of that the copies of stragglers:"""
        self.copy_s = 0.0

    @property
    def running_count(self) -> int:
        """How many tasks have an attempt that may still bring a result."""
        waiting = len(self.lanes) + len(self.looked_up)
        return self.tally.unfinished - self.tally.finalizing - waiting

    # ------------------------------------------------------------------ agents

    def window_of(self, agent: AgentView, function: int, cost: float | None = None) -> int:
        """Return how many attempts an agent may hold while it is given this function."""
        if agent.on_parole:
            return 1
        estimate = agent.estimates.get(function)
        return window_of(agent.slots, estimate, agent.round_trip_s, self.settings, cost)

    def rank(self, agent: AgentView) -> None:
        """Put an agent where it belongs in `ready` and `overfull`."""
        held, slots, window = len(agent.held), agent.slots, agent.window
        room = window - held
        # Large windows are topped up by the quarter, so that messages carry many attempts.
        free = 0
        if agent.is_fit and room > 0 and (held < slots or 4 * room >= window):
            if held < slots:
                free = slots - held
                tier = HAS_FREE_SLOT if held else IDLE
                self.ready.put(agent, tier, agent.speed + 0.001 * held / slots)
            else:
                self.ready.put(agent, SLOTS_FULL, agent.speed * held / slots)
        else:
            self.ready.drop(agent)
        if free != agent.counted_free:
            self.free_slots += free - agent.counted_free
            agent.counted_free = free
        if held > slots and agent.can_give_back:
            self.overfull.put(agent, 0, -agent.backlog_s)
        else:
            self.overfull.drop(agent)

    def refresh(self, agent: AgentView) -> None:
        """Note that what an agent holds or can take has changed."""
        self.fresh[agent] = None
        if self.orphans:
            self.doubts_changed = True
        self.rank(agent)

    def reassess(self, agent: AgentView) -> None:
        """Derive everything anew after its contact, load, slots or cooling have changed."""
        was_fit, was_doubtful = agent.is_fit, agent.doubtful
        agent.update_fitness()
        self.fit_count += agent.is_fit - was_fit
        if agent.doubtful != was_doubtful:
            for task in list(agent.held.values()):
                self.review(task)
        self.refresh(agent)

    # ------------------------------------------------------------------ attempts

    def live_attempts(self, task: TaskRecord) -> list[Attempt]:
        """Return the attempts of a task that have not ended."""
        return [each for each in task.attempts if each.state is not AttemptState.ENDED]

    def in_doubt(self, attempt: Attempt) -> bool:
        """Say whether a live attempt may take for ever."""
        agent = self.agents[attempt.agent]
        return agent.doubtful or attempt in agent.troubled

    def review(self, task: TaskRecord) -> None:
        """Decide whether a task is an orphan."""
        has_result = task.proof is not None and task.proof.good
        if has_result and task.state is TaskState.RUNNING:
            self.unproved[task.id] = task  # its check may be what is in doubt
        if task.state is TaskState.RUNNING and task.idempotent and not has_result:
            live = self.live_attempts(task)
            if live and all(map(self.in_doubt, live)):
                self.orphans[task.id] = task
                self.doubts_changed = True
                return
        self.orphans.pop(task.id, None)

    def detach(self, attempt: Attempt, now: float) -> None:
        """End an attempt in all tables; its outcome is set by the caller."""
        if attempt.state is AttemptState.RECALLED:
            self.recalling = max(0, self.recalling - 1)
        attempt.state = AttemptState.ENDED
        agent = self.agents[attempt.agent]
        task = agent.held.pop(attempt)
        agent.busy_at = now
        agent.pending_bytes = max(0, agent.pending_bytes - task.raw_bytes)
        if attempt in agent.troubled:
            del agent.troubled[attempt]
            self.reassess(agent)
        if attempt in self.copies:
            del self.copies[attempt]
            self.copy_s += now - attempt.placed_at

    def stop_others(self, task: TaskRecord) -> None:
        """Have all live attempts of a task stopped that are not stopping yet."""
        for attempt in self.live_attempts(task):
            if attempt.state is AttemptState.RECALLED:
                self.recalling = max(0, self.recalling - 1)
            if attempt.state is not AttemptState.STOPPING:
                attempt.state = AttemptState.STOPPING
                if self.agents[attempt.agent].is_connected:
                    self.orders.cancel(attempt.agent, (task.id, attempt.number))

    def forget_if_over(self, task: TaskRecord) -> None:
        """Forget a final task whose last attempt has ended."""
        if task.state.is_final and not self.live_attempts(task):
            self.tasks.pop(task.id, None)

    # ------------------------------------------------------------------ estimates

    def estimate_of(self, function: int) -> Estimate:
        """Return what is known of a function over all agents."""
        estimate = self.estimates.get(function)
        if estimate is None:
            estimate = self.estimates[function] = Estimate()
        return estimate

    def learn_cost(self, agent: AgentView, function: int, took_s: float, cost: float) -> None:
        """Take in what a task of known cost took; before `learn`."""
        agent.estimate_of(function).add_costed(took_s, cost)
        self.estimate_of(function).add_costed(took_s, cost)

    def learn(self, agent: AgentView, function: int, total_s: float, count: int) -> None:
        """Take in the durations of `count` good results."""
        own = agent.estimate_of(function)
        own.add(total_s, count)
        shared = self.estimate_of(function)
        shared.add(total_s, count)
        self.slot_s += own.mean_s * count
        agent.measured(own, shared)
        agent.window = self.window_of(agent, function)
