"""A share of the tasks runs on two agents, and their results are compared.

A task that was chosen has a *proof*. As soon as its first attempt has been sent, a second agent
that has room gets one too. The first good result is held; when the second one comes, the driver is
asked to compare them (that takes a while, or code of the application). If they agree, the task
completes with the first. If not, a third agent is asked: the one that is alone with its result is
the *odd* one, is left alone for a while, and has all its tasks verified afterwards until one is
good; the task completes with the result of the two. If all three differ, or nobody else is there,
nothing is known of who is right: the task completes with the first result, and the dispute is told.

Nobody waits long: a result is held until no other fit agent can be found, and for a multiple of
what its attempt took at most; then the task completes unverified. What goes wrong with a check
never makes a task fail that has a good result.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from hxgrid.user.core.actions import Dispute
from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.cooling import Cooling
from hxgrid.user.core.placement import Placement
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import AttemptState, Proof, TaskRecord, TaskState
from hxgrid.wire.batches import ResultRecord

MIN_PATIENCE_S: Final = 5.0
PATIENCE_RUNS: Final = 4.0
"""How long a result is held at most: so many times what its own attempt took."""
MAX_CHECKS: Final = 5
"""Attempts at one task beyond the first, for the sake of its proof."""
MAX_DISPUTES: Final = 1000
MAX_LOOKED_AT: Final = 256
MAX_UNSENT: Final = 16
"""Chosen tasks without a first attempt that one look steps over: those behind them wait too."""


class Verdicts:
    """What has come of all proofs so far; read-only for others."""

    __slots__ = ("agreed", "disputes", "unverified")

    def __init__(self) -> None:
        self.agreed = 0
        self.unverified = 0
        self.disputes: list[Dispute] = []
        """The first thousand."""


class Verification:
    """Chooses tasks, has them checked, and draws the conclusions."""

    __slots__ = ("_cooling", "_placement", "_state", "verdicts")

    def __init__(self, state: DispatchState, cooling: Cooling, placement: Placement) -> None:
        self._state = state
        self._cooling = cooling
        self._placement = placement
        self.verdicts = Verdicts()

    def choose(self, tasks: Sequence[TaskRecord]) -> None:
        """Take new tasks for verification, the share that is wanted, by chance."""
        state = self._state
        share = state.settings.verify
        if share <= 0.0:
            return
        for task in tasks:
            if task.idempotent and state.chance.next() < share:
                task.proof = Proof()
                state.chosen[task.id] = task

    def run(self, now: float) -> list[tuple[TaskRecord, ResultRecord]]:
        """Send checks to agents with room. Called before new tasks are placed.

        Returns tasks that nobody can check any more, with their results.
        """
        state = self._state
        given_up = []
        # Most wait for the same few agents that are busy: one look is enough for all of them.
        must_wait: set[tuple[object, ...]] = set()
        for task in list(islice(state.unproved.values(), MAX_LOOKED_AT)):
            if task.state is TaskState.WAITING:
                continue
            kind = _kind(task)
            if kind in must_wait:
                continue
            if task.proof.is_compared or not self._lacks(task):
                del state.unproved[task.id]
            elif self._check(task, now):
                continue
            elif task.proof.good and not self._can_be_checked(task):
                given_up.append((task, self._give_up(task)))
            else:
                must_wait.add(kind)
        return given_up

    def take(self, task: TaskRecord, record: ResultRecord, now: float) -> ResultRecord | None:
        """Take a good result of a task with a proof; returns the one it completes with, if so."""
        state, proof = self._state, task.proof
        agent = task.attempts[record.attempt - 1].agent
        if proof.is_compared or any(agent == other for other, _ in proof.good):
            return None
        proof.good.append((agent, record))
        if len(proof.good) == 1:
            took_s = max(record.ended_at - record.started_at, 0.0)
            proof.patience_s = max(MIN_PATIENCE_S, PATIENCE_RUNS * took_s)
            state.timers.set(("proof", task.id), now + proof.patience_s)
            state.orphans.pop(task.id, None)
        if len(proof.good) >= proof.wanted:
            proof.is_compared = True
            state.orders.comparisons.append((task, [each for _, each in proof.good]))
            return None
        return self.consider(task)

    def consider(self, task: TaskRecord) -> ResultRecord | None:
        """Want another check if one is missing; returns the result if nobody can make one."""
        proof = task.proof
        if proof.is_compared or not self._lacks(task):
            return None
        if proof.good and not self._can_be_checked(task):
            return self._give_up(task)
        self._state.unproved[task.id] = task
        return None

    def compared(self, task: TaskRecord, groups: Sequence[int], now: float) -> ResultRecord | None:
        """Draw the conclusion: `groups` has equal numbers for results that agree, none if unknown.

        Returns the result that the task completes with, unless a third one is needed.
        """
        proof = task.proof
        proof.is_compared = False
        if not groups:
            return self._give_up(task)
        most = max(groups, key=groups.count)
        if groups.count(most) == len(groups):
            self._agree(task)
            return _first(proof)
        if groups.count(most) > 1:
            return self._blame(task, groups, most, now)
        if len(groups) < 3 and len(proof.good) < 3:
            proof.wanted = 3
            proof.is_disputed = True
            if not self._lacks(task) or self._can_be_checked(task):
                self._state.timers.set(("proof", task.id), now + proof.patience_s)
                self._state.unproved[task.id] = task
                return None
        self._dispute(task, None)
        return _first(proof)

    def lose_patience(self, task: TaskRecord) -> ResultRecord | None:
        """Return the result that was held, because its check takes too long."""
        proof = task.proof
        if proof is None or proof.is_compared or not proof.good:
            return None
        return self._give_up(task)

    def take_sent(self) -> bool:
        """Find the chosen tasks that have got a first attempt; say whether there are any.

        Called when new tasks have been placed, which happens in their order, nearly.
        """
        state = self._state
        unsent = 0
        before = len(state.chosen)
        for task in list(islice(state.chosen.values(), MAX_LOOKED_AT)):
            if task.state is not TaskState.WAITING:
                del state.chosen[task.id]
                state.unproved[task.id] = task
                continue
            unsent += 1
            if unsent == MAX_UNSENT:
                break
        return len(state.chosen) < before

    # ------------------------------------------------------------------ inside

    def _lacks(self, task: TaskRecord) -> bool:
        """Say whether fewer results are there or on their way than are wanted."""
        state, proof = self._state, task.proof
        coming = sum(
            each.state is not AttemptState.STOPPING and not state.in_doubt(each)
            for each in state.live_attempts(task)
        )
        return bool(coming + len(proof.good) < proof.wanted)

    def _check(self, task: TaskRecord, now: float) -> bool:
        state = self._state
        for agent in state.ready:
            if self._may_check(agent, task):
                del state.unproved[task.id]
                task.proof.checks += 1
                self._placement.send(agent, [task], now, as_copy=True)
                state.orphans.pop(task.id, None)
                return True
        return False

    def _can_be_checked(self, task: TaskRecord) -> bool:
        if task.proof.checks >= MAX_CHECKS:
            return False
        return any(
            agent.is_fit and self._may_check(agent, task) for agent in self._state.agents.values()
        )

    def _may_check(self, agent: AgentView, task: TaskRecord) -> bool:
        if task.requires is not None and agent.lacks(task.requires):
            return False
        if agent.must_prove and task.proof.good:
            return False  # nobody is convicted by the word of one that was wrong itself
        return all(
            each.agent != agent.agent or each.outcome == "NOT_STARTED" for each in task.attempts
        )

    def _agree(self, task: TaskRecord) -> None:
        self.verdicts.agreed += 1
        for name, _ in task.proof.good:
            agent = self._state.agents.get(name)
            if agent is not None and agent.must_prove:
                agent.must_prove = False
                self._cooling.note_good(agent)
                self._state.refresh(agent)

    def _blame(
        self, task: TaskRecord, groups: Sequence[int], most: int, now: float
    ) -> ResultRecord:
        good = task.proof.good
        odd = next(name for (name, _), group in zip(good, groups, strict=True) if group != most)
        right: ResultRecord = next(
            record for (_, record), group in zip(good, groups, strict=True) if group == most
        )
        for name, record in good:
            if name == odd:
                reason = "two other agents gave another result, which was taken"
                task.attempts[record.attempt - 1].reason = reason
        self._dispute(task, odd)
        agent = self._state.agents.get(odd)
        if agent is not None:
            self._cooling.accuse(agent, now)
        return right

    def _dispute(self, task: TaskRecord, odd: str | None) -> None:
        dispute = Dispute(task.id, tuple(name for name, _ in task.proof.good), odd)
        if len(self.verdicts.disputes) < MAX_DISPUTES:
            self.verdicts.disputes.append(dispute)
        self._state.orders.disputes.append(dispute)

    def _give_up(self, task: TaskRecord) -> ResultRecord:
        proof = task.proof
        if proof.is_disputed:
            self._dispute(task, None)
        else:
            self.verdicts.unverified += 1
            if self.verdicts.unverified == 1:
                self._state.orders.disputes.append(None)
            for name, _ in proof.good:
                agent = self._state.agents.get(name)
                if agent is not None and agent.must_prove and agent.on_parole:
                    # There is nobody to prove it to: a doubtful agent is better than none.
                    self._cooling.note_good(agent)
                    self._state.refresh(agent)
        return _first(proof)


def _kind(task: TaskRecord) -> tuple[object, ...]:
    """Return what decides who may check a task: equal for those that the same agents may."""
    proof = task.proof
    tried = [each.agent for each in task.attempts if each.outcome != "NOT_STARTED"]
    return (id(task.requires), bool(proof.good), proof.checks < MAX_CHECKS, *tried)


def _first(proof: Proof) -> ResultRecord:
    record: ResultRecord = proof.good[0][1]
    return record
