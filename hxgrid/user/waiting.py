"""Waiting that Ctrl-C can end on every system.

On Windows a thread that waits for a lock without a limit does not notice Ctrl-C, so every wait here
is made of pieces. How long a piece is costs nothing elsewhere: waking is at once all the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

PIECE_S: Final = 0.5
"""Longest time without a look at pending signals."""


def deadline_after(timeout: float | None) -> float | None:
    """Return the moment at which `timeout` seconds from now are over; None: never."""
    return None if timeout is None else time.monotonic() + timeout


def wait_event(event: threading.Event, timeout: float | None) -> bool:
    """Wait until the event is set; False if the time is over first."""
    deadline = deadline_after(timeout)
    while True:
        left = _left(deadline)
        if event.wait(left):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False


def closed_gate() -> threading.Lock:
    """Return a gate that nobody passes before `open_gate`."""
    gate = threading.Lock()
    gate.acquire()
    return gate


def open_gate(gate: threading.Lock) -> None:
    """Let everybody pass. Twice is harmless, also at the same time."""
    try:  # noqa: SIM105 - one task at a time waits for this
        gate.release()
    except RuntimeError:
        pass


def pass_gate(gate: threading.Lock, is_open: Callable[[], bool], deadline: float | None) -> bool:
    """Wait until the gate is open, and `is_open` therefore true; False: the deadline is first."""
    while not is_open():
        if gate.acquire(timeout=_left(deadline)):
            open_gate(gate)  # for the next one
        elif deadline is not None and time.monotonic() >= deadline:
            return is_open()
    return True


def wait_until_true(
    condition: threading.Condition, is_true: Callable[[], bool], deadline: float | None
) -> bool:
    """Wait, with the condition's lock held, until `is_true`; False if the deadline passes first."""
    while not is_true():
        if deadline is not None and time.monotonic() >= deadline:
            return False
        condition.wait(_left(deadline))
    return True


def _left(deadline: float | None) -> float:
    if deadline is None:
        return PIECE_S
    return min(max(deadline - time.monotonic(), 0.0), PIECE_S)
