"""ZeroMQ sockets that a loop can wait for without asking each of them all the time.

The system cannot wait for a ZeroMQ socket itself, only for its signal: a file handle that becomes
readable when libzmq's own thread has left something for the socket. The signal is raised once; it
is lowered by *any* use of the socket, a send included, whatever that use was about. So the signal
alone is not enough. The rule that loses nothing:

    Between the last use of a socket and the next sleep its EVENTS must have been asked for, and
    there must have been nothing.

A socket that nobody has used since keeps its signal up until it is looked into, and costs nothing
until then. Each use leaves a mark (`Watch.is_due`), and the loop looks into the marked ones before
it sleeps. `send_message` and `receive_message` leave it by themselves; whoever uses a socket in
another way outside of its own callback calls `touch`.
"""

from __future__ import annotations

from typing import Any

import zmq

from hxgrid.transport.watch import Watch


class Socket(zmq.Socket[bytes]):
    """A ZeroMQ socket that knows the loop that waits for it."""

    watch: Watch | None = None

    def touch(self) -> None:
        """Tell the loop of a use that it could not notice."""
        if self.watch is not None:
            self.watch.touch()

    def open_monitor(self, events: int) -> Socket:
        """Return the socket on which libzmq tells of this one's connections.

        To be closed, after `disable_monitor`, before this one is.
        """
        address = f"inproc://hxgrid-monitor-{self.getsockopt(zmq.FD)!r}"
        self.monitor(address, events)
        monitor = make_socket(self.context, zmq.PAIR)
        monitor.connect(address)
        return monitor


def make_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> Socket:
    """Make a socket without any options set."""
    # A context's types know one class of sockets only.
    make: Any = context.socket
    made: Socket = make(kind, socket_class=Socket)
    return made
