"""What follows when attempts end: results, failures, losses, and the end of their tasks.

The first good result completes a task, also a late one of an attempt that was given up; the other
attempts are stopped. Failures count against `max_attempts`; what was refused, given back, stopped
or lost does not, for it says nothing about the task. While another attempt lives, a bad end decides
nothing. A task that is not idempotent is placed again only after an attempt that certainly never
started; after any other bad end it fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.cooling import Cooling
from hxgrid.user.core.events import AttemptsEnded
from hxgrid.user.core.reasons import reason_of
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState
from hxgrid.user.core.trouble import MAX_ATTEMPTS_EVER, MAX_LOSSES, Trouble
from hxgrid.user.core.verification import Verification
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.messages import AttemptFlag, Outcome, Reason

LOST: Final = "lost"
"""Outcome of an attempt that no RESULTS record told of."""
_OUTCOME_NAMES: Final = {outcome.value: outcome.name for outcome in Outcome}
_DONE: Final = int(Outcome.DONE)
_ALONE: Final = int(AttemptFlag.ALONE)
_COUNTING: Final = frozenset({Outcome.FAILED, Outcome.CRASHED, Outcome.UNUSABLE})
_NEVER_STARTED: Final = frozenset({Outcome.REFUSED, Outcome.NOT_STARTED, Outcome.UNUSABLE})


class Endings:
    """Takes results in, and ends tasks."""

    __slots__ = ("_cooling", "_state", "_verification")

    def __init__(self, state: DispatchState, cooling: Cooling, verification: Verification) -> None:
        self._state = state
        self._cooling = cooling
        self._verification = verification

    def take(self, event: AttemptsEnded, now: float) -> None:
        """Take in a batch of results and acknowledge all of it."""
        state = self._state
        agent = state.agents.get(event.agent)
        if agent is None:
            return
        acknowledged = state.orders.acknowledged.setdefault(event.agent, [])
        agent.last_end_at = now
        self._take_records(agent, event, acknowledged, now)
        agent.mark_begun(now)
        state.refresh(agent)

    def _take_records(
        self,
        agent: AgentView,
        event: AttemptsEnded,
        acknowledged: list[tuple[int, int]],
        now: float,
    ) -> None:
        state = self._state
        tasks, held, completions = state.tasks, agent.held, state.orders.completions
        # Nothing beyond the tables changes for the way of nearly all results: a task that has
        # one attempt, sent there, and good. The rest is left to `_settle`.
        plain = not (state.orphans or agent.troubled or agent.on_parole)
        sent, ended = AttemptState.SENT, AttemptState.ENDED
        running, finalizing = TaskState.RUNNING, TaskState.FINALIZING
        function, total_s, count, freed_bytes, completed = -1, 0.0, 0, 0, 0
        for record in event.records:
            task_id, number, outcome, _, slot, _, _, started_at, ended_at, _ = record
            acknowledged.append((task_id, number))
            task = tasks.get(task_id)
            if task is None:
                continue
            attempts = task.attempts
            if not 0 < number <= len(attempts):
                continue
            attempt = attempts[number - 1]
            if (
                plain
                and outcome == _DONE
                and len(attempts) == 1
                and attempt.state is sent
                and task.state is running
                and task.proof is None
                and attempt in held
            ):
                del held[attempt]
                attempt.state = ended
                attempt.outcome = "DONE"
                attempt.slot = slot
                attempt.started_at = started_at
                attempt.ended_at = ended_at
                task.state = finalizing
                completions.append((task, record))
                freed_bytes += task.raw_bytes
                completed += 1
            elif attempt.agent != event.agent or not self._settle(
                agent, task, attempt, record, now
            ):
                continue
            if task.function != function:
                if count:
                    state.learn(agent, function, total_s, count)
                function, total_s, count = task.function, 0.0, 0
            total_s += ended_at - started_at
            count += 1
            if task.cost is not None:
                state.learn_cost(agent, function, ended_at - started_at, task.cost)
        if count:
            state.learn(agent, function, total_s, count)
        state.tally.finalizing += completed
        agent.pending_bytes = max(0, agent.pending_bytes - freed_bytes)

    def _settle(
        self, agent: AgentView, task: TaskRecord, attempt: Attempt, record: ResultRecord, now: float
    ) -> bool:
        """Take in any result; say whether it was a good one of an attempt that lived."""
        was = attempt.state
        is_good = record.outcome == _DONE
        if was is AttemptState.ENDED:
            # Repeated, or late: the attempt was given up, but the work has been done.
            if is_good and attempt.outcome == LOST and not task.state.is_final:
                self._note(attempt, record)
                self.complete(task, record, now)
            return False
        self._state.detach(attempt, now)
        self._note(attempt, record)
        if is_good and agent.on_parole and not agent.must_prove:
            self._cooling.note_good(agent)
        if task.state is not TaskState.RUNNING:
            self._state.forget_if_over(task)
        elif is_good and task.proof is not None:
            self._complete_with(task, self._verification.take(task, record, now), now)
        elif is_good:
            self.complete(task, record, now)
        else:
            self._take_bad(agent, task, attempt, record, was, now)
        return is_good

    def _note(self, attempt: Attempt, record: ResultRecord) -> None:
        attempt.outcome = _OUTCOME_NAMES[record.outcome]
        attempt.slot = record.slot
        attempt.started_at = record.started_at
        attempt.ended_at = record.ended_at
        attempt.reason = None if record.outcome == _DONE else reason_of(record)

    def _take_bad(
        self,
        agent: AgentView,
        task: TaskRecord,
        attempt: Attempt,
        record: ResultRecord,
        was: AttemptState,
        now: float,
    ) -> None:
        outcome = Outcome(record.outcome)
        trouble = trouble_of(task)
        if outcome in _COUNTING:
            task.failures += 1
            trouble.failed_on[agent.agent] = None
            trouble.avoids_failed = True
            self._cooling.note_failure(agent, task.function, now)
        elif outcome is not Outcome.NOT_STARTED or was is not AttemptState.RECALLED:
            # Unasked, it would come back at once: the agent is about to say why by its state.
            trouble.losses += outcome is Outcome.LOST
            reason = attempt.reason
            if isinstance(reason, Reason) and reason.is_suspect:
                # It may have taken others down with it; the next time it is alone.
                task.flags |= _ALONE
            trouble.back_off(agent.agent, now)
        never_started = outcome in _NEVER_STARTED or (
            outcome is Outcome.CANCELLED and not record.started_at
        )
        self._go_on(task, now, may_have_started=not never_started)

    # ------------------------------------------------------------------ losses

    def lose(self, attempt: Attempt, task: TaskRecord, why: str, now: float, *, sure: bool) -> None:
        """Give an attempt up; `sure` says that it certainly never arrived at its agent."""
        self._state.detach(attempt, now)
        attempt.outcome = LOST
        attempt.reason = why
        if task.state is TaskState.RUNNING:
            trouble_of(task).losses += not sure
            self._go_on(task, now, may_have_started=not sure)
        else:
            self._state.forget_if_over(task)

    def _go_on(self, task: TaskRecord, now: float, *, may_have_started: bool) -> None:
        """Decide about a running task one of whose attempts has ended badly."""
        state, trouble = self._state, task.trouble
        if task.proof is not None:
            self._complete_with(task, self._verification.consider(task), now)
            if task.proof.good:
                return
        if state.live_attempts(task):
            state.review(task)
        elif (
            task.failures >= state.settings.max_attempts
            or (may_have_started and not task.idempotent)
            or trouble.losses >= MAX_LOSSES
            or len(task.attempts) >= MAX_ATTEMPTS_EVER
        ):
            self._fail(task)
        else:
            state.orphans.pop(task.id, None)
            task.state = TaskState.WAITING
            self._wait(task, now)

    def _wait(self, task: TaskRecord, now: float) -> None:
        state, trouble = self._state, task.trouble
        state.lanes.put_back(task, trouble.avoided(now))
        again_at = trouble.next_change_at(now + state.settings.retry_delay_s)
        if again_at is not None:
            state.timers.set(("retry", task.id), again_at)

    def reconsider(self, task_id: int, now: float) -> None:
        """Look anew which agents a waiting task avoids."""
        state = self._state
        task = state.tasks.get(task_id)
        if task is None or task.state is not TaskState.WAITING:
            return
        trouble = task.trouble
        trouble.avoids_failed = trouble.avoids_failed and self._is_wanted_elsewhere(task)
        self._wait(task, now)

    def _is_wanted_elsewhere(self, task: TaskRecord) -> bool:
        """Say whether a fit agent has not failed this task, be it busy at the moment."""
        return any(
            agent.is_fit
            and agent.agent not in task.trouble.failed_on
            and not (task.requires is not None and agent.lacks(task.requires))
            for agent in self._state.agents.values()
        )

    # ------------------------------------------------------------------ ends of tasks

    def compared(self, task_id: int, groups: Sequence[int], now: float) -> None:
        """Go on with a task whose results have been compared."""
        task = self._state.tasks.get(task_id)
        if task is not None and task.state is TaskState.RUNNING and task.proof is not None:
            record = self._verification.compared(task, groups, now)
            self._complete_with(task, record, now)

    def lose_patience(self, task_id: int, now: float) -> None:
        """Complete a task with the result that was held for its check."""
        task = self._state.tasks.get(task_id)
        if task is not None and task.state is TaskState.RUNNING:
            self._complete_with(task, self._verification.lose_patience(task), now)

    def _complete_with(self, task: TaskRecord, record: ResultRecord | None, now: float) -> None:
        if record is not None:
            self.complete(task, record, now)

    def complete(self, task: TaskRecord, record: ResultRecord, now: float) -> None:
        """End a task well, with this result, unless it has one already."""
        state = self._state
        if task.state is TaskState.FINALIZING:
            return
        if task.lane is not None:
            state.lanes.discard(task)
        task.state = TaskState.FINALIZING
        state.tally.finalizing += 1
        state.orders.completions.append((task, record))
        self._leave(task)
        if task.trouble is not None:
            for name in task.trouble.failed_on:
                blamed = state.agents.get(name)
                if blamed is not None and name != task.attempts[record.attempt - 1].agent:
                    self._cooling.blame(blamed, task.function, now)

    def _fail(self, task: TaskRecord) -> None:
        task.state = TaskState.FAILED
        self._state.tally.failed += 1
        self._state.orders.failed.append(task)
        self._leave(task)
        self._state.forget_if_over(task)

    def cancel(self, task: TaskRecord) -> None:
        """Drop a task that nobody wants any more, unless its result is already here."""
        if task.state not in (TaskState.WAITING, TaskState.RUNNING):
            return
        if task.lane is not None:
            self._state.lanes.discard(task)
        self._state.looked_up.pop(task.id, None)
        task.state = TaskState.CANCELLED
        self._state.tally.cancelled += 1
        self._state.orders.dropped.append(task)
        self._leave(task)
        self._state.forget_if_over(task)

    def _leave(self, task: TaskRecord) -> None:
        state = self._state
        state.orphans.pop(task.id, None)
        if task.proof is not None:
            state.unproved.pop(task.id, None)
            state.chosen.pop(task.id, None)
            state.timers.clear(("proof", task.id))
        if task.trouble is not None:
            state.timers.clear(("retry", task.id))
        state.stop_others(task)

    def revive(self, attempt: Attempt, task: TaskRecord) -> None:
        """Take an attempt back that was given up, and that its agent still holds."""
        state = self._state
        if task.lane is not None:
            state.lanes.discard(task)
        state.timers.clear(("retry", task.id))
        task.state = TaskState.RUNNING
        attempt.state = AttemptState.SENT
        attempt.outcome, attempt.reason = "", None
        state.agents[attempt.agent].held[attempt] = task
        state.review(task)

    def finalized(self, task_ids: Sequence[int]) -> None:
        """Count tasks as done whose callbacks have returned."""
        tasks, finalizing, done = self._state.tasks, TaskState.FINALIZING, TaskState.DONE
        count = 0
        for task_id in task_ids:
            task = tasks.get(task_id)
            if task is None or task.state is not finalizing:
                continue
            task.state = done
            count += 1
            if len(task.attempts) == 1:
                # Its only attempt has ended: it was the good one.
                del tasks[task_id]
            else:
                self._state.forget_if_over(task)
        self._state.tally.finalizing -= count
        self._state.tally.done += count


def trouble_of(task: TaskRecord) -> Trouble:
    """Return a task's record of mishaps, made when first needed."""
    if task.trouble is None:
        task.trouble = Trouble()
    trouble: Trouble = task.trouble
    return trouble
