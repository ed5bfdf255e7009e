"""What the dispatcher must know of the settings; filled from `hxgrid.settings` by the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """Numbers that scheduling depends on.

    Units are in the names; defaults stand in `hxgrid.settings` and are given by the driver.
    """

    send_ahead: int | Literal["auto"]
    max_attempts: int
    retry_delay_s: float
    cooling_s: float
    """First pause of an agent that failed a task which others can do; doubles each time."""
    send_duplicate_tasks: bool
    duplicate_budget: float
    """Share of the session's slot time that copies of stragglers may cost."""
    agent_min_free_memory_bytes: int
    agent_min_free_memory_factor: float
    heartbeat_s: float
    suspect_after_s: float
    lost_after_s: float
    agent_min_free_cpu: float = 0.0
    """Processors free of other programs' work, below which an agent is sent nothing."""
    verify: float = 0.0
    """Share of the tasks that run on two agents, to compare their results."""
    max_connections: int = 1000
    """Agents that a session is connected to at once."""
    spare_agents: int = 16
    """Of these, the ones beyond what its tasks need."""
    idle_connection_s: float = 30.0
    """One that has had nothing to do for so long is left."""
