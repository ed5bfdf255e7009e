"""Moments at which something is due, in order, each with a key that says what."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush


class Timers:
    """At most one moment per key; setting it again replaces the old one."""

    __slots__ = ("_due", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._due: dict[Hashable, tuple[float, int]] = {}
        self._serial = 0

    def set(self, key: Hashable, due_at: float) -> None:
        """Let `key` come up at `due_at` and at no other time."""
        self._serial += 1
        self._due[key] = (due_at, self._serial)
        heappush(self._heap, (due_at, self._serial, key))

    def clear(self, key: Hashable) -> None:
        """Forget a key, if it is set."""
        self._due.pop(key, None)

    def is_set(self, key: Hashable) -> bool:
        """Say whether `key` is still to come."""
        return key in self._due

    def next_at(self) -> float | None:
        """Return the first moment that is set."""
        heap = self._heap
        while heap:
            due_at, serial, key = heap[0]
            if self._due.get(key) == (due_at, serial):
                return due_at
            heappop(heap)
        return None

    def pop_due(self, now: float) -> list[Hashable]:
        """Take out what is due, in order of time."""
        due: list[Hashable] = []
        while (next_at := self.next_at()) is not None and next_at <= now:
            key = heappop(self._heap)[2]
            del self._due[key]
            due.append(key)
        return due


class Jitter:
    """Fractions from 0 to 1 that differ between sessions and repeat with the same seed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2 + 1) & 0xFFFFFFFFFFFFFFFF

    def next(self) -> float:
        """Return the next fraction (a 64-bit linear congruential step, its upper bits)."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self._state >> 40) / (1 << 24)
