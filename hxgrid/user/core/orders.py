"""Actions in the making: what one event brings about, gathered per agent."""

from __future__ import annotations

from typing import Final

from hxgrid.user.core.actions import (
    AcknowledgeResults,
    Action,
    CancelAttempts,
    CompareResults,
    CompleteTasks,
    ConnectAgent,
    DisconnectAgent,
    Dispute,
    DropTasks,
    FailTasks,
    PingAgents,
    RecallAttempts,
    SendAttempts,
    TellDispute,
)
from hxgrid.user.core.task import Attempt, TaskRecord
from hxgrid.wire.batches import Key, ResultRecord

_new: Final = tuple.__new__  # without the layer of Python that named tuples have


class Orders:
    """Filled while an event is handled, taken out at its end. Agents are boot ids."""

    __slots__ = (
        "acknowledged",
        "cancelled",
        "comparisons",
        "completions",
        "connects",
        "disconnects",
        "disputes",
        "dropped",
        "failed",
        "pings",
        "recalled",
        "sends",
    )

    def __init__(self) -> None:
        self.disconnects: list[DisconnectAgent] = []
        self.connects: list[ConnectAgent] = []
        self.acknowledged: dict[str, list[Key]] = {}
        self.cancelled: dict[str, list[Key]] = {}
        self.recalled: dict[str, list[Key]] = {}
        self.sends: dict[str, list[tuple[TaskRecord, Attempt]]] = {}
        self.completions: list[tuple[TaskRecord, ResultRecord]] = []
        self.comparisons: list[tuple[TaskRecord, list[ResultRecord]]] = []
        self.disputes: list[Dispute | None] = []
        self.failed: list[TaskRecord] = []
        self.dropped: list[TaskRecord] = []
        self.pings: list[str] = []

    def cancel(self, agent: str, key: Key) -> None:
        """Have an attempt stopped."""
        self.cancelled.setdefault(agent, []).append(key)

    def forget_agent(self, agent: str) -> None:
        """Drop what was to be sent to an agent that is no longer connected."""
        for orders in (self.acknowledged, self.cancelled, self.recalled, self.sends):
            orders.pop(agent, None)

    def take(self) -> list[Action]:
        """Take out all actions, those that free something before those that need it.

        Only what is used is made anew: most events bring about one kind of action, or none. So what
        is taken out here must be emptied here.
        """
        actions: list[Action] = []
        if self.disconnects or self.connects:
            actions += [*self.disconnects, *self.connects]
            self.disconnects, self.connects = [], []
        if self.acknowledged:
            actions += [_new(AcknowledgeResults, item) for item in self.acknowledged.items()]
            self.acknowledged = {}
        if self.cancelled:
            actions += [CancelAttempts(*item) for item in self.cancelled.items()]
            self.cancelled = {}
        if self.recalled:
            actions += [RecallAttempts(*item) for item in self.recalled.items()]
            self.recalled = {}
        if self.sends:
            actions += [_new(SendAttempts, item) for item in self.sends.items()]
            self.sends = {}
        if self.completions:
            actions.append(_new(CompleteTasks, (self.completions,)))
            self.completions = []
        if self.comparisons or self.disputes:
            actions += [CompareResults(*each) for each in self.comparisons]
            actions += [TellDispute(each) for each in self.disputes]
            self.comparisons, self.disputes = [], []
        if self.failed:
            actions.append(FailTasks(self.failed))
            self.failed = []
        if self.dropped:
            actions.append(DropTasks(self.dropped))
            self.dropped = []
        if self.pings:
            actions.append(PingAgents(self.pings))
            self.pings = []
        return actions
