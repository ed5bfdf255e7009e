"""One line for the person who runs the coordinator: what there is at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxgrid.wire.messages import AgentState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hxgrid_coordinator.core.entry import AgentEntry


def describe(entries: Iterable[AgentEntry]) -> str:
    """Return the totals of the grid in one sentence."""
    statuses = [entry.status for entry in entries]
    active = [status for status in statuses if status.state is AgentState.ACTIVE]
    slots = sum(status.slots for status in active)
    running = sum(status.running for status in statuses)
    free_cpu = sum(status.free_cpu for status in active)
    return (
        f"{len(statuses)} agent{'' if len(statuses) == 1 else 's'}, {len(active)} active, "
        f"{slots} slots, {running} tasks running, {free_cpu:.1f} processors free"
    )
