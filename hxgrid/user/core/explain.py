"""One sentence for each task that waits and each agent that gets no work."""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState
from hxgrid.wire.messages import Reason

MAX_EXPLAINED: Final = 100
"""Waiting tasks that are explained one by one; nobody reads more."""


class Explanation(NamedTuple):
    """One sentence about one task or agent."""

    kind: str
    """"task" or "agent"; "journal" where a journal has a problem."""
    subject: str
    """Id of the task, name of the agent, or path of the journal."""
    text: str


def why_task(state: DispatchState, task_id: int, now: float) -> str:
    """Say where a task stands."""
    task = state.tasks.get(task_id)
    if task is None:
        return f"Task {task_id} has ended, or there never was one."
    match task.state:
        case TaskState.WAITING if task.id in state.looked_up:
            return f"Task {task_id} waits: its result is looked for in the journal."
        case TaskState.WAITING:
            return f"Task {task_id} waits: {_why_waiting(state, task, now)}."
        case TaskState.RUNNING:
            if task.proof is not None and task.proof.good:
                return (
                    f"Task {task_id} has a good result, which waits to be compared with that of "
                    "another agent."
                )
            live = [_about(state, each, now) for each in state.live_attempts(task)]
            return f"Task {task_id} is {'; a copy is '.join(live)}."
        case TaskState.FINALIZING:
            return f"Task {task_id} has a good result; its finalize callback has not returned yet."
        case TaskState.DONE | TaskState.FAILED | TaskState.CANCELLED:
            return f"Task {task_id} has ended ({task.state.value})."


def explain_all(state: DispatchState, now: float) -> list[Explanation]:
    """Say why, for waiting tasks and idle agents."""
    texts = [
        Explanation("task", str(task.id), why_task(state, task.id, now))
        for task in islice(state.lanes, MAX_EXPLAINED)
    ]
    hidden = len(state.lanes) - len(texts)
    if hidden > 0:
        texts.append(Explanation("task", "...", f"{hidden} more tasks wait behind these."))
    texts += [
        Explanation("agent", agent.name, _about_agent(state, agent, now))
        for agent in state.agents.values()
        if not agent.held or not agent.is_fit
    ]
    return texts


def _why_waiting(state: DispatchState, task: TaskRecord, now: float) -> str:
    agents = list(state.agents.values())
    task.unfit_reason = ""
    if not agents:
        return "no agent is known yet"
    open_agents = [agent for agent in agents if agent.is_fit]
    if not open_agents:
        others = f", and none of {len(agents) - 1} others is fit" if len(agents) > 1 else ""
        return f"agent {agents[0].name} {agents[0].why_unfit(now)}{others}"
    obstacles = [_obstacle(state, agent, task, now) for agent in open_agents]
    if all(obstacles):
        task.unfit_reason = f"agent {open_agents[0].name}: it {obstacles[0]}"
        if len(open_agents) > 1:
            task.unfit_reason += f" (and none of {len(open_agents) - 1} others can take it)"
        return task.unfit_reason
    ahead = sum(other.id < task.id for other in islice(state.lanes, 100_000))
    if not ahead:
        return "all agents that can take it are full; it is the next one"
    were = "task was" if ahead == 1 else "tasks were"
    return f"all agents that can take it are full; {ahead} {were} submitted before it"


def _obstacle(state: DispatchState, agent: AgentView, task: TaskRecord, now: float) -> str:
    """Say why a fit agent may not have a task, however free it is; empty if it may."""
    lacking = agent.lacks(task.requires) if task.requires is not None else ""
    if lacking:
        return f"does not suit, the task {lacking}"
    trouble = task.trouble
    if trouble is not None:
        if agent.agent in trouble.backoff_until and trouble.backoff_until[agent.agent] > now:
            left_s = trouble.backoff_until[agent.agent] - now
            return f"did not take it and is asked again in {left_s:.1f} s{_last_reason(task)}"
        if trouble.avoids_failed and agent.agent in trouble.failed_on:
            return f"failed it, another agent or a pause comes first{_last_reason(task)}"
    needed = task.raw_bytes * state.settings.agent_min_free_memory_factor
    if not agent.has_memory_for(needed, state.settings.agent_min_free_memory_bytes):
        free = agent.load.free_memory_bytes if agent.load is not None else 0
        return f"has {free} bytes of free memory, the task needs {int(needed)}"
    return ""


def _last_reason(task: TaskRecord) -> str:
    for attempt in reversed(task.attempts):
        reason = attempt.reason
        if reason:
            return f" ({reason.text if isinstance(reason, Reason) else reason})"
    return ""


def _about(state: DispatchState, attempt: Attempt, now: float) -> str:
    agent = state.agents[attempt.agent]
    age_s = now - attempt.placed_at
    text = f"on agent {agent.name} for {age_s:.1f} s (attempt {attempt.number})"
    if attempt in agent.troubled:
        return f"{text}, in a slot that does not answer"
    if attempt.state is AttemptState.STOPPING:
        return f"{text}, being stopped"
    return f"{text}, which {agent.why_unfit(now)}" if agent.doubtful else text


def _about_agent(state: DispatchState, agent: AgentView, now: float) -> str:
    unfit = agent.why_unfit(now)
    if unfit:
        return f"Agent {agent.name} gets no work: it {unfit}."
    for task in islice(state.lanes, MAX_EXPLAINED):
        obstacle = _obstacle(state, agent, task, now)
        if obstacle:
            return f"Agent {agent.name} gets no work: for task {task.id}, it {obstacle}."
    return f"Agent {agent.name} gets no work: there is nothing that waits."
