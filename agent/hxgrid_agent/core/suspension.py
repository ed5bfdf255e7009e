"""Standing back for the owner: frozen when the computer is busy or the owner says so, and drained.

Busy means that others leave less than `BUSY_FRACTION` of the processors. Busy for `busy_after_s`
without a break freezes all task processes for `suspend_s`; every busy sample meanwhile prolongs
that. The owner's "not now" freezes at once, until its own end. Both may hold at a time: what lasts
longer decides.

Freezing gives everything back that has not begun, because others can do it; what has begun stays,
stopped, and the users are told, so that copies may run elsewhere. Draining lets what runs finish.
"""

from __future__ import annotations

from hxgrid.wire.messages import AgentState
from hxgrid_agent.core.actions import FreezeProcesses, ThawProcesses
from hxgrid_agent.core.endings import Endings
from hxgrid_agent.core.events import OwnerWishes, Sampled
from hxgrid_agent.core.process import ProcessState, SlotProcess
from hxgrid_agent.core.settings import BUSY_FRACTION
from hxgrid_agent.core.table import Table
from hxgrid_agent.core.watch import Watch


class Suspension:
    """Decides when task processes stand still."""

    def __init__(self, table: Table, endings: Endings, watch: Watch) -> None:
        self._table = table
        self._endings = endings
        self._watch = watch
        self._busy_since: float | None = None
        self._busy_until = 0.0
        self._snooze_until = 0.0
        self._owner_reason = ""
        self._frozen_at = 0.0

    @property
    def state(self) -> AgentState:
        """What people are told."""
        if self._table.is_frozen:
            return AgentState.SUSPENDED
        if self._table.is_draining or self._table.is_leaving:
            return AgentState.DRAINING
        return AgentState.ACTIVE

    def sampled(self, event: Sampled, now: float) -> None:
        """Count how long the computer has been busy."""
        table = self._table
        table.sample = event
        settings = table.settings
        if settings.suspend_s == 0:
            return
        if event.free_cpu >= BUSY_FRACTION * settings.capabilities.processors:
            self._busy_since = None
            return
        if self._busy_since is None:
            self._busy_since = now
        if now < self._busy_until or now - self._busy_since >= settings.busy_after_s:
            self._busy_until = now + settings.suspend_s
            self._settle(now)

    def wishes(self, event: OwnerWishes, now: float) -> None:
        """Do what the owner says."""
        table = self._table
        self._snooze_until = event.snooze_until if event.snooze_until is not None else 0.0
        self._owner_reason = event.reason
        if event.is_draining != table.is_draining:
            table.is_draining = event.is_draining
            table.is_load_due = True
            self._give_back_waiting()
        self._settle(now)

    def tick(self, now: float) -> None:
        """Let processes go on when nothing holds them any more."""
        if self._table.is_frozen and now >= max(self._busy_until, self._snooze_until):
            self._settle(now)

    def next_deadline(self) -> float | None:
        """When the present suspension ends."""
        if not self._table.is_frozen:
            return None
        return max(self._busy_until, self._snooze_until)

    def _settle(self, now: float) -> None:
        table = self._table
        is_snoozed = now < self._snooze_until
        is_busy = now < self._busy_until
        reason = ""
        if is_snoozed:
            reason = self._owner_reason or "its owner said: not now"
        elif is_busy:
            reason = "other programs use its processors"
        elif table.is_draining:
            reason = self._owner_reason or "its owner drains it"
        if reason != table.reason:
            table.reason = reason
            table.is_load_due = True
        if (is_snoozed or is_busy) and not table.is_frozen:
            self._freeze(now)
        elif table.is_frozen and not is_snoozed and not is_busy:
            self._thaw(now)

    def _freeze(self, now: float) -> None:
        table = self._table
        table.is_frozen = True
        table.is_load_due = True
        self._frozen_at = now
        self._give_back_waiting()
        if processes := self._living():
            table.out.append(FreezeProcesses(processes))

    def _thaw(self, now: float) -> None:
        table = self._table
        table.is_frozen = False
        table.is_load_due = True
        self._busy_since = None
        self._watch.thawed(now - self._frozen_at, now)
        if processes := self._living():
            table.out.append(ThawProcesses(processes))

    def _give_back_waiting(self) -> None:
        if self._table.is_draining or self._table.is_frozen:
            for session in self._table.sessions.values():
                if not session.is_ending:
                    self._endings.give_back_waiting(session)

    def _living(self) -> list[SlotProcess]:
        return [
            process
            for process in self._table.processes.values()
            if process.handle is not None and process.state is not ProcessState.KILLED
        ]
