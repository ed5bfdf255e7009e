"""Who turns the session's loop: its own thread, or an application's thread that waits for a task.

A program that runs one task at a time would wake the session's thread to send each task, and be
woken by it for each result. Between two processors that takes longer than all the work in between.
So a thread that waits for the only open task takes the helm and turns the loop itself until the
task has ended. Rules:

* Who holds the lock `_helm` turns the loop, nobody else. Everything that "belongs to the loop's
  thread" belongs to the holder.
* The session's thread holds it unless it has been asked for. Having lent it, it looks now and then
  and takes it again when nobody has used it for `KEEP_S`, or has used it longer than that: so a
  series of short tasks costs it one look per `KEEP_S`, and what another thread submits in between
  waits no longer. When more is open than one task it is called back at once.
* No exception may be raised in the middle of a turn. Ctrl-C is raised in the main thread, wherever
  that is, so there it is noted while the helm is held and raised afterwards, as `asyncio.Runner`
  does it. Where anything else could be raised (handlers of the application for signals, a stack
  that is nearly used up, a debugger), the thread does not take the helm but waits at its gate.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from hxgrid.transport.loop import LONGEST_SLEEP_S, Handler, Loop
from hxgrid.user.waiting import closed_gate, open_gate

KEEP_S: Final = 0.002
"""How long the helm stays with the application's threads unused; a sleep much shorter than this
would take as much as a turn."""

HAND_OVER_S: Final = 0.05
"""How long an application's thread waits for the helm: a turn of the loop, usually far less."""

STACK_RESERVE: Final = 300
"""Calls that a turn may be deep, several times over."""

SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in (
        *("SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGQUIT"),
        *("SIGVTALRM", "SIGPROF", "SIGCHLD", "SIGBREAK"),
    )
    if hasattr(signal, name)
)
"""Those for which programs have handlers, besides SIGINT."""


# The functions that `signal` wraps turn no numbers into enums and back: a tenth of the time.
_inner: Final[Any] = sys.modules.get("_signal", signal)
_get_handler: Final[Callable[[int], Any]] = _inner.getsignal
_set_handler: Final[Callable[[int, Any], Any]] = _inner.signal
_default_handler: Final = signal.default_int_handler
_frame_at: Final = sys._getframe  # noqa: SLF001 - nothing else is quick


class Helm:
    """Sees to it that one thread at a time turns a loop."""

    def __init__(self, loop: Loop, handler: Handler, has_work: Callable[[], bool]) -> None:
        self._loop = loop
        self._handler = handler
        self._has_work = has_work
        self._helm = threading.Lock()
        self._holder: int | None = None
        self._main_thread = threading.main_thread().ident
        self.signals: tuple[int, ...] = SIGNALS
        """With a handler for one of these, the main thread leaves the loop alone."""
        self._is_wanted = False
        self._used_at = 0.0  # monotonic; when an application's thread last took the helm or left it
        self._call = closed_gate()  # open: the session's thread is to take the helm again

    # -- the session's thread

    def run(self) -> None:
        """Turn the loop until it is stopped, but for the times when the helm is lent."""
        self._take()
        try:
            while not self._loop.is_stopped:
                if self._is_wanted:
                    self._lend()
                else:
                    self._loop.turn(self._handler)
        finally:
            self._leave()

    # -- any thread

    def is_mine(self) -> bool:
        """Say whether this thread turns the loop."""
        return self._holder == threading.get_ident()

    def call_back(self) -> None:
        """Have the session's thread look after its loop, if nobody else does."""
        open_gate(self._call)

    def stop(self) -> None:
        """Make `run` return."""
        self._loop.stop()
        self.call_back()

    def turn_until(self, is_over: Callable[[], bool], deadline: float | None) -> None:
        """Turn the loop until `is_over` or the deadline; returns at once where that cannot be.

        Call it only when nothing else is expected of the loop. Ctrl-C is raised at the end.
        """
        if not _is_free_to_turn():
            return
        if threading.get_ident() != self._main_thread:
            self._turn_until(is_over, deadline)
            return
        if not self._has_plain_handlers():
            return
        interrupts: list[int] = []

        def note(number: int, _frame: FrameType | None) -> None:
            interrupts.append(number)
            self._loop.wake()

        def is_over_or_interrupted() -> bool:
            return bool(interrupts) or is_over()

        before = _set_handler(signal.SIGINT, note)
        try:
            self._turn_until(is_over_or_interrupted, deadline)
        finally:
            # From here on an interrupt is raised as ever; nothing is held any more.
            _set_handler(signal.SIGINT, before)
        if interrupts:
            raise KeyboardInterrupt

    # -- inside

    def _turn_until(self, is_over: Callable[[], bool], deadline: float | None) -> None:
        if not self._borrow():
            return
        loop, handler = self._loop, self._handler
        longest_s = LONGEST_SLEEP_S
        try:
            while not is_over() and not loop.is_stopped:
                if deadline is not None:
                    longest_s = min(deadline - time.monotonic(), LONGEST_SLEEP_S)
                    if longest_s <= 0.0:
                        break
                loop.turn(handler, longest_s, is_over)
        finally:
            self._used_at = time.monotonic()
            self._leave()
            if self._has_work():
                self.call_back()

    def _borrow(self) -> bool:
        if not self._helm.acquire(blocking=False):
            if self._is_wanted:
                return False  # by another thread
            self._is_wanted = True
            self._loop.wake()
            if not self._helm.acquire(timeout=HAND_OVER_S):
                self._is_wanted = False
                return False
        self._is_wanted = False
        self._used_at = time.monotonic()
        self._holder = threading.get_ident()
        return True

    def _lend(self) -> None:
        self._used_at = time.monotonic()
        self._leave()
        while not self._loop.is_stopped:
            if self._call.acquire(timeout=KEEP_S):
                break
            if time.monotonic() - self._used_at >= KEEP_S:
                break
        self._take()

    def _take(self) -> None:
        self._helm.acquire()
        self._holder = threading.get_ident()

    def _leave(self) -> None:
        self._holder = None
        self._helm.release()

    def _has_plain_handlers(self) -> bool:
        """Say whether no signal but SIGINT makes Python call something, and that as usual."""
        if _get_handler(signal.SIGINT) is not _default_handler:
            return False
        return not any(map(callable, map(_get_handler, self.signals)))


def _is_free_to_turn() -> bool:
    """Say whether no debugger looks on and the stack has room for a turn."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return False
    try:
        _frame_at(sys.getrecursionlimit() - STACK_RESERVE)
    except ValueError:
        return True  # it is not that deep
    return False
