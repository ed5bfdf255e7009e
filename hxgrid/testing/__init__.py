"""Fakes that users of the library need too, such as a clock that tests move by hand.

Helpers that only the tests of this project use live in `tests/harness`.
"""

from __future__ import annotations

from hxgrid.testing.clock import VirtualClock

__all__ = ["VirtualClock"]
