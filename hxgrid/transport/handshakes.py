"""Why a connection is never made: what libzmq tells of failed handshakes, in words.

A client that is refused sees nothing but silence on its socket, and tries again for ever. Only the
socket's monitor tells that a key was rejected, which never gets better by waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import zmq

from hxgrid.transport.monitor import read_event

if TYPE_CHECKING:
    from hxgrid.transport.loop import Loop
    from hxgrid.transport.sockets import Socket

_AUTH: Final = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
_PROTOCOL: Final = int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
_NO_DETAIL: Final = int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
_MADE: Final = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_CLOSED: Final = int(zmq.EVENT_CLOSED)
_DISCONNECTED: Final = int(zmq.EVENT_DISCONNECTED)
_MECHANISM_MISMATCH: Final = int(zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)

HUNG_UP: Final = "it hung up"
_ENDS: Final = {_CLOSED: "nothing listens there", _DISCONNECTED: HUNG_UP}


class HandshakeWatch:
    """Tells why handshakes of one connecting socket fail; served by the loop."""

    def __init__(
        self,
        loop: Loop,
        socket: Socket,
        on_failed: Callable[[str], None],
        *,
        has_keys: bool,
        on_made: Callable[[], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
    ) -> None:
        """`on_made` hears when one succeeds: a socket can be written to before that.

        `on_ended`, for a socket that connects only once, hears of failures of other kinds.
        """
        self._loop = loop
        self._socket = socket
        self._on_failed = on_failed
        """Called with one phrase, on the loop's thread; it may close the watch."""
        self._has_keys = has_keys
        self._on_made = on_made
        self._on_ended = on_ended
        ends = _CLOSED | _DISCONNECTED if on_ended is not None else 0
        self._events = _MADE | _AUTH | _PROTOCOL | _NO_DETAIL | ends
        self._monitor: Socket | None = None

    def open(self) -> None:
        """Begin to watch; before the socket connects, or the first failure may be missed."""
        self._monitor = self._socket.open_monitor(self._events)
        self._loop.register(self._monitor, self._on_readable)

    def close(self) -> None:
        """Stop watching; before the socket itself is closed. Twice is harmless."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            self._loop.unregister(monitor)
            self._socket.disable_monitor()
            monitor.close(0)

    def _on_readable(self) -> None:
        while self._monitor is not None and self._monitor.poll(0):
            event = read_event(self._monitor.recv_multipart(zmq.NOBLOCK))
            phrase = reason(event.event, event.value, self._has_keys)
            if phrase:
                self._on_failed(phrase)
            elif self._on_made is not None and event.event == _MADE:
                self._on_made()
            elif self._on_ended is not None and event.event in _ENDS:
                self._on_ended(_ENDS[event.event])


def reason(event: int, value: int, has_keys: bool) -> str:
    """Say what a failed handshake means; empty if trying again may help."""
    if event == _PROTOCOL and value == _MECHANISM_MISMATCH:
        return "it has no keys, and we have" if has_keys else "it has keys, and we have none"
    if has_keys and event == _AUTH:
        return "it does not accept our key"
    if has_keys and event == _NO_DETAIL:
        return "its key is not the one that we were given"
    return ""
