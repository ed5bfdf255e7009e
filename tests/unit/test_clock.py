from __future__ import annotations

import pytest

from hxgrid.clock import Clock, MonotonicClock
from hxgrid.testing import VirtualClock


def test_the_real_clock_never_goes_back() -> None:
    clock: Clock = MonotonicClock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)


def test_a_virtual_clock_stands_still_until_it_is_told_to_go_on() -> None:
    clock = VirtualClock(100.0)
    as_clock: Clock = clock
    assert as_clock.now() == as_clock.now() == 100.0
    assert clock.advance(2.5) == 102.5
    assert clock.advance_to(200.0) == as_clock.now() == 200.0


def test_a_virtual_clock_does_not_go_back() -> None:
    clock = VirtualClock(5.0)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
    assert clock.now() == 5.0
