"""Dealing slots: which session's attempts run next, in which process, how many at once.

Every session with queued attempts competes for free slots. Each has used some slot time, divided by
its weight; the one that has used least is dealt the next slot. A session that was away starts at
the level of the others: time not asked for is not saved up. A slot stays with its session for
`share_quantum_s`, or one task if that is longer, because changing sessions changes processes.

A process gets one attempt at a time, unless its function is so short that the way between agent
and process would take longer than the work: then about `HAND_OVER_S` worth of them, topped up when
half is done, never more than its fair part of what is queued. What turns out to be longer is taken
back from behind it (`watch`).

A session's attempts are started in order, and the first one that waits decides which process gets
the next slot: a slot process, or the host process of that native function, which then has one slot
more.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

from hxgrid_agent.core.actions import RunAttempts, TellFunction
from hxgrid_agent.core.attempt import Attempt, Phase
from hxgrid_agent.core.place import ANYWHERE, Place
from hxgrid_agent.core.pool import Pool
from hxgrid_agent.core.process import ProcessState, SlotProcess
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.settings import HAND_OVER_COUNT, HAND_OVER_S, MOST_HANDED_OVER
from hxgrid_agent.core.table import Table

_QUEUED: Final = Phase.QUEUED
_HANDED: Final = Phase.HANDED
_new: Final = tuple.__new__  # without the layer of Python that named tuples have


class Dealer:
    """Deals slots to sessions and attempts to processes."""

    def __init__(self, table: Table, pool: Pool) -> None:
        self._table = table
        self._pool = pool

    def deal(self, now: float) -> None:
        """Give every free slot to a session that has work."""
        table = self._table
        table.unmet = table.unmet_hosts = 0
        if table.is_frozen or table.is_full_of_results:
            return
        self._admit_newcomers(now)
        skipped: set[int] = set()
        while table.free_slots:
            session = self._neediest(now, skipped)
            if session is None:
                return
            place = _next_place(session)
            process = self._pool.take(session, place, now)
            if process is None:
                skipped.add(session.handle)
                if place.group:
                    table.unmet_hosts += 1
                else:
                    table.unmet = min(len(table.free_slots), table.unmet + session.queued)
                continue
            self._give_slot(session, process, now)

    def refill(self, process: SlotProcess, session: Session, now: float) -> None:
        """After results: hand the process more, or take its slot for somebody else."""
        if not process.slots:
            return
        table = self._table
        may_go_on = session.queued and not (
            session.is_ending
            or table.is_frozen
            or table.is_full_of_results
            or process.is_draining
            or process.state is not ProcessState.READY
        )
        if may_go_on and not self._must_pass_on(session, process, now):
            self.hand(process, session, now, session.slot_count)
        idle = len(process.slots) - len(process.handed)
        if idle > 0:
            table.free_slots_of(process, idle, now)
            session.is_competing = bool(session.held or session.queued)
            if not process.slots and process.state is ProcessState.READY:
                self._pool.park(process, now)
        if process.is_host:
            process.note_runners(now)

    def hand(self, process: SlotProcess, session: Session, now: float, usable: int) -> None:
        """Give a process what it should have of a queue that so many slots could serve."""
        handed = process.handed
        room = len(process.slots)
        budget_s = HAND_OVER_S * room
        most = min(HAND_OVER_COUNT * room, MOST_HANDED_OVER)
        least = room
        if handed:
            budget_s -= _expected_s(handed)
            most -= len(handed)
            least -= len(handed)
            if least <= 0 and (process.place.is_alone or budget_s < HAND_OVER_S * room / 2):
                return
        share = -(-session.queued * room // usable)
        most = 1 if process.place.is_alone else max(min(most, share), least)
        attempts = _take(session, process.place, most, budget_s, least)
        if not attempts:
            return
        if not handed:
            process.head_since = process.heard_at = now
        told, number = process.functions, process.number
        for attempt in attempts:
            attempt.phase = _HANDED
            attempt.process = number
            handed[attempt.key] = attempt
            function = attempt.function
            if function is not None and function.id not in told:
                told.add(function.id)
                self._table.out.append(TellFunction(process, function))
        if process.is_host:
            process.note_runners(now)
        table = self._table
        table.waiting -= len(attempts)
        if not session.queued:
            table.hungry.pop(session.handle, None)
        table.out.append(_new(RunAttempts, (process, attempts)))

    def _give_slot(self, session: Session, process: SlotProcess, now: float) -> None:
        process.slots[heapq.heappop(self._table.free_slots)] = now
        session.held[process.number] = process
        self.hand(process, session, now, 1 + len(self._table.free_slots))

    def _neediest(self, now: float, skipped: set[int]) -> Session | None:
        """Return the hungry session that has used least; the one that came first among equals."""
        hungry = self._table.hungry
        if len(hungry) == 1:
            for session in hungry.values():
                return None if session.handle in skipped else session
        found: Session | None = None
        least = math.inf
        for session in hungry.values():
            if session.handle not in skipped:
                used_s = _used_s(session, now)
                if used_s < least:
                    found, least = session, used_s
        return found

    def _must_pass_on(self, session: Session, process: SlotProcess, now: float) -> bool:
        """Say whether somebody else should have this slot now."""
        hungry = self._table.hungry
        if len(hungry) < 2:
            return False
        dealt_at = min(process.slots.values())
        if now - dealt_at < self._table.settings.share_quantum_s:
            return False
        own_s = _used_s(session, now)
        return any(
            other is not session and _used_s(other, now) < own_s for other in hungry.values()
        )

    def _admit_newcomers(self, now: float) -> None:
        """Start sessions that had nothing to do at the level of those that had."""
        for session in self._table.hungry.values():
            if session.is_competing:
                continue
            if len(self._table.sessions) > 1:
                others = [each for each in self._table.sessions.values() if each.is_competing]
                levels = [_used_s(other, now) for other in others]
                session.used_s = max(session.used_s, min(levels, default=0.0))
            session.is_competing = True


def _used_s(session: Session, now: float) -> float:
    running_s = sum(
        now - dealt_at for process in session.held.values() for dealt_at in process.slots.values()
    )
    return session.used_s + running_s / session.weight


def _expected_s(handed: dict[tuple[int, int], Attempt]) -> float:
    """How long the attempts of a process will take: its last one speaks for all."""
    for attempt in reversed(handed.values()):
        function = attempt.function
        if function is None or function.average_s is None:
            return math.inf
        return function.average_s * len(handed)
    return 0.0


def _next_place(session: Session) -> Place:
    """Return where the first attempt of a queue must run."""
    queue = session.queue
    while queue:
        attempt = queue[0]
        if attempt.phase is _QUEUED:
            return attempt.place
        queue.popleft()
    return ANYWHERE


def _take(session: Session, place: Place, most: int, budget_s: float, least: int) -> list[Attempt]:
    """Take attempts for this place from the queue while they fit the budget; `least` always do."""
    queue = session.queue
    taken: list[Attempt] = []
    while len(taken) < most and queue:
        attempt = queue[0]
        if attempt.phase is not _QUEUED:
            queue.popleft()
            continue
        function = attempt.function
        assert function is not None
        if attempt.place != place:
            break
        cost_s = function.average_s
        if cost_s is None or cost_s > budget_s:
            if len(taken) >= least:
                break
            budget_s = -1.0
        else:
            budget_s -= cost_s
        taken.append(attempt)
        queue.popleft()
    session.queued -= len(taken)
    return taken
