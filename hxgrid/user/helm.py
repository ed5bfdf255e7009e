"""Who turns the session's loop: its own thread, or an application's thread that waits for a task.

A program that runs one task at a time would wake the session's thread to send each task, and be
woken by it for each result. Between two processors that takes longer than all the work in between.
So a thread that waits for the only open task takes the helm and turns the loop itself until the
task has ended. Rules:

* Who holds the lock `_helm` turns the loop, nobody else. Everything that "belongs to the loop's
  thread" belongs to the holder.
* The session's thread holds it unless it has been asked for. Having lent it, it takes it again when
  nobody has used it for `KEEP_S`, or has used it longer than that: so a series of short tasks costs
  it one look per `KEEP_S`. It is called back at once by whatever else is wanted of a loop that
  nobody turns: a second task, another way of waiting, any command but "here is one task".
* No exception may be raised in the middle of a turn. Ctrl-C is raised in the main thread, wherever
  that is, so there it is noted while the helm is held and raised afterwards, as `asyncio.Runner`
  does it. Where anything else could be raised (handlers of the application for signals, a stack
  that is nearly used up, a debugger), the thread does not take the helm but waits at its gate.
"""

from __future__ import annotations

import os
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
_set_at_fork: Final[Any] = getattr(os, "register_at_fork", None)
_frame_at: Final = sys._getframe  # noqa: SLF001 - nothing else is quick


class _Interrupts:
    """Notes Ctrl-C, as a handler of the signal module, and ends the sleep of a loop."""

    def __init__(self, loop: Loop) -> None:
        self.are_there = False
        self._loop = loop

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.are_there = True
        self._loop.wake()


def _note_nothing_in_child() -> None:
    """Let Ctrl-C end a process that another thread has forked off in the middle of a turn."""
    if isinstance(_get_handler(signal.SIGINT), _Interrupts):
        _set_handler(signal.SIGINT, _default_handler)


if _set_at_fork is not None:
    _set_at_fork(after_in_child=_note_nothing_in_child)


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
        self.keep_s = KEEP_S
        self._is_wanted = False
        self._is_lent = False  # left to the application's threads
        self._used_at = 0.0  # monotonic; when an application's thread last took the helm or left it
        self._call = closed_gate()  # open: the session's thread is to take the helm again
        loop.on_command = self.call_back

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
        """Have the session's thread look after its loop at once, if nobody else does."""
        if self._is_lent and self._holder is None:
            open_gate(self._call)

    def stop(self) -> None:
        """Make `run` return."""
        self._loop.stop()
        open_gate(self._call)

    def turn_until(self, is_over: Callable[[], bool], deadline: float | None) -> None:
        """Turn the loop until `is_over` or the deadline; returns at once where that cannot be.

        Call it only when nothing else is expected of the loop. Ctrl-C is raised at the end.
        """
        if deadline is not None and deadline <= time.monotonic():
            return
        if not _is_free_to_turn():
            return
        if threading.get_ident() != self._main_thread:
            self._turn_until(is_over, deadline)
            return
        if not self._has_plain_handlers():
            return
        interrupts = _Interrupts(self._loop)
        _set_handler(signal.SIGINT, interrupts)
        try:
            self._turn_until(lambda: interrupts.are_there or is_over(), deadline)
        finally:
            # From here on an interrupt is raised as ever; nothing is held any more.
            _set_handler(signal.SIGINT, _default_handler)
            if interrupts.are_there:
                raise KeyboardInterrupt

    # -- inside

    def _turn_until(self, is_over: Callable[[], bool], deadline: float | None) -> None:
        if not self._borrow(deadline):
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
            if self._has_work() or self._loop.has_commands:
                self.call_back()

    def _borrow(self, deadline: float | None) -> bool:
        if not self._helm.acquire(blocking=False):
            if self._is_lent or self._is_wanted:
                return False  # another thread has it, or is about to
            limit_s = HAND_OVER_S
            if deadline is not None:
                limit_s = min(max(deadline - time.monotonic(), 0.0), limit_s)
            self._is_wanted = True
            self._loop.wake()
            if not self._helm.acquire(timeout=limit_s):
                self._is_wanted = False
                return False
        self._is_wanted = False
        self._used_at = time.monotonic()
        self._holder = threading.get_ident()
        return True

    def _lend(self) -> None:
        self._call.acquire(blocking=False)  # whatever it was about, here we are
        self._used_at = time.monotonic()
        self._is_lent = True
        self._leave()
        while not self._loop.is_stopped:
            left_s = self._used_at + self.keep_s - time.monotonic()
            if left_s <= 0.0 or self._call.acquire(timeout=left_s):
                break
        self._take()
        self._is_lent = False

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
