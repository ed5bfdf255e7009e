"""Asked by libzmq who may connect: ZAP, answered from the allow-list of `Security`.

libzmq lets every client with the right server key in when nobody serves ZAP, unless the socket
has ZAP_ENFORCE_DOMAIN; so the socket factory sets that, and a missing handler means a closed door.
The handler is served by the program's own loop. Nothing in it can raise: a dead handler would lock
out everybody for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from hxgrid.logs import get_logger
from hxgrid.transport.security import ZAP_DOMAIN, Security
from hxgrid.transport.watching import Socket, make_socket

if TYPE_CHECKING:
    from hxgrid.transport.connections import ConnectionCap
    from hxgrid.transport.loop import Loop

ZAP_ENDPOINT = "inproc://zeromq.zap.01"

_FRAMES = 7  # routing id, empty, version, request id, domain, address, identity; then the rest
_MAX_REQUESTS_PER_TURN = 256


class ZapHandler:
    """Answers libzmq's question who may connect, from the loop of the program that binds."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], loop: Loop, security: Security
    ) -> None:
        self.accepted_count = 0
        self.refused_count = 0
        self.turned_away_count = 0
        self.cap: ConnectionCap | None = None
        """If set, newcomers beyond it are turned away; they may come again."""
        self._context = context
        self._loop = loop
        self._security = security
        self._socket: Socket | None = None
        self._log = get_logger("transport")

    def open(self) -> None:
        """Begin to serve. Once per context, before its first socket is bound."""
        self._socket = make_socket(self._context, zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(ZAP_ENDPOINT)
        self._loop.register(self._socket, self._on_readable)

    def close(self) -> None:
        """Stop serving: from now on nobody is let in. Twice is harmless."""
        if self._socket is not None:
            self._loop.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _on_readable(self) -> None:
        assert self._socket is not None
        for _ in range(_MAX_REQUESTS_PER_TURN):
            try:
                request = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._socket.send_multipart(self._answer(request))

    def _answer(self, request: list[bytes]) -> list[bytes]:
        head = [*request[:2], b"1.0", request[3] if len(request) > 3 else b""]
        user = self._judge(request)
        if user is None:
            self.refused_count += 1
            address = request[5] if len(request) > 5 else b""
            self._log.warning("connection refused", address=address.decode("ascii", "replace"))
            # 400 is final: libzmq's client does not try again, which is right for a wrong key.
            return [*head, b"400", b"not allowed", b"", b""]
        if self._is_full():
            self.turned_away_count += 1
            return [*head, b"300", b"too many connections", b"", b""]
        self.accepted_count += 1
        return [*head, b"200", b"OK", user.encode(), b""]

    def _is_full(self) -> bool:
        if self.cap is None:
            return False
        self.cap.refresh()
        return self.cap.is_exceeded

    def _judge(self, request: list[bytes]) -> str | None:
        """Return the name under which the peer is let in, or None."""
        if len(request) <= _FRAMES or request[2] != b"1.0" or request[4] != ZAP_DOMAIN:
            return None
        mechanism, credentials = request[_FRAMES], request[_FRAMES + 1 :]
        if self._security.keys is None:
            return "" if mechanism == b"NULL" else None
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            return None
        key = z85.encode(credentials[0]).decode()
        return key if key in self._security.allowed else None
