"""What must hold between the tables after every event. Tests ask; nothing else does."""

from __future__ import annotations

from hxgrid.user.core.estimates import MAX_WINDOW
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import AttemptState, TaskRecord, TaskState


def check_state(state: DispatchState) -> None:
    """Assert every invariant of the dispatcher."""
    for task in state.tasks.values():
        _check_task(state, task)
    _check_agents(state)
    _check_counts(state)
    waiting = [task.id for task in state.lanes]
    assert len(waiting) == len(set(waiting)) == len(state.lanes), "a task waits twice"


def _check_task(state: DispatchState, task: TaskRecord) -> None:
    live = state.live_attempts(task)
    wanted = [each for each in live if each.state is not AttemptState.STOPPING]
    numbers = [each.number for each in task.attempts]
    assert numbers == list(range(1, len(numbers) + 1)), f"task {task.id}: attempts {numbers}"
    is_placeless = task.lane is None and task.id not in state.looked_up
    assert is_placeless != (task.state is TaskState.WAITING), f"task {task.id}: lane"
    has_result = task.proof is not None and bool(task.proof.good)
    match task.state:
        case TaskState.WAITING:
            assert not live, f"task {task.id} waits with live attempts"
            assert not has_result, f"task {task.id} waits and has a result"
        case TaskState.RUNNING:
            assert wanted or has_result, f"task {task.id} runs without an attempt"
        case TaskState.FINALIZING:
            assert not wanted, f"task {task.id} has a result and goes on"
        case TaskState.DONE | TaskState.FAILED | TaskState.CANCELLED:
            assert live, f"task {task.id} is over and not forgotten"
            assert not wanted, f"task {task.id} is over and goes on"
    if not task.idempotent:
        assert len(live) <= 1, f"task {task.id} must not run twice"
    for attempt in live:
        agent = state.agents.get(attempt.agent)
        assert agent is not None, f"task {task.id} is held by a forgotten agent"
        assert agent.held.get(attempt) is task, f"task {task.id} is not held"
    is_orphan = (
        task.state is TaskState.RUNNING
        and task.idempotent
        and not has_result
        and all(map(state.in_doubt, live))
    )
    if task.id in state.unproved:
        assert task.proof is not None, f"task {task.id} is verified without a proof"
        assert task.state in (TaskState.WAITING, TaskState.RUNNING), f"task {task.id} is proved"
    assert is_orphan == (task.id in state.orphans), f"task {task.id}: orphan {not is_orphan}"


def _check_agents(state: DispatchState) -> None:
    for agent in state.agents.values():
        was = (agent.is_fit, agent.doubtful)
        agent.update_fitness()
        assert was == (agent.is_fit, agent.doubtful), f"{agent.name}: fitness is out of date"
        assert agent.pending_bytes >= 0, f"{agent.name}: negative bytes on their way"
        for attempt, task in agent.held.items():
            assert attempt.agent == agent.agent, f"{agent.name} holds a stranger's attempt"
            assert attempt.state is not AttemptState.ENDED, f"{agent.name} holds what has ended"
            assert state.tasks.get(task.id) is task, f"{agent.name} holds a forgotten task"
        assert agent.window <= max(MAX_WINDOW, agent.slots + 1) or (
            state.settings.send_ahead != "auto"
        ), f"{agent.name}: window of {agent.window}"
        assert set(agent.troubled) <= set(agent.held), f"{agent.name}: trouble with nothing"
    for ready in state.ready:
        assert ready.is_fit, f"{ready.name} is ready and unfit"
        assert ready.room > 0, f"{ready.name} is ready without room"
    free = [max(each.free_slots, 0) for each in state.ready]
    assert state.free_slots == sum(free), f"{state.free_slots} free slots counted, {sum(free)} are"
    assert state.fit_count == sum(agent.is_fit for agent in state.agents.values())
    assert set(state.copies) <= {each for agent in state.agents.values() for each in agent.held}


def _check_counts(state: DispatchState) -> None:
    states = [task.state for task in state.tasks.values()]
    tally = state.tally
    assert states.count(TaskState.FINALIZING) == tally.finalizing
    unfinished = sum(not each.is_final for each in states)
    assert unfinished == tally.unfinished, f"{unfinished} tasks, {tally.unfinished} counted"
    assert states.count(TaskState.WAITING) == len(state.lanes) + len(state.looked_up)
    assert states.count(TaskState.RUNNING) == state.running_count
    assert state.recalling >= 0
