"""A server and clients for tests that every transport must pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.errors import AddressInUse
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import AllowList, Security, make_keypair
from hxgrid.transport.sockets import (
    MESSAGES_PER_TURN,
    Context,
    Received,
    Socket,
    SocketFactory,
    SocketLimits,
    receive_message,
    send_message,
)
from hxgrid.transport.zap import ZapHandler
from tests.harness.wait import wait_until

LIMIT_S = 20


QUICK = SocketLimits(heartbeat_s=0.2, heartbeat_timeout_s=0.6, handshake_s=0.5)


class Bench:
    """A server with its loop, and clients that the test makes; turned by hand."""

    def __init__(self, is_curve: bool) -> None:
        self.is_curve = is_curve
        self.server_keys = make_keypair()
        self.client_keys = make_keypair()
        self.loop = Loop(MonotonicClock(), "server")
        self.context: Context = zmq.Context()
        self.received: list[Received] = []
        self.on_message: Callable[[Received], None] = self.received.append
        self.on_flush: Callable[[], None] = lambda: None
        self._clients: list[tuple[Context, Socket]] = []
        security = Security(trust_network=True)
        if is_curve:
            allowed = AllowList([self.client_keys.public])
            security = Security(keys=self.server_keys, allowed=allowed)
        self.zap = ZapHandler(self.context, self.loop, security)
        self.zap.open()
        self.factory = SocketFactory(self.context, security, QUICK)
        self.router, self.port = self.factory.router("127.0.0.1", None)
        self.loop.register(self.router, self._on_readable)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def mechanism(self) -> str:
        return "CURVE" if self.is_curve else "NULL"

    def client(
        self,
        security: Security | None = None,
        server_key: str | None = None,
        before_connect: Callable[[Socket], None] | None = None,
    ) -> Socket:
        """A dealer of a program of its own, with the right keys unless told otherwise."""
        if security is None:
            security = Security(
                keys=self.client_keys if self.is_curve else None, trust_network=not self.is_curve
            )
        if server_key is None:
            server_key = self.server_keys.public if self.is_curve else ""
        context: Context = zmq.Context()
        dealer = SocketFactory(context, security, QUICK).dealer(
            "127.0.0.1", self.port, server_key, before_connect=before_connect
        )
        self._clients.append((context, dealer))
        return dealer

    @contextlib.contextmanager
    def watched_client(
        self, security: Security | None = None, server_key: str | None = None
    ) -> Iterator[tuple[Socket, Callable[[], bool]]]:
        """A dealer, and what tells whether its connection was turned down.

        It is watched from before it connects: what is turned down for good tries only once.
        """
        failures = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED
        monitors: list[zmq.Socket[bytes]] = []

        def attach(dealer: Socket) -> None:
            monitors.append(dealer.get_monitor_socket(failures))

        dealer = self.client(security, server_key, attach)
        (monitor,) = monitors
        with monitor:
            yield dealer, lambda: bool(monitor.poll(0))
            dealer.disable_monitor()

    def turn(self) -> bool:
        self.loop.turn(self, longest_s=0.02)
        return True

    def send(self, dealer: Socket, *frames: bytes) -> None:
        """Send as soon as there is a connection."""
        wait_until(lambda: self.turn() and send_message(dealer, frames), LIMIT_S, "a connection")

    def wait_for(self, count: int) -> list[Received]:
        wait_until(
            lambda: self.turn() and len(self.received) >= count, LIMIT_S, f"{count} messages"
        )
        return self.received

    def tick(self, now: float) -> None: ...

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        self.on_flush()

    def _on_readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            message = receive_message(self.router, is_router=True)
            if message is None:
                return
            self.on_message(message)

    def shut(self) -> None:
        """Close the server's door."""
        self.loop.unregister(self.router)
        self.router.close(0)

    def reopen(self) -> None:
        """Open it again at the same port, which libzmq gives back in its own time."""
        self.router, _ = wait_until(
            lambda: self.factory.router("127.0.0.1", self.port),
            LIMIT_S,
            "the port to be free",
            retry_on=(AddressInUse,),
        )
        self.loop.register(self.router, self._on_readable)

    def close(self) -> None:
        for context, dealer in self._clients:
            dealer.close(0)
            context.term()
        self.shut()
        self.zap.close()
        self.loop.close()
        self.context.term()


def receive(bench: Bench, dealer: Socket) -> Received:
    found: list[Received] = []

    def is_there() -> bool:
        bench.turn()
        message = receive_message(dealer, is_router=False)
        if message is not None:
            found.append(message)
        return bool(found)

    wait_until(is_there, LIMIT_S, "an answer")
    return found[0]
