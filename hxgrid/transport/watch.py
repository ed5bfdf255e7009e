"""What a loop knows of one socket that it waits for; the rule behind it stands in `watching`."""

from __future__ import annotations

from collections.abc import Callable

import zmq

Callback = Callable[[], None]


class Watch:
    """What a loop knows of one socket that it waits for."""

    __slots__ = (
        "due",
        "handle",
        "has_more",
        "is_due",
        "is_over",
        "is_unasked",
        "on_readable",
        "on_writable",
        "socket",
    )

    def __init__(self, handle: int, socket: zmq.Socket[bytes] | None, due: list[Watch]) -> None:
        self.handle = handle
        """What the system waits for."""
        self.socket = socket
        """None for a socket of the system."""
        self.due = due
        """The loop's list of those to look into before it sleeps."""
        self.is_due = False
        """Used since its EVENTS were asked for and said "nothing"; then it stands in `due`."""
        self.has_more = False
        """The loop has asked, or was woken for it: a message is there, nearly always. So whoever
        takes it need not ask."""
        self.is_unasked = False
        """Served for its signal alone: one message is taken, and the loop asks before it sleeps
        whether there are more. Nearly always there are not, and nobody has waited for that."""
        self.is_over = False
        """Not watched any more."""
        self.on_readable: Callback | None = None
        self.on_writable: Callback | None = None

    def touch(self) -> None:
        """Have the socket looked into before the loop sleeps."""
        if not self.is_due:
            self.is_due = True
            self.due.append(self)
