"""The virtual clock: what happens next, in order of time, ties in order of planning."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Agenda:
    """Runs callables at virtual moments."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Have `call` called at `moment`, or at once if that is past."""
        self._serial += 1
        heappush(self._heap, (max(moment, self.now), self._serial, call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Have `call` called in so many seconds."""
        self.at(self.now + seconds, call)

    def step(self) -> bool:
        """Go to the next moment and do what is planned there; False if nothing is."""
        if not self._heap:
            return False
        self.now, _, call = heappop(self._heap)
        call()
        return True
