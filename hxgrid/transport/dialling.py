"""Making one connection, up to where it may be used: connected, and proved where that is needed.

Nothing but a `Challenge` is sent before the other end has proved itself (see
`hxgrid.transport.proof`), so what listens at the address learns nothing, whoever it is. The socket
that is handed over then never connects again by itself: when a send finds no connection, the proof
is gone with it, and whoever holds the socket closes it and dials anew.

With keys, or where the network is trusted, there is nothing to prove: the socket is handed over as
soon as it is connected, and connects again by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from hxgrid.errors import AuthenticationError, HxGridError, TransportError, VersionMismatch
from hxgrid.transport.handshakes import HandshakeWatch
from hxgrid.transport.sockets import (
    LOOPBACK,
    MESSAGES_PER_TURN,
    Socket,
    SocketFactory,
    is_loopback,
    receive_message,
    send_message,
)
from hxgrid.wire.documents import pack_document, read_document, read_protocol
from hxgrid.wire.messages import ChallengeAnswer, Proof, Refusal
from hxgrid.wire.versions import is_compatible, mismatch_text

if TYPE_CHECKING:
    from hxgrid.transport.loop import Loop
    from hxgrid.transport.proof import Asker

PROOF_LIMIT_S: Final = 4.0
"""Connecting and proving on one computer take milliseconds; a busy loop takes longer."""


class Proved(NamedTuple):
    """A connection that may be used. Whoever gets it registers the socket with the loop."""

    socket: Socket
    proof: Proof | None
    """To be shown in the first message; None where there is nothing to prove."""

    @property
    def connects_again(self) -> bool:
        """Whether libzmq makes the connection anew when it is lost."""
        return self.proof is None


class Dial:
    """One try at one address. Belongs to the loop's thread; used once."""

    def __init__(
        self,
        loop: Loop,
        role: str,
        on_proved: Callable[[Proved], None],
        on_failed: Callable[[HxGridError], None],
    ) -> None:
        """`role` is that of the program to be reached. One of the two is called, once.

        AuthenticationError or VersionMismatch: it is the wrong program; TransportError: try again.
        """
        self.deadline: float | None = None
        """When `tick` is wanted; None: never."""
        self._loop = loop
        self._role = role
        self._on_proved = on_proved
        self._on_failed = on_failed
        self._socket: Socket | None = None
        self._watch: HandshakeWatch | None = None
        self._asker: Asker | None = None

    def start(
        self, factory: SocketFactory, host: str, port: int, server_key: str, now: float
    ) -> None:
        """Begin to connect; HxGridError if that is impossible from the start."""
        security = factory.security
        if security.needs_proof:
            # Whatever else that name may mean here; what is proved is a number.
            host = LOOPBACK if host == "localhost" else host
            if not is_loopback(host):
                raise AuthenticationError(
                    f"{host} is not on this computer, and there are no keys",
                    advice="Set keys, or give --trust-network to trust all who reach the network.",
                )
            self._asker = security.asker(self._role, host, port)
            self.deadline = now + PROOF_LIMIT_S

        def watch(socket: Socket) -> None:
            self._begin_watch(socket, has_keys=security.keys is not None)

        try:
            self._socket = factory.dealer(host, port, server_key, before_connect=watch)
        except BaseException:
            self.close()
            raise
        challenge = self._on_connected if self._asker is not None else None
        self._loop.register(self._socket, self._on_readable, on_writable=challenge)

    def tick(self, now: float) -> None:
        """Give up when the time is over."""
        if self.deadline is not None and now >= self.deadline:
            self._fail(
                AuthenticationError(
                    f"the {self._role} does not prove who has started it",
                    why=f"no answer to our question within {PROOF_LIMIT_S:g} s",
                    advice="It may be another program, or an hxgrid older than protocol 1.1.",
                )
            )

    def close(self) -> None:
        """Let go of everything; nothing is reported any more. Twice is harmless."""
        socket = self._release()
        if socket is not None:
            socket.close(0)

    def _begin_watch(self, socket: Socket, *, has_keys: bool) -> None:
        # In the first case libzmq connects again, in the second nobody does.
        made = (lambda: self._hand_over(None)) if self._asker is None else None
        ended = self._on_ended if self._asker is not None else None
        self._watch = HandshakeWatch(
            self._loop,
            socket,
            self._on_rejected,
            has_keys=has_keys,
            on_made=made,
            on_ended=ended,
        )
        self._watch.open()

    def _release(self) -> Socket | None:
        socket, self._socket = self._socket, None
        self.deadline = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if socket is not None:
            self._loop.unregister(socket)
        return socket

    def _on_rejected(self, why: str) -> None:
        text = f"the {self._role} does not let us in: {why}"
        advice = "Keys are set by public_key, secret_key, coordinator_key and allowed_keys."
        self._fail(AuthenticationError(text, advice=advice))

    def _on_ended(self, why: str) -> None:
        self._fail(TransportError(f"no connection to the {self._role}", why=why))

    def _fail(self, error: HxGridError) -> None:
        self.close()
        self._on_failed(error)

    def _on_connected(self) -> None:
        socket, asker = self._socket, self._asker
        if socket is None or asker is None:
            return
        if send_message(socket, pack_document(asker.challenge)):
            self._loop.modify(socket, self._on_readable)

    def _hand_over(self, proof: Proof | None) -> None:
        socket = self._release()
        if socket is not None:
            self._on_proved(Proved(socket, proof))

    def _on_readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            if self._socket is None or self._asker is None:
                return
            message = receive_message(self._socket, is_router=False)
            if message is None:
                return
            try:
                self._take(message.header, self._asker)
            except HxGridError as error:
                self._fail(error)
                return

    def _take(self, header: bytes, asker: Asker) -> None:
        # First, whatever it is: of another version even the answer may be another message.
        version = read_protocol(header)
        if version is not None and not is_compatible(version.major):
            what = f"the {self._role}"
            raise VersionMismatch(mismatch_text(what, version.major, version.minor))
        document = read_document(header)
        if isinstance(document, Refusal):
            raise AuthenticationError(document.text)
        if isinstance(document, ChallengeAnswer):
            self._hand_over(asker.check(document))
