"""What has gone wrong with one task, and which agents it avoids for that."""

from __future__ import annotations

from typing import Final

from hxgrid.user.core.lanes import NOBODY

FIRST_BACKOFF_S: Final = 0.25
LONGEST_BACKOFF_S: Final = 30.0
"""Pauses of one agent for one task that it did not take; doubled each time."""
MAX_LOSSES: Final = 20
"""Attempts of one task that may be lost. Not its fault each time, but so often it may be."""
MAX_ATTEMPTS_EVER: Final = 10_000
"""Placements of one task, whatever became of them; the wire counts to 65,535."""


class Trouble:
    """Made with a task's first mishap; most tasks never have one."""

    __slots__ = ("avoids_failed", "backoff_until", "failed_on", "losses", "rejections")

    def __init__(self) -> None:
        self.failed_on: dict[str, None] = {}
        """Agents on which an attempt failed, in order."""
        self.avoids_failed = False
        """Whether those are avoided at the moment."""
        self.backoff_until: dict[str, float] = {}
        """Agents that did not take it, and when they are asked again."""
        self.rejections: dict[str, int] = {}
        self.losses = 0

    def back_off(self, agent: str, now: float) -> None:
        """Leave an agent alone with this task for a while, longer each time."""
        count = self.rejections.get(agent, 0)
        self.rejections[agent] = count + 1
        pause_s = min(FIRST_BACKOFF_S * 2.0 ** min(count, 16), LONGEST_BACKOFF_S)
        self.backoff_until[agent] = now + pause_s

    def avoided(self, now: float) -> frozenset[str]:
        """Return the agents that must not get the task now."""
        self.backoff_until = {
            agent: until for agent, until in self.backoff_until.items() if until > now
        }
        if not self.backoff_until and not self.avoids_failed:
            return NOBODY
        failed = self.failed_on if self.avoids_failed else ()
        return frozenset((*self.backoff_until, *failed))

    def next_change_at(self, retry_at: float) -> float | None:
        """Return when to look again; `retry_at` is when failed agents may be reconsidered."""
        moments = list(self.backoff_until.values())
        if self.avoids_failed:
            moments.append(retry_at)
        return min(moments, default=None)
