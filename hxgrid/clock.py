"""The clock that drivers read and cores never do.

One kind of time everywhere: seconds as a float on a clock that only goes forward. Where it starts
means nothing; only differences on one computer do. Tests use `hxgrid.testing.VirtualClock`.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time as absolute monotonic seconds."""

    def now(self) -> float:
        """Return the seconds since a moment that never changes while this clock lives."""
        ...


class MonotonicClock:
    """The clock of this computer: never set back, whatever happens to the time of day."""

    __slots__ = ()

    now = staticmethod(time.monotonic)
