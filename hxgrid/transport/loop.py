"""One thread's loop: waits for sockets, calls back, keeps time, takes commands from other threads.

A turn has a fixed order: what became readable or writable, then commands of other threads, then the
handler's clock work if it is due, then `flush`, in which a driver sends what has gathered. Where
commands are waiting already, every other turn begins with them. Nothing is ever sent late because
of a timer: the loop sleeps only while there is nothing to do.

ZeroMQ sockets are waited for as `watching` says. The loop sleeps on their signals; it looks into a
socket only when its signal is up or somebody has used it. A callback of such a socket is called
when there *may* be something, so it must not block. It should take many messages, but not all there
are: bounded (`sockets.MESSAGES_PER_TURN`), so that one loud peer cannot keep the others waiting.
What is left makes the socket due again in the next turn.

`call_soon_threadsafe` and `stop` may be called from any thread (`stop` from signal handlers too);
everything else belongs to the thread that runs the loop.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import zmq

from hxgrid.logs import get_logger
from hxgrid.transport.waiting import READABLE, WRITABLE, Waiter
from hxgrid.transport.watch import Callback, Watch
from hxgrid.transport.watching import Socket

if TYPE_CHECKING:
    from hxgrid.clock import Clock

LONGEST_SLEEP_S: Final = 0.5
"""A blocked poll does not notice Ctrl-C on Windows; half a second is what a person forgives."""

LOOK_AT_ALL_S: Final = 0.5
"""Every ZeroMQ socket is looked into so often, used or not: the net below `watching`."""

FRESH_S: Final = 0.005
"""How long an answer to "when is `tick` wanted next?" is good enough for a busy loop; nothing due
is finer than that. A loop that sleeps wakes once after it, and asks anew."""

MAX_COMMANDS_PER_TURN: Final = 1024
"""Commands taken in one turn; more wait for the next, behind what the sockets have to say."""

_LOG_EVERY_S: Final = 1.0
"""Errors of callbacks are counted always, but written at most this often: a socket that stays
readable could otherwise fill the disk."""

# Plain numbers: flags of an enum are slow to join and to test.
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
_POLLOUT: Final = int(zmq.POLLOUT)
_ask: Final[Any] = zmq.backend.Socket.get

Pollable = Any
"""A `zmq.Socket`, or anything with `fileno()` that the system can poll (on Windows: sockets)."""


class Handler(Protocol):
    """What a driver gives to `Loop.run`."""

    def tick(self, now: float) -> None:
        """Do what is due; called when `next_deadline` has been reached."""

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next (monotonic seconds), or None.

        Not asked in each turn of a busy loop: an answer stands for `FRESH_S`.
        """

    def flush(self) -> None:
        """Send what has gathered in this turn; called once in each, before sleeping."""


class Loop:
    """Sockets with callbacks. Run by one thread, closed by whoever made it."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.error_count = 0
        """Exceptions that callbacks, commands or the handler let escape; the loop goes on."""
        self.look_at_all_s = LOOK_AT_ALL_S
        """Seconds; tests of what must not need that net make it long."""
        self.on_command: Callback | None = None
        """Called after each command was given, in the thread that gave it."""
        self._clock = clock
        self._log = get_logger("transport").bind(loop=name)
        self._waiter = Waiter()
        self._watches: dict[Pollable, Watch] = {}  # by zmq.Socket or file number
        self._by_handle: dict[int, Watch] = {}
        self._due: list[Watch] = []  # to look into before sleeping
        self._awkward: dict[Watch, None] = {}  # looked into in every turn
        self._look_at_all_at = -math.inf
        self._deadline = math.inf
        self._ask_again_at = -math.inf  # for the deadline
        self._commands: deque[Callback] = deque()
        self._is_asleep = False  # the next command must wake the loop
        self._has_hurried = False  # the last turn ran commands without a look at the sockets
        self._is_flush_due = False  # the last turn was left before its flush
        self._is_stopped = False
        self._may_log_at = -math.inf

    def register(
        self,
        pollable: Pollable,
        on_readable: Callback | None,
        *,
        on_writable: Callback | None = None,
    ) -> None:
        """Watch a socket. `on_writable` is called in every turn in which it could be written."""
        key = _key_of(pollable)
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = self._new_watch(key)
        watch.on_readable, watch.on_writable = on_readable, on_writable
        is_read, is_written = on_readable is not None, on_writable is not None
        if watch.socket is None:
            self._waiter.watch(watch.handle, readable=is_read, writable=is_written)
            return
        self._waiter.watch(watch.handle, readable=is_read or is_written, writable=False)
        if is_written or (is_read and not isinstance(watch.socket, Socket)):
            self._awkward[watch] = None
        else:
            self._awkward.pop(watch, None)
        watch.touch()

    def modify(
        self,
        pollable: Pollable,
        on_readable: Callback | None,
        *,
        on_writable: Callback | None = None,
    ) -> None:
        """Change what a registered socket is watched for; both None: keep it, but do not poll."""
        self.register(pollable, on_readable, on_writable=on_writable)

    def unregister(self, pollable: Pollable) -> None:
        """Stop watching. Call it before closing the socket; unknown ones are ignored."""
        watch = self._watches.pop(_key_of(pollable), None)
        if watch is None:
            return
        watch.is_over = True
        self._awkward.pop(watch, None)
        if self._by_handle.get(watch.handle) is watch:
            del self._by_handle[watch.handle]
            self._waiter.forget(watch.handle)
        if isinstance(watch.socket, Socket) and watch.socket.watch is watch:
            watch.socket.watch = None

    def _new_watch(self, key: Pollable) -> Watch:
        if not isinstance(key, zmq.Socket):
            watch = Watch(key, None, self._due)
        else:
            watch = Watch(int(_ask(key, zmq.FD)), key, self._due)
            if isinstance(key, Socket):
                key.watch = watch
        self._by_handle[watch.handle] = watch
        return watch

    def call_soon_threadsafe(self, command: Callback) -> None:
        """Have `command` called by the loop's thread; wakes the loop if it sleeps.

        Commands run in the order in which they were given. A busy loop costs no system call here.
        """
        self.call_in_turn(command)
        if self.on_command is not None:
            self.on_command()

    def call_in_turn(self, command: Callback) -> None:
        """Do the same, for a caller who sees to it that somebody turns the loop."""
        self._commands.append(command)
        if self._is_asleep:
            self._is_asleep = False
            self._waiter.wake()

    @property
    def has_commands(self) -> bool:
        """Whether a command waits for the next turn."""
        return bool(self._commands)

    def wake(self) -> None:
        """End the sleep of this turn, or of the next. From any thread or signal handler."""
        self._waiter.wake()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` has been called."""
        return self._is_stopped

    def stop(self) -> None:
        """Make `run` return at the end of the turn. From any thread or signal handler."""
        self._is_stopped = True
        self._waiter.wake()

    def run(self, handler: Handler) -> None:
        """Turn until `stop`. Exceptions of callbacks are logged and counted, never fatal."""
        while not self._is_stopped:
            self.turn(handler)

    def turn(
        self,
        handler: Handler,
        longest_s: float = LONGEST_SLEEP_S,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        """Do one turn: sleep at most `longest_s`, then everything that is due.

        When `is_over` after the sockets have been served, the rest is left to the next turn.
        """
        now = self._clock.now()
        if now >= self._ask_again_at:
            deadline = handler.next_deadline()
            self._deadline = math.inf if deadline is None else deadline
            self._ask_again_at = now + FRESH_S
            timeout_s = self._deadline - now
        else:
            timeout_s = min(self._deadline, self._ask_again_at) - now
        if now >= self._look_at_all_at:
            self._look_at_all(now)
        if self._is_flush_due and not self._commands:
            self._flush(handler)
        if self._commands and not self._has_hurried:
            self._has_hurried = True  # somebody has a task to send: that first
        else:
            self._has_hurried = False
            self._wait_and_serve(min(max(timeout_s, 0.0), longest_s))
            if is_over is not None and is_over():
                self._is_flush_due = True
                return
        if self._commands:
            self._run_commands()
        now = self._clock.now()
        if now >= self._deadline:
            self._ask_again_at = -math.inf
            self._guarded(lambda: handler.tick(now))
        self._flush(handler)

    def close(self) -> None:
        """Release what the loop waits with, after `run` has returned. Twice is harmless."""
        self._waiter.close()

    def _flush(self, handler: Handler) -> None:
        self._is_flush_due = False
        try:
            handler.flush()
        except Exception:  # noqa: BLE001 - as for callbacks
            self._note_error()

    def _wait_and_serve(self, timeout_s: float) -> None:
        ready = self._look_into_due() if self._due or self._awkward else None
        self._is_asleep = True
        # Looked at after the flag went up: a command that came before it woke nobody.
        if ready or self._commands or self._is_stopped:
            timeout_s = 0.0
        try:
            signalled = self._waiter.wait(timeout_s)
        finally:
            self._is_asleep = False
        if ready:
            for watch, events in ready:
                self._serve(watch, events & _POLLIN, events & _POLLOUT)
        by_handle = self._by_handle
        for handle, signals in signalled:
            watch_or_none = by_handle.get(handle)  # may be gone since the wait
            if watch_or_none is None:
                continue
            if watch_or_none.socket is None:
                self._serve(watch_or_none, signals & READABLE, signals & WRITABLE)
            elif not watch_or_none.is_due and watch_or_none not in self._awkward:
                watch_or_none.touch()
                watch_or_none.has_more = watch_or_none.is_unasked = True
                self._serve(watch_or_none, _POLLIN, 0)
                watch_or_none.is_unasked = False
            # Else it is looked into before the next sleep.

    def _serve(self, watch: Watch, is_readable: int, is_writable: int) -> None:
        if is_readable and watch.on_readable is not None and not watch.is_over:
            try:
                watch.on_readable()
            except Exception:  # noqa: BLE001 - one peer's surprise must not end all the others
                self._note_error()
        if is_writable and watch.on_writable is not None and not watch.is_over:
            self._guarded(watch.on_writable)

    def _look_into_due(self) -> list[tuple[Watch, int]]:
        """Return the ZeroMQ sockets with something to do, among those that may have it."""
        ready: list[tuple[Watch, int]] = []
        awkward = self._awkward
        looked_into = self._due.copy()
        self._due.clear()
        if awkward or len(looked_into) > 1:
            looked_into = list(dict.fromkeys([*looked_into, *awkward]))
        for watch in looked_into:
            if watch.is_over or not (watch.is_due or watch in awkward):
                continue
            watch.is_due = False
            events = self._events_of(watch)
            if events:
                # Taking its last message, or the next look, says that there is no more.
                watch.touch()
                watch.has_more = bool(events & _POLLIN)
                ready.append((watch, events))
        return ready

    def _events_of(self, watch: Watch) -> int:
        """Return for what it is ready, of what it is watched for."""
        wanted = _POLLIN if watch.on_readable is not None else 0
        if watch.on_writable is not None:
            wanted |= _POLLOUT
        if not wanted or watch.socket is None:
            return 0
        try:
            return int(_ask(watch.socket, _EVENTS)) & wanted
        except zmq.ZMQError:
            # Closed without a word, or its context is ending.
            self._note_error()
            self.unregister(watch.socket)
            return 0

    def _look_at_all(self, now: float) -> None:
        self._look_at_all_at = now + self.look_at_all_s
        for watch in self._watches.values():
            if watch.socket is not None:
                watch.touch()

    def _run_commands(self) -> None:
        commands = self._commands
        for _ in range(min(len(commands), MAX_COMMANDS_PER_TURN)):
            self._guarded(commands.popleft())

    def _guarded(self, callback: Callback) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - one peer's surprise must not end all the others
            self._note_error()

    def _note_error(self) -> None:
        """Count the exception that is being handled, and say so now and then."""
        self.error_count += 1
        now = self._clock.now()
        if now >= self._may_log_at:
            self._may_log_at = now + _LOG_EVERY_S
            self._log.exception("callback failed", errors=self.error_count)


def _key_of(pollable: Pollable) -> Pollable:
    if isinstance(pollable, zmq.Socket | int):
        return pollable
    return pollable.fileno()
