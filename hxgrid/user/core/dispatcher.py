"""Decides which agent runs which attempt of which task.

One event at a time goes to the part that it concerns; then whatever has become possible is done:
waiting tasks are placed, and when nothing is left to place, attempts are recalled and copied. The
rules stand at the head of each part: `contacts` (who can be reached), `lanes` and `placement` (what
is sent where), `endings` (results, failures, losses), `cooling` (agents that spoil tasks), `copies`
(the tail of a job). `state` says what a task, an attempt and an orphan are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from hxgrid.user.core.actions import Action
from hxgrid.user.core.audit import check_state
from hxgrid.user.core.contacts import Contacts
from hxgrid.user.core.cooling import Cooling
from hxgrid.user.core.copies import Copies
from hxgrid.user.core.endings import Endings
from hxgrid.user.core.events import (
    AllTasksCancelled,
    AttemptsEnded,
    Event,
    InputProgressed,
    LookupsEnded,
    ResultsCompared,
    SettingsChanged,
    TasksCancelled,
    TasksFinalized,
    TasksHeld,
    TasksSubmitted,
)
from hxgrid.user.core.explain import Explanation, explain_all, why_task
from hxgrid.user.core.placement import Placement
from hxgrid.user.core.replay import Replay
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.state import DispatchState, Tally
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.core.verification import Verdicts, Verification


class Dispatcher:
    """Decides which agent runs which attempt. No sockets, threads, clock or files."""

    def __init__(self, settings: DispatchSettings, seed: int = 0) -> None:
        state = self._state = DispatchState(settings, seed)
        self._cooling = Cooling(state)
        self._placement = Placement(state)
        self._verification = Verification(state, self._cooling, self._placement)
        self._endings = Endings(state, self._cooling, self._verification)
        self._contacts = Contacts(state, self._endings)
        self._copies = Copies(state, self._placement)
        self._replay = Replay(state, self._verification)

    # ------------------------------------------------------------------ the four of every core

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in one fact and return what is to be done about it."""
        # Hot events first.
        if isinstance(event, AttemptsEnded):
            self._take_results(event, now)
        elif isinstance(event, TasksSubmitted):
            self._submit(event.tasks, now)
        elif isinstance(event, TasksFinalized):
            self._endings.finalized(event.task_ids)
            return []
        else:
            self._take_rare(event, now)
        return self._finish(now)

    def tick(self, now: float) -> list[Action]:
        """Do what is due by time."""
        sweep_at = self._contacts.next_sweep_at()
        if sweep_at is not None and sweep_at <= now:
            self._contacts.sweep(now)
        for key in self._state.timers.pop_due(now):
            self._take_timer(key, now)
        return self._finish(now)

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do, if nothing happens before."""
        sweep_at = self._contacts.next_sweep_at()
        timer_at = self._state.timers.next_at()
        if sweep_at is None or timer_at is None:
            return timer_at if sweep_at is None else sweep_at
        return min(sweep_at, timer_at)

    def check(self) -> None:
        """Assert that the tables agree with each other."""
        check_state(self._state)
        self._contacts.check()

    # ------------------------------------------------------------------ for people

    @property
    def counts(self) -> Tally:
        """How many tasks there have been, by what became of them; read-only."""
        return self._state.tally

    @property
    def verdicts(self) -> Verdicts:
        """What has come of the verification of tasks; read-only."""
        return self._verification.verdicts

    @property
    def waiting_count(self) -> int:
        """Tasks that no agent holds."""
        return len(self._state.lanes)

    @property
    def connected_agents(self) -> int:
        """Agents with an open session."""
        return sum(agent.is_connected for agent in self._state.agents.values())

    def why(self, task_id: int, now: float) -> str:
        """Say in one sentence where a task stands and why it is not further."""
        return why_task(self._state, task_id, now)

    def explain(self, now: float) -> list[Explanation]:
        """Say one sentence for each waiting task and each agent that gets no work."""
        return explain_all(self._state, now)

    # ------------------------------------------------------------------ parts of handle

    def _finish(self, now: float) -> list[Action]:
        state = self._state
        if not state.fit_count:
            self._cooling.thaw_if_needed()
        if state.unproved:
            self._verify(now)
        self._placement.run(now)
        if state.chosen and self._verification.take_sent():
            self._verify(now)
        self._copies.run(now)
        return state.orders.take()

    def _verify(self, now: float) -> None:
        for task, record in self._verification.run(now):
            self._endings.complete(task, record, now)

    def _take_results(self, event: AttemptsEnded, now: float) -> None:
        agent = self._state.agents.get(event.agent)
        if agent is not None:
            self._contacts.hear(agent, now)
            self._endings.take(event, now)

    def _submit(self, tasks: Sequence[TaskRecord], now: float) -> None:
        state = self._state
        known = state.tasks
        for task in tasks:
            task.submitted_at = now
            known[task.id] = task
        state.tally.accepted += len(tasks)
        self._verification.choose(tasks)
        state.lanes.add(tasks)
        self._contacts.follow_demand()

    def _take_rare(self, event: Event, now: float) -> None:
        match event:
            case TasksCancelled():
                self._cancel(event.task_ids)
            case AllTasksCancelled():
                self._cancel(list(self._state.tasks))
            case TasksHeld():
                self._replay.hold(event.tasks, now)
            case ResultsCompared():
                self._endings.compared(event.task_id, event.groups, now)
            case LookupsEnded():
                self._replay.end(event, now)
            case InputProgressed():
                self._note_progress(event, now)
            case SettingsChanged():
                self._change_settings(event.settings)
            case AttemptsEnded() | TasksSubmitted() | TasksFinalized():
                raise AssertionError("handled before")
            case _:
                self._contacts.take(event, now)

    def _take_timer(self, key: Hashable, now: float) -> None:
        match key:
            case "stragglers":
                self._copies.scan_stragglers(now)
            case "recall":
                self._copies.stop_waiting()
            case "copies":
                self._state.doubts_changed = True
            case ("retry", int(task_id)):
                self._endings.reconsider(task_id, now)
            case ("proof", int(task_id)):
                self._endings.lose_patience(task_id, now)
            case ("connect", str(name)) if name in self._state.agents:
                self._contacts.connect(self._state.agents[name])
            case ("thaw", str(name)) if name in self._state.agents:
                self._cooling.thaw(self._state.agents[name])
            case ("reconcile", str(name)):
                self._contacts.give_up_reconciling(name, now)

    def _cancel(self, task_ids: Sequence[int]) -> None:
        tasks = self._state.tasks
        for task_id in task_ids:
            task = tasks.get(task_id)
            if task is not None:
                self._endings.cancel(task)

    def _note_progress(self, event: InputProgressed, now: float) -> None:
        task = self._state.tasks.get(event.task_id)
        if task is None or not 0 < event.attempt <= len(task.attempts):
            return
        attempt = task.attempts[event.attempt - 1]
        if attempt.agent == event.agent:
            attempt.begun_at = now

    def _change_settings(self, settings: DispatchSettings) -> None:
        state = self._state
        state.settings = settings
        for agent in state.agents.values():
            agent.window = 1 if agent.on_parole else agent.slots + 1
            agent.min_free_cpu = settings.agent_min_free_cpu
            state.reassess(agent)
        self._contacts.follow_demand()
