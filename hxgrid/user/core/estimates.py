"""How long functions take, learned from results, and what follows for send-ahead."""

from __future__ import annotations

import math
from typing import Final

from hxgrid.user.core.settings import DispatchSettings

MAX_WINDOW: Final = 2000
"""Attempts at one agent: what a tiny task's result needs to come back is never more."""
MIN_HORIZON_S: Final = 0.005
"""Work that an agent should hold ahead of itself, however near it is: the two loops between
wake up late by about that much on a busy computer."""
ROUND_TRIPS_AHEAD: Final = 2.0
SHORT_S: Final = 1.0
"""Below it each slot gets one attempt ahead: slots that began together also end together."""
SHORTEST_S: Final = 2e-6
"""Of a measured duration; less is the resolution of a clock."""
LONGEST_S: Final = 1e8
_MEMORY: Final = 200
"""Results that an estimate remembers; a batch of more counts as so many."""


class Estimate:
    """The mean duration of a function, with more weight on what came last.

    Where the application says what its tasks cost, relative to each other, the time for one unit of
    that is learned too: a task of cost 100 is expected to take a hundred times as long as one of 1.
    """

    __slots__ = ("_costed", "count", "failed_in_row", "mean_s", "per_cost_s")

    def __init__(self) -> None:
        self.count = 0
        """Good results ever."""
        self.mean_s = 0.0
        """0 until the first one."""
        self.per_cost_s = 0.0
        """Time for a cost of 1; 0 until the first result of a task with a cost."""
        self._costed = 0
        self.failed_in_row = 0
        """Failed attempts since the last good one."""

    def add(self, total_s: float, count: int) -> None:
        """Learn from `count` good results; nonsense from a strange clock counts as no time."""
        mean_s = total_s / count
        if not 0.0 <= mean_s <= LONGEST_S:
            mean_s = 0.0
        known = min(self.count, _MEMORY)
        self.mean_s += (mean_s - self.mean_s) * count / (known + count)
        self.count += count
        self.failed_in_row = 0

    def add_costed(self, took_s: float, cost: float) -> None:
        """Learn what a unit of cost takes; the result itself is added by `add`."""
        if 0.0 <= took_s <= LONGEST_S:
            self._costed = min(self._costed + 1, _MEMORY)
            self.per_cost_s += (took_s / cost - self.per_cost_s) / self._costed

    def expected_s(self, cost: float | None) -> float:
        """Return how long a task of this cost takes; 0 while nothing is known."""
        if cost is None or not self._costed:
            return self.mean_s
        return self.per_cost_s * cost


def window_of(
    slots: int,
    estimate: Estimate | None,
    round_trip_s: float,
    settings: DispatchSettings,
    cost: float | None = None,
) -> int:
    """Return how many attempts an agent may hold, running ones included.

    `cost` is that of the next task: nothing is sent far ahead that takes long itself.
    """
    if settings.send_ahead != "auto":
        return slots + settings.send_ahead
    if estimate is None or not estimate.count:
        return slots + 1
    mean_s = max(estimate.expected_s(cost), SHORTEST_S)
    horizon_s = max(ROUND_TRIPS_AHEAD * round_trip_s, MIN_HORIZON_S)
    ahead = max(math.ceil(slots * horizon_s / mean_s), slots if mean_s < SHORT_S else 1)
    # One quick result does not yet prove a thousand: grow with what has been seen.
    return min(slots + min(ahead, 1 + 4 * estimate.count), max(MAX_WINDOW, slots + 1))
