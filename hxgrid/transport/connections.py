"""How many connections a bound socket holds, and what strangers may send over them.

libzmq has no cap on connections, nor can a listener be paused (closing it ends the connections that
came through it), so newcomers are turned away in the handshake, by the ZAP handler, while the
socket holds as many as it may. One that never finishes its handshake is hung up on by
HANDSHAKE_IVL; the file handles reserved by the socket factory leave room for those.

libzmq also keeps the frames of a message until the last one is there, however many come: MAXMSGSIZE
limits one frame, the high-water mark whole messages, and nothing a message that never ends. So
whoever has not introduced himself (no first message of his was accepted: he is a *stranger*) is
watched by what the system has received for him. While all strangers together are over
`STRANGERS_BYTES`, the loudest is hung up on, and libzmq frees what it kept for him. Where the
system does not tell what has arrived (only Linux does), nothing is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from hxgrid.logs import get_logger
from hxgrid.transport.monitor import read_event
from hxgrid.transport.sockets import bound_address
from hxgrid.transport.system import hang_up, received_bytes

if TYPE_CHECKING:
    from hxgrid.transport.loop import Loop
    from hxgrid.transport.sockets import Socket

_EVENTS_PER_TURN = 1024
_READY, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)

STRANGERS_BYTES: Final = 64 * 1024 * 1024
"""What strangers may have sent, all together. A first message has some hundred bytes; but a user
whose connection was renewed may send input for a moment until he is asked who he is."""

LOUD_CHECK_S: Final = 0.05
"""How often strangers are looked at who have sent something since the last look, and"""
QUIET_CHECK_S: Final = 0.25
"""those who have not. In between, a stranger can send what the line carries."""

_log = get_logger("transport")


class ConnectionCap:
    """Watches a bound socket's connections by what libzmq's monitor tells; served by the loop."""

    def __init__(self, loop: Loop, socket: Socket, max_connections: int) -> None:
        self.hung_up_count = 0
        """Strangers that sent too much."""
        self._loop = loop
        self._socket = socket
        self._port = bound_address(socket)[1]
        self._max_connections = max_connections
        self._open: set[int] = set()  # handles of accepted connections
        self._strangers: dict[int, int] = {}  # of these, with what each had sent at the last look
        self._check_at: float | None = None
        self._monitor: Socket | None = None

    def open(self) -> None:
        """Begin to count. Connections that exist already are not known."""
        self._monitor = self._socket.open_monitor(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
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
        if self._monitor is not None:
            self._monitor.touch()

    # -- strangers

    def introduce(self, handle: int) -> None:
        """Watch this connection no longer: its first message was accepted."""
        # That it was accepted is told before anything can arrive on it.
        self.refresh()
        self._strangers.pop(handle, None)

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next; None while there are no strangers."""
        if not self._strangers:
            return None
        return self._check_at if self._check_at is not None else 0.0

    def tick(self, now: float) -> None:
        """Look at what strangers have sent, if it is time."""
        if not self._strangers or (self._check_at is not None and now < self._check_at):
            return
        self.refresh()  # else a handle might be another connection's by now
        sent: dict[int, int] = {}
        for handle in self._strangers:
            size = received_bytes(handle, self._port)
            if size is not None:
                sent[handle] = size
        is_loud = sent != self._strangers
        self._check_at = now + (LOUD_CHECK_S if is_loud else QUIET_CHECK_S)
        self._strangers = dict(sent)
        self._hang_up_on_loudest(sent)

    def _hang_up_on_loudest(self, sent: dict[int, int]) -> None:
        total = sum(sent.values())
        while total > STRANGERS_BYTES:
            handle = max(sent, key=sent.__getitem__)
            size = sent.pop(handle)
            total -= size
            del self._strangers[handle]
            self.hung_up_count += 1
            _log.warning("a stranger sent too much and was hung up on", bytes=size)
            hang_up(handle, self._port)

    # -- inside

    def _on_readable(self) -> None:
        for _ in range(_EVENTS_PER_TURN):
            # Asked first: an exception for "nothing there" would cost ten times as much.
            if self._monitor is None or not int(self._monitor.getsockopt(_READY)) & _POLLIN:
                return
            event = read_event(self._monitor.recv_multipart(zmq.NOBLOCK))
            handle = event.value
            if event.event == zmq.EVENT_ACCEPTED:
                self._open.add(handle)
                self._strangers[handle] = 0
                self._check_at = None
            else:
                self._open.discard(handle)
                self._strangers.pop(handle, None)
