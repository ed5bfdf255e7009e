"""A dispatcher with agents to try things on: tells facts, moves time, checks after each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from hxgrid.user.core.actions import Action, CompleteTasks, SendAttempts
from hxgrid.user.core.dispatcher import Dispatcher
from hxgrid.user.core.events import (
    AgentLoadChanged,
    AgentsHeard,
    AgentWelcomed,
    AttemptsEnded,
    Event,
    RosterChanged,
    TasksFinalized,
    TasksSubmitted,
)
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import TaskRecord
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.messages import AgentState, Capabilities, Load, Outcome, RosterEntry, Welcome

A, B, C = "a" * 32, "b" * 32, "c" * 32
SETTINGS = DispatchSettings(
    send_ahead="auto",
    max_attempts=3,
    retry_delay_s=1.0,
    cooling_s=10.0,
    send_duplicate_tasks=True,
    duplicate_budget=0.1,
    agent_min_free_memory_bytes=50_000_000,
    agent_min_free_memory_factor=1.5,
    heartbeat_s=0.5,
    suspect_after_s=1.5,
    lost_after_s=10.0,
)
LINUX = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.7",
    processors=4,
    memory_bytes=8_000_000_000,
)
T = TypeVar("T", bound=Action)


class Stage:
    """Agents A, B, C ... are connected from the start, with so many slots each."""

    def __init__(self, *slots: int, **settings: Any) -> None:
        self.now = 100.0
        self.settings = replace(SETTINGS, **settings)
        self.dispatcher = Dispatcher(self.settings)
        self.tasks: dict[int, TaskRecord] = {}
        for name, count in zip((A, B, C), slots, strict=False):
            self.join(name, count)

    def tell(self, event: Event) -> list[Action]:
        """Tell a fact."""
        actions = self.dispatcher.handle(event, self.now)
        self.dispatcher.check()
        return actions

    def advance(self, seconds: float, *, answering: Sequence[str] = (A, B, C)) -> list[Action]:
        """Move time on, ticking when it is due, while these agents give signs of life."""
        end = self.now + seconds
        actions: list[Action] = []
        while True:
            deadline = self.dispatcher.next_deadline()
            moment = min(end, self.now + 0.25, end if deadline is None else deadline)
            self.now = max(self.now, moment)
            actions += self.tell(AgentsHeard([(name, None) for name in answering]))
            actions += self.dispatcher.tick(self.now)
            self.dispatcher.check()
            if self.now >= end:
                return actions

    def join(self, name: str, slots: int = 1, *, welcome: bool = True) -> list[Action]:
        """Let an agent appear in the roster and, unless told otherwise, answer."""
        actions = self.tell(RosterChanged([entry(name, slots)], [], False))
        return actions + self.welcome(name, slots) if welcome else actions

    def welcome(self, name: str, slots: int = 1, *, resumed: bool = False) -> list[Action]:
        """Let an agent open the session."""
        return self.tell(AgentWelcomed(name, welcome_of(name, slots, resumed)))

    def submit(self, count: int = 1, **fields: Any) -> list[Action]:
        """Submit tasks with the next ids."""
        first = len(self.tasks) + 1
        new = [make_task(number, **fields) for number in range(first, first + count)]
        self.tasks.update({task.id: task for task in new})
        return self.tell(TasksSubmitted(new))

    def end(
        self,
        agent: str,
        *task_ids: int,
        outcome: Outcome = Outcome.DONE,
        took_s: float = 1.0,
        attempt: int = 0,
        payload: bytes = b"",
    ) -> list[Action]:
        """Let an agent report the last (or this) attempt of these tasks as ended."""
        records = [
            ResultRecord(
                number,
                attempt or len(self.tasks[number].attempts),
                outcome,
                0,
                0,
                len(payload),
                len(payload),
                0.0 if outcome in (Outcome.REFUSED, Outcome.NOT_STARTED) else 50.0,
                50.0 + took_s,
                payload,
            )
            for number in task_ids
        ]
        return self.tell(AttemptsEnded(agent, records))

    def finalize(self, actions: Sequence[Action]) -> list[Action]:
        """Let the callbacks of completed tasks return."""
        done = [task.id for each in of(actions, CompleteTasks) for task, _ in each.completions]
        return self.tell(TasksFinalized(done))

    def load(
        self, agent: str, state: AgentState = AgentState.ACTIVE, **fields: Any
    ) -> list[Action]:
        """Let an agent tell of its load."""
        return self.tell(AgentLoadChanged(agent, load_of(state, **fields)))


def make_task(number: int, *, raw_bytes: int = 100, function: int = 1, **fields: Any) -> TaskRecord:
    """Make a task."""
    return TaskRecord(number, function, b"x", stored_bytes=raw_bytes, raw_bytes=raw_bytes, **fields)


def load_of(state: AgentState = AgentState.ACTIVE, **fields: Any) -> Load:
    """Make a load."""
    values = {"state": state, "free_cpu": 1.0, "free_memory_bytes": 4_000_000_000} | fields
    return Load.model_validate(values)


def entry(name: str, slots: int = 1) -> RosterEntry:
    """Make a roster entry."""
    return RosterEntry(
        agent=name, name=f"pc-{name[0]}", addresses=(), slots=slots, capabilities=LINUX
    )


def welcome_of(name: str, slots: int, resumed: bool = False) -> Welcome:
    """Make a welcome."""
    return Welcome(
        boot_id=name,
        agent_name=f"pc-{name[0]}",
        handle=1,
        resumed=resumed,
        slots=slots,
        capabilities=LINUX,
        load=load_of(),
    )


def of(actions: Sequence[Action], kind: type[T]) -> list[T]:
    """Return the actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def sent(actions: Sequence[Action]) -> dict[str, list[tuple[int, int]]]:
    """Return what is sent, as (task, attempt) by agent."""
    by_agent: dict[str, list[tuple[int, int]]] = {}
    for action in of(actions, SendAttempts):
        keys = [(task.id, attempt.number) for task, attempt in action.attempts]
        by_agent.setdefault(action.agent, []).extend(keys)
    return by_agent


def completed(actions: Sequence[Action]) -> list[int]:
    """Return the ids of the tasks that are complete."""
    return [task.id for each in of(actions, CompleteTasks) for task, _ in each.completions]
