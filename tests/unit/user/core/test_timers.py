from __future__ import annotations

from hxgrid.user.core.timers import Jitter, Timers


def test_what_is_due_comes_up_in_order_and_once() -> None:
    timers = Timers()
    timers.set("late", 3.0)
    timers.set("second", 2.0)
    timers.set("first", 1.0)
    assert timers.next_at() == 1.0
    assert timers.pop_due(2.5) == ["first", "second"]
    assert timers.pop_due(2.5) == []


def test_setting_again_replaces_and_clearing_forgets() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.set("a", 5.0)
    timers.set("b", 2.0)
    timers.clear("b")
    timers.clear("never set")
    assert timers.next_at() == 5.0
    assert timers.pop_due(4.0) == []


def test_jitter_repeats_with_its_seed_and_differs_between_seeds() -> None:
    one, same, other = Jitter(1), Jitter(1), Jitter(2)
    draws = [one.next() for _ in range(100)]
    assert draws == [same.next() for _ in range(100)]
    assert draws != [other.next() for _ in range(100)]
    assert all(0.0 <= draw < 1.0 for draw in draws)
    assert 0.3 < sum(draws) / 100 < 0.7
