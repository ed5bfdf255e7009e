"""One thread's loop: waits for sockets, calls back, keeps time, takes commands from other threads.

A turn has a fixed order: what became readable or writable, then commands of other threads, then the
handler's clock work if it is due, then `flush`, in which a driver sends what has gathered. Nothing
is ever sent late because of a timer: the loop sleeps only while there is nothing to do.

A callback of a ZeroMQ socket should take many messages, but not all there are: bounded
(`sockets.MESSAGES_PER_TURN`), so that one loud peer cannot keep the others waiting. What is left
makes the socket readable again in the next turn.

`call_soon_threadsafe` and `stop` may be called from any thread (`stop` from signal handlers too);
everything else belongs to the thread that runs the loop.
"""

from __future__ import annotations

import math
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import zmq

from hxgrid.logs import get_logger

if TYPE_CHECKING:
    from hxgrid.clock import Clock

LONGEST_SLEEP_S = 0.5
"""A blocked poll does not notice Ctrl-C on Windows; half a second is what a person forgives."""

MAX_COMMANDS_PER_TURN = 1024
"""Commands taken in one turn; more wait for the next, behind what the sockets have to say."""

_LOG_EVERY_S = 1.0
"""Errors of callbacks are counted always, but written at most this often: a socket that stays
readable could otherwise fill the disk."""

# Plain numbers: flags of an enum are slow to join and to test.
_READABLE = int(zmq.POLLIN | zmq.POLLERR)
_WRITABLE = int(zmq.POLLOUT)

Callback = Callable[[], None]
Pollable = Any
"""A `zmq.Socket`, or anything with `fileno()` that the system can poll (on Windows: sockets)."""


class Handler(Protocol):
    """What a driver gives to `Loop.run`."""

    def tick(self, now: float) -> None:
        """Do what is due; called when `next_deadline` has been reached."""

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next (monotonic seconds), or None."""

    def flush(self) -> None:
        """Send what has gathered in this turn; called once in each, before sleeping."""


class _Registration:
    """The callbacks of one socket."""

    __slots__ = ("on_readable", "on_writable")

    def __init__(self, on_readable: Callback | None, on_writable: Callback | None) -> None:
        self.on_readable = on_readable
        self.on_writable = on_writable

    @property
    def events(self) -> int:
        readable = zmq.POLLIN if self.on_readable is not None else 0
        return readable | (zmq.POLLOUT if self.on_writable is not None else 0)


class Loop:
    """A `zmq.Poller` with callbacks. Run by one thread, closed by whoever made it."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.error_count = 0
        """Exceptions that callbacks, commands or the handler let escape; the loop goes on."""
        self._clock = clock
        self._log = get_logger("transport").bind(loop=name)
        self._poller = zmq.Poller()
        self._registrations: dict[Pollable, _Registration] = {}  # by zmq.Socket or file number
        self._commands: deque[Callback] = deque()
        self._is_asleep = False  # the next command must wake the loop
        self._is_stopped = False
        self._may_log_at = -math.inf
        self._wake_receiver, self._wake_sender = _nonblocking_pair()
        self.register(self._wake_receiver, self._drain_wakeups)

    def register(
        self,
        pollable: Pollable,
        on_readable: Callback | None,
        *,
        on_writable: Callback | None = None,
    ) -> None:
        """Watch a socket. `on_writable` is called in every turn in which it could be written."""
        key = _key_of(pollable)
        registration = _Registration(on_readable, on_writable)
        self._registrations[key] = registration
        self._poller.register(key, registration.events)

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
        key = _key_of(pollable)
        if self._registrations.pop(key, None) is not None and key in self._poller:
            self._poller.unregister(key)

    def call_soon_threadsafe(self, command: Callback) -> None:
        """Have `command` called by the loop's thread; wakes the loop if it sleeps.

        Commands run in the order in which they were given. A busy loop costs no system call here.
        """
        self._commands.append(command)
        if self._is_asleep:
            self._is_asleep = False
            self._wake()

    def stop(self) -> None:
        """Make `run` return at the end of the turn. From any thread or signal handler."""
        self._is_stopped = True
        self._wake()

    def run(self, handler: Handler) -> None:
        """Turn until `stop`. Exceptions of callbacks are logged and counted, never fatal."""
        while not self._is_stopped:
            self.turn(handler)

    def turn(self, handler: Handler, longest_s: float = LONGEST_SLEEP_S) -> None:
        """Do one turn: sleep at most `longest_s`, then everything that is due."""
        deadline = handler.next_deadline()
        self._dispatch(self._sleep(deadline, longest_s))
        if self._commands:
            self._run_commands()
        if deadline is not None:
            now = self._clock.now()
            if now >= deadline:
                self._guarded(lambda: handler.tick(now))
        self._guarded(handler.flush)

    def close(self) -> None:
        """Release the loop's own sockets, after `run` has returned. Twice is harmless."""
        self.unregister(self._wake_receiver)
        self._wake_receiver.close()
        self._wake_sender.close()

    def _sleep(self, deadline: float | None, longest_s: float) -> list[tuple[Pollable, int]]:
        timeout_s = longest_s
        if deadline is not None:
            timeout_s = min(max(deadline - self._clock.now(), 0.0), longest_s)
        self._is_asleep = True
        # Looked at after the flag went up: a command that came before it woke nobody.
        if self._commands or self._is_stopped:
            timeout_s = 0.0
        try:
            # Rounded up: waking a moment early would mean turning until the deadline is there.
            return self._poller.poll(math.ceil(timeout_s * 1000))
        finally:
            self._is_asleep = False

    def _dispatch(self, ready: list[tuple[Pollable, int]]) -> None:
        for key, events in ready:
            registration = self._registrations.get(key)  # may be gone since the poll
            if registration is None:
                continue
            if events & _READABLE and registration.on_readable is not None:
                self._guarded(registration.on_readable)
            if events & _WRITABLE and registration.on_writable is not None:
                self._guarded(registration.on_writable)

    def _run_commands(self) -> None:
        commands = self._commands
        for _ in range(min(len(commands), MAX_COMMANDS_PER_TURN)):
            self._guarded(commands.popleft())

    def _guarded(self, callback: Callback) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - one peer's surprise must not end all the others
            self.error_count += 1
            now = self._clock.now()
            if now >= self._may_log_at:
                self._may_log_at = now + _LOG_EVERY_S
                self._log.exception("callback failed", errors=self.error_count)

    def _wake(self) -> None:
        try:
            self._wake_sender.send(b"\0")
        except OSError:
            # Full: the loop has wakeups enough. Closed: there is nobody left to wake.
            return

    def _drain_wakeups(self) -> None:
        try:
            while len(self._wake_receiver.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            return


def _nonblocking_pair() -> tuple[socket.socket, socket.socket]:
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    return receiver, sender


def _key_of(pollable: Pollable) -> Pollable:
    if isinstance(pollable, zmq.Socket | int):
        return pollable
    return pollable.fileno()
