"""Peers that nobody wants: noise, lies about sizes, silence.

Each function does one hostile thing to a port and returns what the victim did about it, so that a
test can say both "it survived" and "it hung up".
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from collections.abc import Iterable

GREETING_BYTES = 64
_FLAG_MORE = 0x01
_FLAG_LONG = 0x02
_FLAG_COMMAND = 0x04
_LINE_BYTES_PER_S = 125e6


def send_tcp_garbage(
    address: tuple[str, int], *, size: int = 256 * 1024, seed: int = 0, limit_s: float = 10
) -> bool:
    """Send random bytes; True if the victim closed the connection, False if it kept it."""
    noise = random.Random(seed).randbytes(size)
    with socket.create_connection(address, timeout=limit_s) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(noise)
        return _was_closed(connection)


def send_oversized_frame(
    address: tuple[str, int],
    *,
    claimed_bytes: int = 8 << 30,
    mechanism: str = "NULL",
    socket_type: str = "DEALER",
    limit_s: float = 10,
) -> bool:
    """Greet like a ZeroMQ peer, then announce a huge frame; True if the victim hung up.

    With mechanism "CURVE" the huge frame is the handshake's first command, sent before any key
    could have been checked.
    """
    with socket.create_connection(address, timeout=limit_s) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(greeting(mechanism))
            receive_exactly(connection, GREETING_BYTES)
            if mechanism == "NULL":
                connection.sendall(ready_command(socket_type))
                connection.sendall(long_frame_header(claimed_bytes))
            else:
                connection.sendall(long_frame_header(claimed_bytes, command=True))
            connection.sendall(bytes(64 * 1024))
        return _was_closed(connection)


def send_endless_message(address: tuple[str, int], *, limit_bytes: int, limit_s: float = 30) -> int:
    """Greet like a ZeroMQ peer, then send a message whose last part never comes.

    As fast as a line of 1 Gbit/s carries it: loopback would carry half a gigabyte between two looks
    of a busy victim. Returns how much was sent before the victim hung up, or took nothing for
    `limit_s`; `limit_bytes` at most.
    """
    frame = bytes([_FLAG_MORE | _FLAG_LONG]) + struct.pack(">Q", 1 << 20) + bytes(1 << 20)
    sent = 0
    with (
        contextlib.suppress(ConnectionError, TimeoutError),
        socket.create_connection(address, timeout=limit_s) as connection,
    ):
        connection.sendall(greeting())
        receive_exactly(connection, GREETING_BYTES)
        connection.sendall(ready_command("DEALER"))
        began = time.monotonic()
        while sent < limit_bytes:
            connection.sendall(frame)
            sent += len(frame)
            ahead_s = began + sent / _LINE_BYTES_PER_S - time.monotonic()
            if ahead_s > 0.0:
                select.select([], [], [connection], ahead_s)
    return sent


def open_silent_connections(address: tuple[str, int], count: int) -> list[socket.socket]:
    """Connections that never say a word; the caller closes them."""
    return [socket.create_connection(address, timeout=10) for _ in range(count)]


def send_message_garbage(
    address: tuple[str, int], *, count: int = 2000, largest: int = 4096, seed: int = 0
) -> None:
    """Greet properly, then send well-framed messages of noise, each number of message among them.

    A socket that insists on keys never lets these through; then this is one more silent peer.
    """
    chance = random.Random(seed)
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 500)
        dealer.setsockopt(zmq.SNDTIMEO, 500)
        dealer.setsockopt(zmq.IPV6, 1)
        dealer.connect("tcp://[{}]:{}".format(*address))
        with contextlib.suppress(zmq.Again):
            for number in range(count):
                first = bytes([number % 256]) + chance.randbytes(chance.randrange(largest))
                rest = [chance.randbytes(chance.randrange(64)) for _ in range(number % 5)]
                dealer.send_multipart([first[: 1 + number % largest], *rest])


def send_udp_garbage(
    address: tuple[str, int], *, count: int = 200, largest: int = 1400, seed: int = 0
) -> None:
    """Send datagrams of random sizes, the empty one among them, with random content."""
    chance = random.Random(seed)
    sizes = [0, 1, largest, *(chance.randrange(largest) for _ in range(count - 3))]
    send_datagrams(address, (chance.randbytes(size) for size in sizes))


def send_datagrams(address: tuple[str, int], datagrams: Iterable[bytes]) -> None:
    """Send these datagrams from one socket; nobody listening is no error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for datagram in datagrams:
            with contextlib.suppress(ConnectionRefusedError):
                sender.sendto(datagram, address)


def greeting(mechanism: str = "NULL") -> bytes:
    """The 64 bytes that open a ZMTP 3.1 connection."""
    signature = b"\xff" + bytes(8) + b"\x7f"
    return signature + b"\x03\x01" + mechanism.encode().ljust(20, b"\0") + bytes(32)


def ready_command(socket_type: str) -> bytes:
    """The NULL mechanism's READY command for a socket of this type."""
    body = b"\x05READY"
    for name, value in (("Socket-Type", socket_type.encode()), ("Identity", b"")):
        body += bytes([len(name)]) + name.encode() + struct.pack(">I", len(value)) + value
    return bytes([_FLAG_COMMAND, len(body)]) + body


def long_frame_header(claimed_bytes: int, *, command: bool = False) -> bytes:
    """The header of a frame that says it has so many bytes."""
    return bytes([_FLAG_LONG | (_FLAG_COMMAND if command else 0)]) + struct.pack(
        ">Q", claimed_bytes
    )


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes, however many pieces they come in (MSG_WAITALL does not mix with a limit)."""
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("closed by the other side")
        received += part
    return received


def _was_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(64 * 1024):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True
