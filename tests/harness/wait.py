"""Waiting for something to become true, with a limit and a useful complaint.

Tests never sleep for a fixed time: a fixed time is too long on a fast machine and too short on a
busy one. They name a condition and a generous limit instead.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FIRST_INTERVAL_S = 0.01
LONGEST_INTERVAL_S = 0.2


class WaitTimeoutError(AssertionError):
    """A condition did not become true in time; the text says what was last seen."""


def wait_until(
    condition: Callable[[], T],
    limit_s: float,
    what: str,
    *,
    seen: Callable[[], object] | None = None,
    retry_on: tuple[type[Exception], ...] = (),
) -> T:
    """Ask `condition` again and again until its answer is true, and return that answer.

    `what` completes the sentence "waited for ...". The complaint after `limit_s` ends with the last
    answer, or with what `seen` returns when that says more. Exceptions of the types in `retry_on`
    mean "not yet"; any other leaves at once.
    """
    started_at = time.monotonic()
    interval_s = FIRST_INTERVAL_S
    while True:
        last: object
        try:
            answer = condition()
            if answer:
                return answer
            last = answer
        except retry_on as error:
            last = error
        waited_s = time.monotonic() - started_at
        if waited_s >= limit_s:
            shown = seen() if seen is not None else last
            raise WaitTimeoutError(
                f"waited {waited_s:.1f} s for {what}; last seen: {_shortened(shown)}"
            )
        time.sleep(min(interval_s, limit_s - waited_s))  # noqa: TID251  all others wait here
        interval_s = min(interval_s * 1.5, LONGEST_INTERVAL_S)


def _shortened(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 4000 else f"{text[:2000]} ... {text[-2000:]}"


class Stopwatch:
    """Seconds since its making, for times that a test measures and prints."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()

    def elapsed_s(self) -> float:
        """Seconds since this stopwatch was made."""
        return time.monotonic() - self._started_at
