"""Finding the address at which an agent can be reached.

An agent has an address for every network card, and behind some of them another computer may answer
(many computers have a 192.168.56.1 of their own). So all are asked at once a question that a
stranger may ask and that shows who answers: an ACKNOWLEDGE of nothing, upon which an agent says
`WhoAreYou` with its boot id. The first right one is kept. Only there the session's secrets are
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from hxgrid.errors import HxGridError, ProtocolError
from hxgrid.transport.loop import Loop
from hxgrid.transport.sockets import (
    MESSAGES_PER_TURN,
    Socket,
    SocketFactory,
    receive_message,
    send_message,
)
from hxgrid.wire.batches import pack_keys
from hxgrid.wire.documents import read_document
from hxgrid.wire.messages import Batch, NetworkAddress, Refusal, RosterEntry, WhoAreYou

SEEK_LIMIT_S: Final = 4.0
"""After so long without the right answer an agent is unreachable: one TCP try and some more."""

_QUESTION = pack_keys(Batch.ACKNOWLEDGE, 0, [])


class _Candidate:
    """One address and what came of it."""

    __slots__ = ("address", "finding", "socket")

    def __init__(self, address: NetworkAddress, socket: Socket | None, finding: str) -> None:
        self.address = address
        self.socket = socket
        self.finding = finding


class Seeker:
    """Tries all addresses of one agent; tells the first right one, or why there is none."""

    def __init__(
        self,
        loop: Loop,
        entry: RosterEntry,
        now: float,
        on_found: Callable[[Socket], None],
        on_given_up: Callable[[str], None],
    ) -> None:
        self.deadline = now + SEEK_LIMIT_S
        self._loop = loop
        self._entry = entry
        self._on_found = on_found
        self._on_given_up = on_given_up
        self._candidates: list[_Candidate] = []

    def start(self, factory: SocketFactory, addresses: Sequence[NetworkAddress]) -> None:
        """Ask at all these addresses at once."""
        for address in addresses:
            candidate = _Candidate(address, None, "no answer")
            self._candidates.append(candidate)
            try:
                candidate.socket = factory.dealer(
                    address.host, address.port, self._entry.public_key
                )
            except HxGridError as error:
                candidate.finding = str(error)
                continue
            self._listen(candidate, candidate.socket)
        self._give_up_if_over()

    def tick(self, now: float) -> None:
        """Give up when the time is over."""
        if now >= self.deadline:
            self._give_up()

    def close(self) -> None:
        """Let go of all sockets; nothing is reported any more. Twice is harmless."""
        for candidate in self._candidates:
            self._drop(candidate)

    def _listen(self, candidate: _Candidate, socket: Socket) -> None:
        def on_readable() -> None:
            self._read(candidate, socket)

        def on_writable() -> None:
            # Writable means connected: nothing is queued for a peer that is not there.
            if send_message(socket, _QUESTION):
                self._loop.modify(socket, on_readable)

        self._loop.register(socket, on_readable, on_writable=on_writable)

    def _read(self, candidate: _Candidate, socket: Socket) -> None:
        for _ in range(MESSAGES_PER_TURN):
            if candidate.socket is None:
                return
            message = receive_message(socket, is_router=False)
            if message is None:
                return
            try:
                document = read_document(message.header)
            except ProtocolError as error:
                self._reject(candidate, str(error))
                return
            match document:
                case WhoAreYou(boot_id=self._entry.agent):
                    self._keep(candidate, socket)
                case WhoAreYou():
                    self._reject(candidate, "another agent answers there")
                case Refusal(text=text):
                    self._reject(candidate, text)
                case _:
                    pass  # late or unknown: ordinary

    def _keep(self, candidate: _Candidate, socket: Socket) -> None:
        candidate.socket = None
        self._loop.unregister(socket)
        self.close()
        self._on_found(socket)

    def _reject(self, candidate: _Candidate, finding: str) -> None:
        candidate.finding = finding
        self._drop(candidate)
        self._give_up_if_over()

    def _give_up_if_over(self) -> None:
        if all(candidate.socket is None for candidate in self._candidates):
            self._give_up()

    def _give_up(self) -> None:
        findings = [f"{c.address.host}:{c.address.port}: {c.finding}" for c in self._candidates]
        self.close()
        self._on_given_up("; ".join(findings) or "it has no address that may be used from here")

    def _drop(self, candidate: _Candidate) -> None:
        socket, candidate.socket = candidate.socket, None
        if socket is not None:
            self._loop.unregister(socket)
            socket.close(0)
