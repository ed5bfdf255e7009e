"""When free memory falls below the owner's reserve: caches go first, then the largest process.

Of processes that are about equally large, or of which nothing is known, the one with the youngest
attempt goes: it loses least. One step per sample, and only while memory is still short at the next
one and does not recover: what a step frees takes a moment to show. A process with gigabytes takes
seconds to die, and some systems, virtual machines above all, take longer to have them for others.
"""

from __future__ import annotations

import math
from typing import Final

from hxgrid.wire.messages import Outcome
from hxgrid_agent.core.pool import Pool
from hxgrid_agent.core.process import ProcessState, SlotProcess
from hxgrid_agent.core.table import Table

ABOUT_BYTES: Final = 64 * 1024 * 1024
"""Processes that differ by less count as equally large."""

RECOVERY_LIMIT_S: Final = 30.0
"""How long at most the memory of a process that was killed is waited for."""


class MemoryGuard:
    """Gives memory back to the owner."""

    def __init__(self, table: Table, pool: Pool) -> None:
        self._table = table
        self._pool = pool
        self._killed_at = -math.inf
        self._last_free_bytes = 0

    def sampled(self, now: float) -> None:
        """Take one step if memory is short."""
        table = self._table
        free_bytes = table.sample.free_memory_bytes
        is_rising = free_bytes > self._last_free_bytes
        self._last_free_bytes = free_bytes
        if free_bytes >= table.settings.memory_reserve_bytes:
            return
        if self._pool.trim(0, now) + self._pool.drop_spares(now):
            return
        is_recovering = is_rising or self._is_one_dying()
        if is_recovering and now < self._killed_at + RECOVERY_LIMIT_S:
            return
        worst = self._worst()
        if worst is not None:
            self._killed_at = now
            text = "the memory that the computer's owner keeps for himself ran short"
            # One that was tried alone because of this has shown whose fault it is.
            outcome = Outcome.CRASHED if worst.place.is_alone else Outcome.LOST
            self._pool.kill(worst, outcome, text, now, is_anybodys_fault=True)

    def _is_one_dying(self) -> bool:
        processes = self._table.processes.values()
        return any(process.state is ProcessState.KILLED for process in processes)

    def _worst(self) -> SlotProcess | None:
        held = self._table.sample.private_bytes
        running = [
            process
            for session in self._table.sessions.values()
            for process in session.held.values()
            if process.handed
        ]
        return max(
            running,
            key=lambda process: (held.get(process.number, 0) // ABOUT_BYTES, process.head_since),
            default=None,
        )
