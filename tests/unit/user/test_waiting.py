"""Waiting in pieces."""

from __future__ import annotations

import threading
import time

from hxgrid.user.waiting import closed_gate, open_gate, pass_gate, wait_event, wait_until_true


def test_a_gate_lets_nobody_pass_before_it_is_open_and_everybody_after() -> None:
    gate = closed_gate()
    opened: list[bool] = []
    later = time.monotonic() + 20.0
    passed: list[bool] = []
    waiters = [
        threading.Thread(target=lambda: passed.append(pass_gate(gate, lambda: bool(opened), later)))
        for _ in range(5)
    ]
    for waiter in waiters:
        waiter.start()
    assert passed == []
    opened.append(True)
    open_gate(gate)
    open_gate(gate)
    for waiter in waiters:
        waiter.join(10)
    assert passed == [True] * 5


def test_every_wait_ends_in_time() -> None:
    began_at = time.monotonic()
    assert not pass_gate(closed_gate(), lambda: False, time.monotonic() + 0.05)
    assert not wait_event(threading.Event(), 0.05)
    condition = threading.Condition()
    with condition:
        assert not wait_until_true(condition, lambda: False, time.monotonic() + 0.05)
    assert 0.15 <= time.monotonic() - began_at < 10


def test_what_is_true_already_is_not_waited_for() -> None:
    assert pass_gate(closed_gate(), lambda: True, 0)
    event = threading.Event()
    event.set()
    assert wait_event(event, 0)
