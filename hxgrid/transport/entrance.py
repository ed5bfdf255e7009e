"""The door of a program that others connect to: its one bound socket, guarded and capped.

    entrance.open(limits, host, port)
    entrance.serve(on_readable)          # from the loop; the socket is `entrance.socket`
    ...
    entrance.shut()                      # nobody comes in any more
    entrance.close()

Opening may fail half-way (a taken port); closing takes what there is.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from hxgrid.transport.connections import ConnectionCap
from hxgrid.transport.loop import Loop
from hxgrid.transport.proof import Doorkeeper
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import (
    Context,
    Socket,
    SocketFactory,
    SocketLimits,
    bound_address,
)
from hxgrid.transport.zap import ZapHandler


class Entrance:
    """Lets peers in: by key where there are keys, up to a number, and no stranger floods it."""

    def __init__(self, loop: Loop, security: Security) -> None:
        self.port = 0
        """Known after `open`."""
        self.factory: SocketFactory
        """Makes the sockets of this program, those that connect too; made by `open`."""
        self.zap: ZapHandler | None = None
        self._loop = loop
        self._security = security
        self._context: Context | None = None
        self._socket: Socket | None = None
        self._cap: ConnectionCap | None = None

    def open(
        self, limits: SocketLimits, host: str, port: int | None, *, or_any_port: bool = False
    ) -> None:
        """Bind; raises what `SocketFactory.router` raises, and wants to be closed then too."""
        self._context = zmq.Context()
        self.zap = ZapHandler(self._context, self._loop, self._security)
        self.zap.open()
        self.factory = SocketFactory(self._context, self._security, limits)
        self._socket, self.port = self.factory.router(host, port, or_any_port=or_any_port)
        self._cap = ConnectionCap(self._loop, self._socket, limits.max_connections)
        self._cap.open()
        self.zap.cap = self._cap

    @property
    def socket(self) -> Socket:
        """The bound socket; only while it is open."""
        assert self._socket is not None
        return self._socket

    def doorkeeper(self, role: str, what: str) -> Doorkeeper:
        """Return what judges first messages here; `what` is for people."""
        return self._security.doorkeeper(role, what, *bound_address(self.socket))

    def serve(self, on_readable: Callable[[], None]) -> None:
        """Have the loop call this when there is something to read."""
        self._loop.register(self.socket, on_readable)

    def introduce(self, handle: int) -> None:
        """Watch this connection no longer: its first message was accepted."""
        if self._cap is not None:
            self._cap.introduce(handle)

    def tick(self, now: float) -> None:
        """Look at what strangers send, if it is time."""
        if self._cap is not None:
            self._cap.tick(now)

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next."""
        return self._cap.next_deadline() if self._cap is not None else None

    def shut(self) -> None:
        """Close the socket, and with it all connections that were made to it."""
        if self._cap is not None:
            self._cap.close()
            self._cap = None
        if self._socket is not None:
            self._loop.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Give everything back; the factory's sockets must be closed. Twice is harmless."""
        self.shut()
        if self.zap is not None:
            self.zap.close()
            self.zap = None
        if self._context is not None:
            self._context.term()
            self._context = None
