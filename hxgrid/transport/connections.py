"""How many connections a bound socket holds, and the cap on them.

libzmq has no such cap, nor can a listener be paused (closing it ends the connections that came
through it), so newcomers are turned away in the handshake, by the ZAP handler, while the socket
holds as many as it may. One that never finishes its handshake is hung up on by HANDSHAKE_IVL; the
file handles reserved by the socket factory leave room for those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq
from zmq.utils.monitor import parse_monitor_message

if TYPE_CHECKING:
    from hxgrid.transport.loop import Loop
    from hxgrid.transport.sockets import Socket

_EVENTS_PER_TURN = 1024


class ConnectionCap:
    """Counts a socket's connections by what libzmq's monitor tells; served by the loop."""

    def __init__(self, loop: Loop, socket: Socket, max_connections: int) -> None:
        self._loop = loop
        self._socket = socket
        self._max_connections = max_connections
        self._open: set[int] = set()  # file numbers of accepted connections
        self._monitor: Socket | None = None

    def open(self) -> None:
        """Begin to count. Connections that exist already are not known."""
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        # libzmq's thread would wait for us if this could be full; each event has two small frames.
        self._monitor.rcvhwm = 0
        self._loop.register(self._monitor, self._on_readable)

    def close(self) -> None:
        """Stop counting; before the socket itself is closed. Twice is harmless."""
        if self._monitor is not None:
            self._loop.unregister(self._monitor)
            self._socket.disable_monitor()
            self._monitor.close(0)
            self._monitor = None

    @property
    def count(self) -> int:
        """Connections at this moment, those in their handshake among them."""
        return len(self._open)

    @property
    def is_exceeded(self) -> bool:
        """Whether the newest connection, which is counted already, is one too many."""
        return len(self._open) > self._max_connections

    def refresh(self) -> None:
        """Take in what the monitor has told so far, without waiting for the loop's turn."""
        self._on_readable()

    def _on_readable(self) -> None:
        for _ in range(_EVENTS_PER_TURN):
            if self._monitor is None:
                return
            try:
                event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._open.add(event["value"])
            else:
                self._open.discard(event["value"])
