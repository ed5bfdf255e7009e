"""A clock that tests move by hand, so that hours pass in no time."""

from __future__ import annotations


class VirtualClock:
    """A `hxgrid.clock.Clock` that stands still until it is told to go on."""

    def __init__(self, start_at: float = 0.0) -> None:
        self._now = start_at

    def now(self) -> float:
        """Return the time that the test has reached."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Go forward by `seconds` (not back: ValueError) and return the new time."""
        return self.advance_to(self._now + seconds)

    def advance_to(self, moment: float) -> float:
        """Go forward to `moment` (not back: ValueError) and return it."""
        if moment < self._now:
            raise ValueError(f"a clock does not go back: from {self._now} to {moment}")
        self._now = moment
        return moment
