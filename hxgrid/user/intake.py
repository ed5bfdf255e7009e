"""The way in: limits on what is queued, who waits for room, and what has been handed to the loop.

One lock guards the counters, and each `run_task` takes it once; the loop takes it once per batch.
A task counts from its acceptance until its callback has returned, so the limit on tasks bounds what
waits on either side. Limits are checked in the same breath as the append: parallel callers cannot
pass them together.

When a limit is reached:

* One task of any size is accepted when nothing else is queued.
* If only memory is short, inputs are spilled to disk, first those of attempts under way (their
  agent has a copy, they are needed again only if it is lost), then unsent ones.
* Otherwise the caller waits. Waiters are woken when a quarter has become free, not at every task:
  else caller and loop would hand the interpreter to each other once per task.
* What is submitted on a callback thread is always accepted, as nothing could make room meanwhile.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from hxgrid.errors import HxGridError, StoreError
from hxgrid.logs import get_logger
from hxgrid.user.core.task import TaskRecord, TaskState
from hxgrid.user.waiting import deadline_after, wait_until_true

SPILL_FROM_BYTES: Final = 4096
"""Smaller inputs stay in memory: their record is as large as they are."""

_SEVERAL: Final = 2

_log: Final = get_logger("user")


class Spilled(Protocol):
    """An input on disk."""

    size_bytes: int

    def read(self) -> memoryview:
        """Return the bytes; StoreError if they are gone."""

    def remove(self) -> None:
        """Remove the file; twice is harmless."""


def refused(refusal: HxGridError) -> HxGridError:
    """Return a refusal to raise: a copy each time, or the first would gather all tracebacks."""
    return copy.copy(refusal)


class Intake:
    """Counts what the session has accepted and holds back who would pass the limits."""

    def __init__(
        self,
        wake: Callable[[bool], None],
        spill: Callable[[Any], Spilled] | None,
        is_exempt_thread: Callable[[], bool],
    ) -> None:
        self.lock = threading.Lock()
        self.idle = threading.Condition(self.lock)
        """Notified when nothing is open any more, and at the end of the session."""
        self.changed = threading.Condition(self.lock)
        """Notified after each batch of ends."""
        self.refusal: HxGridError | None = None
        """Why nothing is accepted any more; None while the session is usable."""
        self.open_count = 0
        """Tasks accepted whose callback has not returned."""
        self.ended_count = 0
        """Tasks that have ended, ever."""
        self.memory_bytes = 0
        """Inputs held in memory."""
        self.max_count = 1
        self.max_bytes = 0
        self.allow_spill = False
        self._room = threading.Condition(self.lock)
        self._next_id = 1
        self._incoming: list[TaskRecord] = []
        self._is_wake_due = True  # nobody has woken the loop since it last took
        self._waiting_count = 0  # threads that wait for room
        self._watching_count = 0  # threads that wait for ends
        self._spillable: dict[int, TaskRecord] = {}  # in memory, oldest first
        self._spilled: dict[int, Spilled] = {}
        self._wake = wake
        self._spill = spill
        self._is_exempt_thread = is_exempt_thread

    # -- the application's threads

    def add(self, record: TaskRecord, blocking: bool, timeout: float | None) -> bool:
        """Accept a task and give it its id; False if there is no room (in time)."""
        stored = record.stored_bytes
        with self.lock:
            if self.refusal is not None:
                raise refused(self.refusal)
            has_room = (
                self.open_count < self.max_count and self.memory_bytes + stored <= self.max_bytes
            ) or not self.open_count
            if has_room:
                self._append(record, stored)
                is_alone = self.open_count == 1
                # The second one shows that nobody waits for the first alone.
                must_wake = self._is_wake_due or self.open_count == _SEVERAL
                self._is_wake_due = False
        if not has_room:
            return self._add_when_full(record, blocking, timeout)
        if must_wake:
            self._wake(is_alone)
        return True

    def add_many(self, records: Sequence[TaskRecord]) -> None:
        """Accept these whatever the limits say, for callers that must never block.

        Spills what passes the limit on memory.
        """
        with self.lock:
            if self.refusal is not None:
                raise refused(self.refusal)
            for record in records:
                self._append(record, record.stored_bytes)
            is_short = self.memory_bytes > self.max_bytes
            must_wake = self._is_wake_due
            self._is_wake_due = False
        if must_wake:
            self._wake(False)
        if is_short:
            self._make_room(0)

    def wait_idle(self, timeout: float | None, *, closing: HxGridError | None = None) -> bool:
        """Wait until nothing is open; with `closing`, nothing is accepted from that moment on."""
        with self.lock:
            is_idle = self._watch(self.idle, lambda: self.open_count == 0, timeout)
            if is_idle and closing is not None:
                self.refusal = self.refusal or closing
            return is_idle

    def wait_change(self, seen: int, timeout: float | None) -> tuple[bool, int]:
        """Wait until more than `seen` tasks have ended or nothing is open; the new count too."""
        with self.lock:
            is_changed = self._watch(
                self.changed,
                lambda: self.ended_count != seen or self.open_count == 0,
                timeout,
            )
            return is_changed, self.ended_count

    def refuse(self, why: HxGridError) -> None:
        """Accept nothing any more; whoever waits for room gets `why`."""
        with self.lock:
            self.refusal = self.refusal or why
            self._room.notify_all()

    def set_limits(self, max_count: int, max_bytes: int, allow_spill: bool) -> None:
        """Set the limits, in force at once."""
        with self.lock:
            self.max_count = max_count
            self.max_bytes = max_bytes
            self.allow_spill = allow_spill
            self._room.notify_all()

    # -- the loop

    def take(self) -> list[TaskRecord]:
        """Return what was accepted since the last time, oldest first."""
        with self.lock:
            taken, self._incoming = self._incoming, []
            self._is_wake_due = True
        return taken

    def forget_input(self, record: TaskRecord) -> int:
        """Drop the input of a task that has ended; return how much memory that frees."""
        stored = record.stored_bytes
        record.payload = None
        if stored < SPILL_FROM_BYTES:
            return stored
        with self.lock:
            self._spillable.pop(record.id, None)
            spilled = self._spilled.pop(record.id, None)
        if spilled is None:
            return stored
        spilled.remove()
        return 0

    def end(self, count: int, freed_bytes: int, still_called: int = 0) -> None:
        """Count ended tasks, of which `still_called` wait for their callback and remain open."""
        with self.lock:
            self.memory_bytes -= freed_bytes
            self._count_ends(count - still_called)

    def called(self, count: int) -> None:
        """Count tasks whose callback has returned."""
        with self.lock:
            self._count_ends(count)

    # -- inside

    def _append(self, record: TaskRecord, stored: int) -> None:
        record.id = self._next_id
        self._next_id += 1
        self.open_count += 1
        self.memory_bytes += stored
        if stored >= SPILL_FROM_BYTES:
            self._spillable[record.id] = record
        self._incoming.append(record)

    def _count_ends(self, count: int) -> None:
        self.open_count -= count
        self.ended_count += count
        if self._watching_count:
            self.changed.notify_all()
            if not self.open_count:
                self.idle.notify_all()
        if self._waiting_count and self._has_ample_room():
            self._room.notify_all()

    def _watch(
        self, condition: threading.Condition, is_true: Callable[[], bool], timeout: float | None
    ) -> bool:
        # Counted, because notifying nobody takes as long as ending a task.
        self._watching_count += 1
        try:
            return wait_until_true(condition, is_true, deadline_after(timeout))
        finally:
            self._watching_count -= 1

    def _has_ample_room(self) -> bool:
        low = self.max_count - max(1, self.max_count // 4)
        return not self.open_count or (
            self.open_count <= low and self.memory_bytes <= self.max_bytes - self.max_bytes // 4
        )

    def _fits(self, stored: int) -> bool:
        return not self.open_count or (
            self.open_count < self.max_count and self.memory_bytes + stored <= self.max_bytes
        )

    def _add_when_full(self, record: TaskRecord, blocking: bool, timeout: float | None) -> bool:
        if self._is_exempt_thread():
            self.add_many([record])
            return True
        deadline = deadline_after(timeout)
        stored = record.stored_bytes
        while True:
            self._make_room(stored)
            with self.lock:
                is_free = self._fits(stored)
                if not is_free and blocking:
                    is_free = self._wait_for_room(stored, deadline)
                if self.refusal is not None:
                    raise refused(self.refusal)
                if self._fits(stored):
                    self._append(record, stored)
                    must_wake = self._is_wake_due
                    self._is_wake_due = False
                    is_in = True
                else:
                    is_in = False
            if is_in:
                break
            if not is_free:
                return False
        if must_wake:
            self._wake(False)
        return True

    def _wait_for_room(self, stored: int, deadline: float | None) -> bool:
        self._waiting_count += 1
        try:
            return wait_until_true(
                self._room,
                lambda: self.refusal is not None or self._fits(stored),
                deadline,
            )
        finally:
            self._waiting_count -= 1

    def _make_room(self, stored: int) -> None:
        """Spill until `stored` more bytes fit, if memory is what is short and it is allowed."""
        while True:
            with self.lock:
                is_short = self.memory_bytes + stored > self.max_bytes
                if not is_short or not self.allow_spill or self._spill is None:
                    return
                if stored and self.open_count >= self.max_count:
                    return
                victim = self._next_victim()
            if victim is None or not self._spill_one(victim):
                return

    def _next_victim(self) -> TaskRecord | None:
        unsent: TaskRecord | None = None
        for record in self._spillable.values():
            if record.state is TaskState.RUNNING:
                return record
            unsent = record  # the last one is needed last
        return unsent

    def _spill_one(self, record: TaskRecord) -> bool:
        with self.lock:
            payload = record.payload if record.id in self._spillable else None
        if payload is None:
            return True  # it has just ended, or another thread has just spilled it
        assert self._spill is not None
        try:
            spilled = self._spill(payload)
        except StoreError as error:
            _log.warning("input not spilled, it stays in memory", task=record.id, reason=error)
            return False
        with self.lock:
            is_wanted = self._spillable.pop(record.id, None) is not None
            if is_wanted:
                record.payload = spilled
                self._spilled[record.id] = spilled
                self.memory_bytes -= record.stored_bytes
        if not is_wanted:
            spilled.remove()
        return True
