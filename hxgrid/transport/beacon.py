"""Discovery over UDP: "where is the coordinator?", asked by broadcast, answered to the asker alone.

Layout of both datagrams, little-endian, followed by zeros up to `QUESTION_BYTES` in a question::

    4s magic | u8 kind | u8 major | u8 minor | u8 role | 16s nonce
    answers only: 16s boot id | u16 TCP port | u8 length + host | u8 length + grid name

* A question is padded to more than the longest answer, so that nobody can use a coordinator to
  multiply traffic against a third party.
* The answer goes to the port that asked, never to a well-known one: of several listeners to one
  port, a datagram to a single host reaches only one.
* The nonce ties an answer to its question. Nothing here proves anything, though: an answer is a
  suggestion, and it is the connection (and its keys) that decides.
* Neither secrets nor lists travel by UDP. Each source has a bucket of questions, the buckets are
  bounded, and what is not a question is counted and dropped.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from hxgrid.errors import AddressInUse, RemoteProtocolError, TransportError
from hxgrid.ids import id_from_bytes, id_to_bytes
from hxgrid.logs import get_logger
from hxgrid.transport.addresses import LOOPBACK_BROADCAST, Interface, broadcast_interfaces
from hxgrid.transport.system import (
    LOOPBACK_BEACON_HOST,
    prepare_beacon_socket,
    prepare_question_socket,
)
from hxgrid.wire.versions import PROTOCOL_MAJOR, PROTOCOL_MINOR

if TYPE_CHECKING:
    from hxgrid.clock import Clock
    from hxgrid.transport.loop import Loop

QUESTION_BYTES: Final = 512
MAX_GRID_NAME_BYTES: Final = 255
MAX_HOST_BYTES: Final = 64
ROLES: Final = ("agent", "user", "coordinator")
"""Who asks. A coordinator asks too: two under one name would share the agents out between them."""

_MAGIC = b"hxGb"
_QUESTION, _ANSWER = 1, 2
_HEAD = struct.Struct("<4sBBBB16s")
_ANSWER_BODY = struct.Struct("<16sH")
_NONCE_BYTES = 16
_DATAGRAMS_PER_TURN = 64
_RECEIVE_BYTES = 2048

ANSWERS_PER_S = 10.0
ANSWER_BURST = 20
"""Per source address: many agents may share one computer, but not thousands."""
MAX_SOURCES = 4096


class Question(NamedTuple):
    """Somebody looks for a coordinator."""

    nonce: bytes
    role: str
    major: int = PROTOCOL_MAJOR
    minor: int = PROTOCOL_MINOR


class Answer(NamedTuple):
    """A coordinator says where it is."""

    nonce: bytes
    boot_id: str
    port: int
    grid: str
    host: str = ""
    """Empty: the address that the answer came from; set where the coordinator binds another."""
    major: int = PROTOCOL_MAJOR
    minor: int = PROTOCOL_MINOR


def encode_question(question: Question) -> bytes:
    """Make the datagram of a question, padded."""
    role = ROLES.index(question.role)
    head = _HEAD.pack(_MAGIC, _QUESTION, question.major, question.minor, role, question.nonce)
    return head.ljust(QUESTION_BYTES, b"\0")


def decode_question(datagram: bytes) -> Question:
    """Read a question; RemoteProtocolError if it is none, or shorter than the rules say."""
    kind, major, minor, role, nonce = _decode_head(datagram)
    if kind != _QUESTION or role >= len(ROLES) or len(datagram) != QUESTION_BYTES:
        raise RemoteProtocolError("not a question for a coordinator")
    return Question(nonce, ROLES[role], major, minor)


def encode_answer(answer: Answer) -> bytes:
    """Make the datagram of an answer, always shorter than a question."""
    head = _HEAD.pack(_MAGIC, _ANSWER, answer.major, answer.minor, 0, answer.nonce)
    body = _ANSWER_BODY.pack(id_to_bytes(answer.boot_id), answer.port)
    host = answer.host.encode()[:MAX_HOST_BYTES]
    # Cut between characters, not inside one.
    grid = answer.grid.encode()[:MAX_GRID_NAME_BYTES].decode(errors="ignore").encode()
    return b"".join((head, body, bytes((len(host),)), host, bytes((len(grid),)), grid))


def decode_answer(datagram: bytes) -> Answer:
    """Read an answer; RemoteProtocolError if it is none."""
    kind, major, minor, _, nonce = _decode_head(datagram)
    texts_at = _HEAD.size + _ANSWER_BODY.size
    if kind != _ANSWER or not texts_at < len(datagram) < QUESTION_BYTES:
        raise RemoteProtocolError("not an answer of a coordinator")
    boot_id, port = _ANSWER_BODY.unpack_from(datagram, _HEAD.size)
    host, at = _text(datagram, texts_at)
    grid, at = _text(datagram, at)
    if at != len(datagram) or port == 0 or len(host) > MAX_HOST_BYTES:
        raise RemoteProtocolError("malformed answer of a coordinator")
    return Answer(nonce, id_from_bytes(boot_id), port, grid, host, major, minor)


def _decode_head(datagram: bytes) -> tuple[int, int, int, int, bytes]:
    if len(datagram) < _HEAD.size or datagram[:4] != _MAGIC:
        raise RemoteProtocolError("not a datagram of this protocol")
    _, kind, major, minor, role, nonce = _HEAD.unpack_from(datagram)
    return kind, major, minor, role, nonce


def _text(datagram: bytes, at: int) -> tuple[str, int]:
    if at >= len(datagram) or at + 1 + datagram[at] > len(datagram):
        raise RemoteProtocolError("malformed answer of a coordinator")
    end = at + 1 + datagram[at]
    try:
        return datagram[at + 1 : end].decode(), end
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("malformed answer of a coordinator") from error


class TokenBuckets:
    """How many answers each source may still have. Pure; beyond a bound the oldest is forgotten."""

    def __init__(
        self,
        per_s: float = ANSWERS_PER_S,
        burst: int = ANSWER_BURST,
        max_sources: int = MAX_SOURCES,
    ) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._max_sources = max_sources
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # (tokens, at)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, source: str, now: float) -> bool:
        """Take one token of this source; False if it has none."""
        tokens, at = self._buckets.pop(source, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_s)
        is_granted = tokens >= 1.0
        self._buckets[source] = (tokens - 1.0 if is_granted else tokens, now)
        if len(self._buckets) > self._max_sources:
            self._buckets.popitem(last=False)
        return is_granted


class BeaconServer:
    """The coordinator's end: hears questions and answers them."""

    def __init__(
        self, loop: Loop, clock: Clock, answer: Callable[[Question], Answer | None]
    ) -> None:
        self.answered_count = 0
        self.dropped_count = 0
        """Datagrams that were no question, or more than their source may ask."""
        self._loop = loop
        self._clock = clock
        self._answer = answer
        self._buckets = TokenBuckets()
        self._socket: socket.socket | None = None

    def open(self, port: int, *, is_loopback_only: bool) -> int:
        """Listen on `port` (0: any) and return it; AddressInUse if another program has it."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            prepare_beacon_socket(sock)
            sock.setblocking(False)
            sock.bind((LOOPBACK_BEACON_HOST if is_loopback_only else "", port))
        except OSError as error:
            sock.close()
            raise AddressInUse(
                f"cannot listen on UDP port {port}",
                why=error.strerror or str(error),
                advice="Choose another beacon_port, the same for all programs of the grid.",
            ) from error
        self._socket = sock
        self._loop.register(sock, self._on_readable)
        return int(sock.getsockname()[1])

    def close(self) -> None:
        """Stop listening. Twice is harmless."""
        if self._socket is not None:
            self._loop.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _on_readable(self) -> None:
        assert self._socket is not None
        for datagram, source in _received(self._socket):
            try:
                question = decode_question(datagram)
            except RemoteProtocolError:
                self.dropped_count += 1
                continue
            if not self._buckets.take(source[0], self._clock.now()):
                self.dropped_count += 1
                continue
            answer = self._answer(question)
            if answer is not None and _sent(self._socket, encode_answer(answer), source):
                self.answered_count += 1


OnAnswer = Callable[[Answer, str], None]
"""Called with an answer and the host under which its coordinator can be reached."""


class BeaconClient:
    """The end of agents and users: asks on every interface, hears the answers."""

    def __init__(self, loop: Loop, role: str, port: int, on_answer: OnAnswer) -> None:
        self.dropped_count = 0
        """Datagrams that were no answer to a question of ours."""
        self._loop = loop
        self._role = role
        self._port = port
        self._on_answer = on_answer
        self._nonce = b""
        self._sockets: dict[Interface, socket.socket] = {}
        self._log = get_logger("transport")

    def ask(self, *, is_loopback_only: bool = False) -> int:
        """Ask all neighbours, or only this computer; returns on how many interfaces it went out.

        The interfaces are looked up anew each time: cables come and go. Answers to the question
        before this one are no longer taken.
        """
        self._nonce = secrets.token_bytes(_NONCE_BYTES)
        self._follow_interfaces(is_loopback_only)
        question = encode_question(Question(self._nonce, self._role))
        sent_count = 0
        for interface, sock in self._sockets.items():
            targets = {interface.broadcast}
            if interface.broadcast == LOOPBACK_BROADCAST and LOOPBACK_BEACON_HOST == "127.0.0.1":
                targets.add(LOOPBACK_BEACON_HOST)
            results = [_sent(sock, question, (target, self._port)) for target in targets]
            sent_count += any(results)
        return sent_count

    def close(self) -> None:
        """Close the sockets; `ask` opens them again. Twice is harmless."""
        for interface in list(self._sockets):
            self._drop(interface)
        self._nonce = b""

    def _follow_interfaces(self, is_loopback_only: bool) -> None:
        wanted = broadcast_interfaces()
        if is_loopback_only:
            wanted = [i for i in wanted if i.broadcast == LOOPBACK_BROADCAST]
        for interface in set(self._sockets).difference(wanted):
            self._drop(interface)
        for interface in wanted:
            if interface not in self._sockets:
                self._add(interface)

    def _add(self, interface: Interface) -> None:
        try:
            sock = _question_socket(interface.address)
        except TransportError as error:
            self._log.debug("cannot ask", interface=interface.address, why=error.why)
            return
        self._sockets[interface] = sock
        self._loop.register(sock, lambda: self._on_readable(sock))

    def _drop(self, interface: Interface) -> None:
        sock = self._sockets.pop(interface)
        self._loop.unregister(sock)
        sock.close()

    def _on_readable(self, sock: socket.socket) -> None:
        for datagram, source in _received(sock):
            try:
                answer = decode_answer(datagram)
            except RemoteProtocolError:
                self.dropped_count += 1
                continue
            if answer.nonce == self._nonce:
                self._on_answer(answer, answer.host or source[0])
            else:
                self.dropped_count += 1


def _question_socket(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        prepare_question_socket(sock)
        sock.setblocking(False)
        sock.bind((address, 0))
    except OSError as error:
        sock.close()
        raise TransportError("cannot ask", where=address, why=str(error)) from error
    return sock


def _received(sock: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    """Take what has arrived, up to a bound."""
    found: list[tuple[bytes, tuple[str, int]]] = []
    for _ in range(_DATAGRAMS_PER_TURN):
        try:
            found.append(sock.recvfrom(_RECEIVE_BYTES))
        except BlockingIOError:
            break
        except OSError:
            # An earlier datagram of ours found nobody (ICMP): says nothing about the next one.
            continue
    return found


def _sent(sock: socket.socket, datagram: bytes, target: tuple[str, int]) -> bool:
    """Send; False if there is no way to the target, which is ordinary."""
    try:
        sock.sendto(datagram, target)
    except OSError:
        return False
    return True
