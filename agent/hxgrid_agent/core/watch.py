"""Watching the processes that run something: stopped ones, too long ones, disobedient ones.

A process is silent when neither a message nor a beat came from it. Silence alone proves nothing
(native code may hold the interpreter for minutes), so a silent process is looked at: if its
processor time goes on, so does the process. If nothing has moved for `suspect_after_s`, its
attempts are reported as suspected at once, and after `lost_after_s` it is killed.

An attempt that was cancelled and does not stop is killed with its process. A host in which others
run is not: it drains, and is killed when nothing else runs in it or its own time limit is over.

A process that was given several attempts and stays on one of them gives those behind it back.
While the agent has frozen its processes only cancelled ones are watched: the user's wish to stop
does not wait for the owner. Time spent frozen counts for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hxgrid.wire.batches import Key
from hxgrid.wire.messages import Outcome
from hxgrid_agent.core.actions import LookAtProcess, TakeBack
from hxgrid_agent.core.attempt import Attempt
from hxgrid_agent.core.events import ProcessSeen
from hxgrid_agent.core.pool import Pool
from hxgrid_agent.core.process import ProcessState, SlotProcess
from hxgrid_agent.core.settings import PROGRESS_LAG_S, TAKE_BACK_AFTER_S
from hxgrid_agent.core.table import Table

_NEVER: Final = float("inf")

_LEAST_CPU_S: Final = 0.005
"""Processor time below this is no sign of life: the system counts in ticks."""

_LEAST_OWN_TIME_S: Final = 0.1
"""A cancelled attempt that has only just become the first of its process gets so long."""


class Watch:
    """Looks after processes with attempts."""

    def __init__(self, table: Table, pool: Pool) -> None:
        self._table = table
        self._pool = pool

    def seen(self, event: ProcessSeen, now: float) -> None:
        """Judge a process by its beat, and by its processor time since the last look."""
        process = self._table.processes.get(event.process)
        if process is None or not process.handed or self._table.is_frozen:
            return
        if event.beat_at > process.heard_at:
            self._trust(process, event.beat_at)
        elif event.cpu_s is not None and process.cpu_for != process.heard_at:
            process.cpu_for = process.heard_at  # the first look at this silence
            process.cpu_s = event.cpu_s
        elif event.cpu_s is not None and event.cpu_s - process.cpu_s >= _LEAST_CPU_S:
            self._trust(process, now)
        elif now - process.heard_at >= self._table.settings.suspect_after_s:
            self._suspect(process)

    def progressed(self, process: SlotProcess, key: Key, now: float) -> None:
        """Note that an attempt has reported something new."""
        attempt = process.handed.get(key)
        if attempt is not None:
            attempt.reported_at = now

    def tick(self, now: float) -> None:
        """Do what is due for each running process."""
        for session in self._table.sessions.values():
            for process in list(session.held.values()):
                if process.handed and process.state is ProcessState.READY:
                    self._watch(process, now)

    def next_deadline(self) -> float | None:
        """When something is due if nothing is heard."""
        deadline: float | None = None
        for session in self._table.sessions.values():
            for process in session.held.values():
                at = self._due(process)
                if at is not None and (deadline is None or at < deadline):
                    deadline = at
        return deadline

    def thawed(self, frozen_s: float, now: float) -> None:
        """Do not count the time for which everything stood still."""
        for process in self._table.processes.values():
            process.heard_at = now
            process.head_since += frozen_s
            for key in process.began:
                process.began[key] += frozen_s
            for attempt in process.handed.values():
                if attempt.reported_at:
                    attempt.reported_at += frozen_s

    def _watch(self, process: SlotProcess, now: float) -> None:
        settings = self._table.settings
        running = process.runners()
        if self._is_disobedient(process, running, now) or self._table.is_frozen:
            return
        late = next((each for each in running if now >= _limit_at(process, each)), None)
        if late is not None:
            text = _why_late(process, late, now)
            self._pool.kill(process, Outcome.CRASHED, text, now, because_of=late)
        elif now >= process.heard_at + settings.lost_after_s:
            text = f"its process gave no sign of life for {settings.lost_after_s:g} s"
            self._pool.kill(process, Outcome.LOST, text, now)
        else:
            self._look(process, now)

    def _is_disobedient(self, process: SlotProcess, running: Sequence[Attempt], now: float) -> bool:
        """Kill a process in which nothing runs any more but what should have stopped.

        Where something else does, nothing new is started beside it.
        """
        count = sum(now >= _kill_at(process, attempt) for attempt in running)
        if count == len(running):
            self._pool.kill(process, Outcome.CANCELLED, "it did not stop when cancelled", now)
            return True
        if count:
            self._pool.drain(process)
        return False

    def _look(self, process: SlotProcess, now: float) -> None:
        if now >= self._look_at(process):
            process.look_at = now + self._table.settings.heartbeat_s
            self._table.out.append(LookAtProcess(process))
        if _is_stuck_since(process) <= now:
            process.take_back_asked = True
            self._table.out.append(TakeBack(process, process.waiting_keys()))

    def _due(self, process: SlotProcess) -> float | None:
        if not process.handed:
            return None
        running = process.runners()
        kills = [_kill_at(process, attempt) for attempt in running]
        # Killed when all are over time; draining begins with the first of them.
        at = max(kills) if process.is_draining else min(kills)
        if self._table.is_frozen:
            return at if at < _NEVER else None
        return min(
            at,
            self._look_at(process),
            process.heard_at + self._table.settings.lost_after_s,
            _is_stuck_since(process),
            *(_limit_at(process, attempt) for attempt in running),
        )

    def _look_at(self, process: SlotProcess) -> float:
        # Often, because a beat counts from when it is seen: what stops just after one is found
        # that much later.
        return max(process.heard_at + self._table.settings.heartbeat_s, process.look_at)

    def _suspect(self, process: SlotProcess) -> None:
        if not process.is_suspected:
            process.is_suspected = True
            self._table.is_load_due = True

    def _trust(self, process: SlotProcess, heard_at: float) -> None:
        process.heard_at = heard_at
        if process.is_suspected:
            process.is_suspected = False
            self._table.is_load_due = True


def _kill_at(process: SlotProcess, attempt: Attempt) -> float:
    """When an attempt should have stopped, if it was told to; else far away."""
    if attempt.kill_at is None:
        return _NEVER
    return max(attempt.kill_at, process.began_at(attempt) + _LEAST_OWN_TIME_S)


def _limit_at(process: SlotProcess, attempt: Attempt) -> float:
    """When an attempt is over its time limit, or has reported nothing new for too long."""
    assert attempt.function is not None
    offer, began_at = attempt.function.offer, process.began_at(attempt)
    at = _NEVER if offer.time_limit_s is None else began_at + offer.time_limit_s
    if offer.no_progress_limit_s is not None:
        moved_at = max(began_at, attempt.reported_at)
        at = min(at, moved_at + offer.no_progress_limit_s + PROGRESS_LAG_S)
    return at


def _why_late(process: SlotProcess, attempt: Attempt, now: float) -> str:
    assert attempt.function is not None
    offer = attempt.function.offer
    limit_s = offer.time_limit_s
    if limit_s is not None and now >= process.began_at(attempt) + limit_s:
        return f"it ran longer than its time limit of {limit_s:g} s and was killed"
    return (
        f"it reported nothing new for its no-progress limit of {offer.no_progress_limit_s:g} s "
        "and was killed"
    )


def _is_stuck_since(process: SlotProcess) -> float:
    """When a process counts as stuck before attempts that have not begun; else far away."""
    if len(process.handed) <= max(1, len(process.slots)) or process.take_back_asked:
        return _NEVER
    return process.head_since + TAKE_BACK_AFTER_S
