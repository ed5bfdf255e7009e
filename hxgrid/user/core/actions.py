"""Orders that the dispatcher gives to the user driver. Hot ones carry whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hxgrid.user.core.task import Attempt, TaskRecord
from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.messages import RosterEntry


class SendAttempts(NamedTuple):
    """Send these attempts; offer each function that the agent does not know yet first."""

    agent: str
    attempts: Sequence[tuple[TaskRecord, Attempt]]


class AcknowledgeResults(NamedTuple):
    """The agent may forget these results."""

    agent: str
    keys: Sequence[Key]


class CancelAttempts(NamedTuple):
    """Tell the agent to stop these; a CHUNK transfer of their input ends."""

    agent: str
    keys: Sequence[Key]


class RecallAttempts(NamedTuple):
    """Ask the agent to give these back if they have not started."""

    agent: str
    keys: Sequence[Key]


class CompleteTasks(NamedTuple):
    """Good results: run `finalize`, then report `TasksFinalized`. Each task comes here once."""

    completions: Sequence[tuple[TaskRecord, ResultRecord]]


class CompareResults(NamedTuple):
    """Compare good results of one task; `ResultsCompared` follows."""

    task: TaskRecord
    results: Sequence[ResultRecord]


class TellDispute(NamedTuple):
    """Agents did not agree about a task. No dispute: the first task could not be verified."""

    dispute: Dispute | None


class Dispute(NamedTuple):
    """Agents did not agree about a task."""

    task: int
    agents: tuple[str, ...]
    """Those whose results were compared, by boot id; the first one's was there first."""
    odd: str | None
    """The one that two others contradict; None: nobody knows who is right."""


class FailTasks(NamedTuple):
    """These tasks have failed for good; their attempts tell why. Each task comes here once."""

    tasks: Sequence[TaskRecord]


class DropTasks(NamedTuple):
    """These tasks are cancelled. Each task comes here once."""

    tasks: Sequence[TaskRecord]


@dataclass(frozen=True, slots=True)
class ConnectAgent:
    """Open a connection to this agent: try all addresses, keep the first that is really it."""

    entry: RosterEntry


@dataclass(frozen=True, slots=True)
class DisconnectAgent:
    """Close the connection to this agent (it left, is lost, or is not needed)."""

    agent: str
    reason: str
    is_idle: bool = False
    """It holds nothing of ours and may forget the session at once."""


class PingAgents(NamedTuple):
    """Send a PING to these: nothing was heard from them for a heartbeat."""

    agents: Sequence[str]


Action = (
    SendAttempts
    | AcknowledgeResults
    | CancelAttempts
    | RecallAttempts
    | CompleteTasks
    | CompareResults
    | TellDispute
    | FailTasks
    | DropTasks
    | ConnectAgent
    | DisconnectAgent
    | PingAgents
)
