"""Facts that the user driver reports to the dispatcher. Hot ones carry whole batches.

Agents are named by their boot id everywhere: a restarted agent is another agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import TaskRecord
from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.messages import Load, RosterEntry, Welcome


class TasksSubmitted(NamedTuple):
    """The application handed over tasks, oldest first."""

    tasks: Sequence[TaskRecord]


class TasksCancelled(NamedTuple):
    """The application wants these tasks no more; unknown or final ones are ignored."""

    task_ids: Sequence[int]


class AllTasksCancelled(NamedTuple):
    """The application wants nothing any more of what was submitted so far."""


class TasksFinalized(NamedTuple):
    """The callbacks of these completed tasks have returned (or there were none)."""

    task_ids: Sequence[int]


class TasksHeld(NamedTuple):
    """The application handed over tasks whose results may be known; `LookupsEnded` follows."""

    tasks: Sequence[TaskRecord]


@dataclass(frozen=True, slots=True)
class LookupsEnded:
    """Which of the tasks of `TasksHeld` have a result from an earlier run, and which have none."""

    OUTCOME: ClassVar[str] = "REPLAYED"
    """How the attempt ended that stands for the earlier run."""
    found: Sequence[ResultRecord]
    missing: Sequence[int]


@dataclass(frozen=True, slots=True)
class ResultsCompared:
    """Answer to `CompareResults`: equal numbers for results that agree; none: nobody can say."""

    task_id: int
    groups: Sequence[int]


class AttemptsEnded(NamedTuple):
    """Records of RESULTS from one agent. The payload of a chunked result has arrived whole."""

    agent: str
    records: Sequence[ResultRecord]


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """The coordinator told of agents (or an embedded grid is known from the start)."""

    entries: Sequence[RosterEntry]
    left: Sequence[str]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class AgentWelcomed:
    """A session is open at an agent. If `welcome.resumed`, `HoldingsArrived` follows."""

    agent: str
    welcome: Welcome


@dataclass(frozen=True, slots=True)
class HoldingsArrived:
    """All attempts that a resumed agent still holds, in any state."""

    agent: str
    keys: Sequence[Key]


@dataclass(frozen=True, slots=True)
class ConnectionRenewed:
    """An agent asked who we are, and `Hello` was said again.

    What is sent until its holdings are known could not be told from what was lost: nothing is.
    """

    agent: str


@dataclass(frozen=True, slots=True)
class AgentCleared:
    """An agent has ended every attempt that was there when all were cancelled."""

    agent: str


@dataclass(frozen=True, slots=True)
class AgentRefused:
    """An agent did not let us in, for this reason."""

    agent: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AgentUnreachable:
    """No address of the agent answers: never connected, or the connection was given up."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class AgentLoadChanged:
    """The agent told of its state, free memory, progress and stopped slots."""

    agent: str
    load: Load


class AgentsHeard(NamedTuple):
    """Some message arrived from these agents; `round_trip_s` where a PONG told it."""

    agents: Sequence[tuple[str, float | None]]


@dataclass(frozen=True, slots=True)
class InputProgressed:
    """CHUNKs of a large input leave for an agent: not a straggler, merely a slow line."""

    agent: str
    task_id: int
    attempt: int
    sent_bytes: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The application changed settings; in force at once."""

    settings: DispatchSettings


ContactEvent = (
    RosterChanged
    | AgentWelcomed
    | HoldingsArrived
    | ConnectionRenewed
    | AgentCleared
    | AgentRefused
    | AgentUnreachable
    | AgentLoadChanged
    | AgentsHeard
)
"""What concerns agents rather than tasks."""

Event = (
    TasksSubmitted
    | TasksCancelled
    | AllTasksCancelled
    | TasksFinalized
    | TasksHeld
    | LookupsEnded
    | ResultsCompared
    | AttemptsEnded
    | InputProgressed
    | SettingsChanged
    | ContactEvent
)
