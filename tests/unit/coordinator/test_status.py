"""The one line about the whole grid."""

from __future__ import annotations

from hxgrid.wire.messages import AgentState
from hxgrid_coordinator.core.entry import AgentEntry
from hxgrid_coordinator.status import describe
from tests.unit.wire.examples import STATUS


def test_totals_count_active_agents_only() -> None:
    away = STATUS.model_copy(update={"state": AgentState.SUSPENDED})
    entries = [AgentEntry.make(one, "", 500, 0.0) for one in (STATUS, STATUS, away)]
    assert describe(entries) == (
        "3 agents, 2 active, 30 slots, 6 tasks running, 25.0 processors free"
    )


def test_one_agent_is_not_many() -> None:
    assert describe([AgentEntry.make(STATUS, "", 500, 0.0)]).startswith("1 agent, ")
