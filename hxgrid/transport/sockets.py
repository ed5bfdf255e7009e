"""The one place where ZeroMQ sockets are made, and the two functions that move messages over them.

Options only count when they are set before bind or connect, and forgetting one opens a door (see
the comments at each), so nobody else makes sockets.

About high-water marks: nothing relies on them. Bulk data is limited by credits (`flow`), everything
else by what the cores have outstanding at a peer. The marks are the net below: a peer that stops
reading makes `send_message` return False instead of blocking or growing without end, and one that
sends faster than we read is held back by TCP.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import zmq

from hxgrid.errors import AddressInUse, ConfigError, TransportError
from hxgrid.transport.security import ZAP_DOMAIN, Security
from hxgrid.transport.system import raise_handle_limit
from hxgrid.transport.watching import Socket, make_socket
from hxgrid.wire.batches import Buffer
from hxgrid.wire.limits import MAX_FRAME_BYTES
from hxgrid.wire.messages import Batch

__all__ = [
    "COPY_BELOW_BYTES",
    "LOOPBACK",
    "MESSAGES_PER_TURN",
    "Context",
    "Received",
    "Socket",
    "SocketFactory",
    "SocketLimits",
    "bracketed",
    "check_bind_host",
    "is_loopback",
    "peer_address",
    "peer_key",
    "receive_message",
    "send_message",
]

Context = zmq.Context[zmq.Socket[bytes]]

MESSAGES_PER_TURN: Final = 256
"""Messages that one callback takes before other sockets get their turn."""

COPY_BELOW_BYTES: Final = 64 * 1024
"""Smaller frames are cheaper copied than handed over (pyzmq's own threshold is the same)."""

LOOPBACK: Final = "127.0.0.1"

# Plain numbers: joining two flags of an enum takes longer than sending a small frame.
_NOBLOCK: Final = int(zmq.NOBLOCK)
_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
# pyzmq's own, without the layer of Python above them; what is positional here has names there.
_send: Final[Any] = zmq.backend.Socket.send
_receive: Final[Any] = zmq.backend.Socket.recv
_ask: Final[Any] = zmq.backend.Socket.get
_new: Final = tuple.__new__  # without the layer of Python that named tuples have
_CHUNK_BYTE: Final = bytes((Batch.CHUNK,))
HANDLES_PER_SOCKET: Final = 2
SPARE_SOCKETS: Final = 4096
"""Beside the connections: those being made, three for each address of an agent that is sought."""
_SPARE_HANDLES: Final = 1024
"""Handles beside the connections: those in their handshake, files, pipes, libzmq's own."""


class SocketLimits(NamedTuple):
    """Numbers that the socket factory sets; seconds unless the name says otherwise."""

    max_frame_bytes: int = MAX_FRAME_BYTES
    """A frame that claims more ends its connection before anything is reserved for it."""
    max_connections: int = 1024
    send_hwm: int = 100_000
    """Messages per peer that wait to be sent."""
    receive_hwm: int = 1000
    """Messages per peer that wait to be read; then TCP holds the peer back."""
    linger_s: float = 0.25
    """Closing a program waits so long for its last words to leave."""
    handshake_s: float = 5.0
    """Whoever has not finished the handshake by then is hung up on."""
    connect_s: float = 3.0
    """One try to connect; a host that drops packets would hold the system's own limit, minutes."""
    heartbeat_s: float = 1.0
    heartbeat_timeout_s: float = 5.0
    """libzmq's own heartbeats find dead hosts and free what was queued for them. They come from its
    thread and so say nothing about a hung program: that is what PING is for."""
    reconnect_s: float = 0.1
    reconnect_max_s: float = 2.0
    """Doubles from the first to the second; libzmq adds chance of up to the first."""


class Received(NamedTuple):
    """One message as it came in. `sender` is empty on a dealer."""

    sender: bytes
    """Routing id: names the connection, not the peer; a peer that reconnects has another."""
    header: bytes
    payload: Buffer
    """The second frame of a CHUNK, not copied; empty for all others, which have none."""
    frame: zmq.Frame | None = None
    """On a router: carries what the connection is known for (`peer_address`, `peer_key`)."""


def client_context(max_connections: int) -> Context:
    """Return a context for a program that connects to so many peers at once.

    A context has room for 1,023 sockets unless it is asked for more before the first is made, and a
    process often for as many handles, of which each such socket takes two (its connection, and what
    wakes its reader).
    """
    raise_handle_limit(HANDLES_PER_SOCKET * max_connections + _SPARE_HANDLES)
    context: Context = zmq.Context()
    most = int(context.get(zmq.SOCKET_LIMIT))
    context.set(zmq.MAX_SOCKETS, min(most, max_connections + SPARE_SOCKETS))
    return context


class SocketFactory:
    """Makes sockets with everything set. One per `zmq.Context`."""

    def __init__(
        self, context: Context, security: Security, limits: SocketLimits | None = None
    ) -> None:
        self._context = context
        self._security = security
        self._limits = limits if limits is not None else SocketLimits()

    def router(
        self, host: str, port: int | None, *, or_any_port: bool = False
    ) -> tuple[Socket, int]:
        """Bind a ROUTER and return it with its port.

        `host` "" means every interface, or loopback where only that is allowed. `port` None or 0
        takes any free one; a taken one is `AddressInUse`, unless `or_any_port`. Anything but
        loopback without keys and without `trust_network` is a `ConfigError`.
        """
        host = check_bind_host(host, self._security)
        raise_handle_limit(self._limits.max_connections + _SPARE_HANDLES)
        socket = self._new(zmq.ROUTER)
        # An IPv4 address alone would else be listened on as ::ffff:a.b.c.d.
        socket.ipv6 = int(host == "*" or ":" in host)
        socket.router_mandatory = 1  # sending to a peer that has gone is an error, not silence
        socket.zap_domain = ZAP_DOMAIN  # without keys too: the handler caps the connections
        socket.backlog = min(self._limits.max_connections, 1024)
        if self._security.keys is not None:
            socket.curve_server = 1
            socket.curve_secretkey = self._security.keys.secret.encode()
            socket.curve_publickey = self._security.keys.public.encode()
            # Without it, everybody is let in when no ZAP handler is there.
            socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        try:
            return socket, self._bind(socket, host, port or 0, or_any_port)
        except BaseException:
            socket.close(0)
            raise

    @property
    def security(self) -> Security:
        """What the sockets are protected by."""
        return self._security

    def dealer(
        self,
        host: str,
        port: int,
        server_key: str = "",
        *,
        before_connect: Callable[[Socket], None] | None = None,
    ) -> Socket:
        """Return a DEALER that connects, and connects again whenever the connection is lost.

        But where connections must be proved (`Security.needs_proof`) it connects once: when that
        fails or ends, the socket is dead, because another program may have the port by now. Use
        `hxgrid.transport.dialling.Dial` there. `before_connect` may attach a monitor.

        While there is no connection `send_message` returns False; register the socket with
        `on_writable` to learn when there is one. What was queued for a lost connection is gone.
        `server_key` may be left out if `Security.server_keys` knows the address.
        """
        keys = self._security.keys
        server_key = server_key or self._security.server_keys.get((host, port), "")
        if keys is not None and not server_key:
            raise ConfigError(
                f"no public key is known for {host}:{port}",
                advice="Keys are used by all programs of a grid or by none.",
            )
        socket = self._new(zmq.DEALER)
        if keys is not None:
            socket.curve_serverkey = server_key.encode()
            socket.curve_publickey = keys.public.encode()
            socket.curve_secretkey = keys.secret.encode()
        if self._security.needs_proof:
            socket.reconnect_ivl, socket.reconnect_ivl_max = -1, 0
        try:
            if before_connect is not None:
                before_connect(socket)
            socket.connect(f"tcp://{bracketed(host)}:{port}")
        except zmq.ZMQError as error:
            socket.close(0)
            raise TransportError(
                "cannot connect", where=f"{host}:{port}", why=str(error)
            ) from error
        return socket

    def _new(self, kind: int) -> Socket:
        limits = self._limits
        try:
            socket = make_socket(self._context, kind)
        except zmq.ZMQError as error:
            raise TransportError(
                "no more connections can be made",
                why=str(error),
                advice="Lower max_connections, or raise the limit on open files.",
            ) from error
        socket.linger = _ms(limits.linger_s)
        socket.maxmsgsize = limits.max_frame_bytes  # else a lie about a size reserves gigabytes
        socket.sndhwm = limits.send_hwm
        socket.rcvhwm = limits.receive_hwm
        socket.ipv6 = 1
        socket.immediate = 1  # nothing is queued for a peer that is not there
        socket.handshake_ivl = _ms(limits.handshake_s)
        socket.connect_timeout = _ms(limits.connect_s)
        socket.heartbeat_ivl = _ms(limits.heartbeat_s)
        socket.heartbeat_timeout = _ms(limits.heartbeat_timeout_s)
        socket.heartbeat_ttl = _ms(limits.heartbeat_timeout_s)
        socket.reconnect_ivl = _ms(limits.reconnect_s)
        socket.reconnect_ivl_max = _ms(limits.reconnect_max_s)
        return socket

    def _bind(self, socket: Socket, host: str, port: int, or_any_port: bool) -> int:
        try:
            socket.bind(f"tcp://{bracketed(host)}:{port}")
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE and or_any_port:
                return self._bind(socket, host, 0, False)
            raise _translated(error, host, port) from error
        return bound_address(socket)[1]


def bound_address(socket: Socket) -> tuple[str, int]:
    """Return the address, as a number, and the port that a socket has bound last."""
    endpoint = socket.last_endpoint
    text = endpoint.decode() if isinstance(endpoint, bytes) else str(endpoint)
    host, _, port = text.rstrip("\0").removeprefix("tcp://").rpartition(":")
    return host.strip("[]"), int(port)


def check_bind_host(host: str, security: Security) -> str:
    """Return the host to bind, after asking whether it may be."""
    if not security.is_loopback_only:
        return host or "*"
    if is_loopback(host):
        return host
    if not host or host == "localhost":
        return LOOPBACK  # whatever else the name may mean: what both ends prove is a number
    raise ConfigError(
        f"without keys only loopback may be bound, not {host}",
        advice="Give --trust-network if everybody who reaches this network may run programs here.",
    )


def is_loopback(host: str) -> bool:
    """Tell whether an address is this computer's own loopback; names are not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """Return an address as endpoints spell it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def send_message(socket: Socket, frames: Sequence[Buffer], to: bytes | None = None) -> bool:
    """Send one message without blocking; `to` is the routing id on a router.

    False: there is no connection, the peer has gone, or it has not read for so long that its queue
    is full; nothing was sent. Large frames are not copied: leave them alone until the end of the
    connection, or until nothing refers to them any more.
    """
    watch = socket.watch
    if watch is not None and not watch.is_due:
        watch.is_due = True
        watch.due.append(watch)
    try:
        if to is not None:
            _send(socket, to, _MORE)
        last = len(frames) - 1
        for index, frame in enumerate(frames):
            flags = _MORE if index < last else _NOBLOCK
            _send(socket, frame, flags, len(frame) < COPY_BELOW_BYTES)
    except zmq.ZMQError as error:
        # Only the first frame of a message can be refused, so nothing is half sent.
        if error.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
            return False
        raise TransportError("cannot send", why=str(error)) from error
    return True


def receive_message(socket: Socket, *, is_router: bool) -> Received | None:
    """Take one message, or None if none is waiting. Never blocks.

    A message with more frames than the protocol has comes back with an empty header: a peer's
    nonsense, to be counted and dropped like every unknown number.
    """
    # Asked first: an exception for "nothing there", once per turn, would cost ten times as much.
    watch = socket.watch
    if watch is not None and watch.has_more:
        watch.has_more = False
    elif watch is not None and watch.is_unasked:
        return None
    elif not _ask(socket, _EVENTS) & _POLLIN:
        if watch is not None:
            watch.is_due = False  # its loop need not ask the same again
        return None
    sender = b""
    try:
        if is_router:
            # Written by libzmq, which puts it before a message that has at least one frame.
            sender = _receive(socket, _NOBLOCK)
        # As frames, which know whether more follow: asking the socket takes longer than that.
        first = frame = _receive(socket, _NOBLOCK, False)
    except zmq.Again:
        return None  # the signal was about something else
    header = frame.bytes
    if not frame.more:
        return _new(Received, (sender, header, b"", first))
    frame = _receive(socket, _NOBLOCK, False)
    if not frame.more and header[:1] == _CHUNK_BYTE:
        # It is copied once, to where it belongs, and not before.
        return _new(Received, (sender, header, frame.buffer, first))
    while frame.more:
        frame = _receive(socket, _NOBLOCK, False)
    return Received(sender, b"", b"", first)


def peer_address(received: Received) -> str:
    """Return the address a message on a router came from, as seen here; "" if unknown."""
    address = _property(received, "Peer-Address")
    # A socket for both families sees IPv4 peers as ::ffff:a.b.c.d.
    return address.removeprefix("::ffff:") if "." in address else address


def peer_handle(received: Received) -> int:
    """Return the handle of the connection over which a message reached a router; -1: unknown."""
    if received.frame is None:
        return -1
    try:
        return int(received.frame.get(zmq.SRCFD))
    except (zmq.ZMQError, ValueError):
        return -1


def peer_key(received: Received) -> str:
    """Return the public key that the allow-list let in; "" without keys."""
    return _property(received, "User-Id")


def _property(received: Received, name: str) -> str:
    if received.frame is None:
        return ""
    try:
        return str(received.frame.get(name))
    except zmq.ZMQError:
        return ""


# What binding fails with where the address or the name belongs to no network card.
_NOT_OURS: Final = {zmq.EADDRNOTAVAIL, errno.ENODEV}


def _translated(error: zmq.ZMQError, host: str, port: int) -> TransportError | ConfigError:
    where = f"{'all interfaces' if host == '*' else host}"
    if error.errno == zmq.EADDRINUSE:
        return AddressInUse(
            f"port {port} is taken by another program",
            where=where,
            advice="End that program, or choose another port with --port.",
        )
    if error.errno in _NOT_OURS:
        return ConfigError(
            f"{host} is no address of this computer",
            why="nothing can listen there",
            advice="Give --bind the address of a network card; `hxgrid doctor` lists them.",
        )
    return TransportError(f"cannot listen on port {port}", where=where, why=str(error))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
