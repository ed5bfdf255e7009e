"""Finding the address at which an agent can be reached.

An agent has an address for every network card, and behind some of them another computer may answer
(many computers have a 192.168.56.1 of their own). So all are asked at once a question that a
stranger may ask and that shows who answers: an ACKNOWLEDGE of nothing, upon which an agent says
`WhoAreYou` with its boot id. The first right one is kept. Only there the session's secrets are
shown. Without keys, each must first prove who has started it (`hxgrid.transport.dialling`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from hxgrid.errors import HxGridError, ProtocolError
from hxgrid.transport.dialling import Dial, Proved
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
from hxgrid.wire.messages import Batch, Neighbour, NetworkAddress, Refusal, RosterEntry, WhoAreYou

SEEK_LIMIT_S: Final = 4.0
"""After so long without the right answer an agent is unreachable: one TCP try and some more."""

_QUESTION = pack_keys(Batch.ACKNOWLEDGE, 0, [])


class _Candidate:
    """One address and what came of it."""

    __slots__ = ("address", "dial", "finding", "proved")

    def __init__(self, address: NetworkAddress) -> None:
        self.address = address
        self.dial: Dial | None = None  # while it is being connected to
        self.proved: Proved | None = None  # from then on, until it is kept or dropped
        self.finding = "no answer"

    @property
    def is_tried(self) -> bool:
        return self.dial is not None or self.proved is not None


class Seeker:
    """Tries all addresses of one agent; tells the first right one, or why there is none."""

    def __init__(
        self,
        loop: Loop,
        entry: RosterEntry | Neighbour,
        now: float,
        on_found: Callable[[Proved], None],
        on_given_up: Callable[[str], None],
    ) -> None:
        self.deadline = now + SEEK_LIMIT_S
        self._started_at = now
        self._loop = loop
        self._entry = entry
        self._on_found = on_found
        self._on_given_up = on_given_up
        self._candidates: list[_Candidate] = []

    def start(self, factory: SocketFactory, addresses: Sequence[NetworkAddress]) -> None:
        """Ask at all these addresses at once."""
        self._candidates = [_Candidate(address) for address in addresses]
        for candidate in self._candidates:
            host, port = candidate.address.host, candidate.address.port
            dial = Dial(
                self._loop,
                "agent",
                partial(self._listen, candidate),
                partial(self._on_failed, candidate),
            )
            try:
                dial.start(factory, host, port, self._entry.public_key, self._started_at)
            except HxGridError as error:
                candidate.finding = str(error)
                continue
            candidate.dial = dial
        self._give_up_if_over()

    def tick(self, now: float) -> None:
        """Give up when the time is over."""
        if now >= self.deadline:
            self._give_up()

    def close(self) -> None:
        """Let go of all sockets; nothing is reported any more. Twice is harmless."""
        for candidate in self._candidates:
            self._drop(candidate)

    def _on_failed(self, candidate: _Candidate, error: HxGridError) -> None:
        candidate.dial = None
        self._reject(candidate, str(error))

    def _listen(self, candidate: _Candidate, proved: Proved) -> None:
        candidate.dial, candidate.proved = None, proved
        socket = proved.socket

        def on_readable() -> None:
            self._read(candidate, socket)

        def on_writable() -> None:
            # Writable means connected: nothing is queued for a peer that is not there.
            if send_message(socket, _QUESTION):
                self._loop.modify(socket, on_readable)

        self._loop.register(socket, on_readable, on_writable=on_writable)
        on_writable()

    def _read(self, candidate: _Candidate, socket: Socket) -> None:
        for _ in range(MESSAGES_PER_TURN):
            if candidate.proved is None:
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
                    self._keep(candidate, candidate.proved)
                case WhoAreYou():
                    self._reject(candidate, "another agent answers there")
                case Refusal(text=text):
                    self._reject(candidate, text)
                case _:
                    pass  # late or unknown: ordinary

    def _keep(self, candidate: _Candidate, proved: Proved) -> None:
        candidate.proved = None
        self._loop.unregister(proved.socket)
        self.close()
        self._on_found(proved)

    def _reject(self, candidate: _Candidate, finding: str) -> None:
        candidate.finding = finding
        self._drop(candidate)
        self._give_up_if_over()

    def _give_up_if_over(self) -> None:
        if not any(candidate.is_tried for candidate in self._candidates):
            self._give_up()

    def _give_up(self) -> None:
        findings = [f"{c.address.host}:{c.address.port}: {c.finding}" for c in self._candidates]
        self.close()
        self._on_given_up("; ".join(findings) or "it has no address that may be used from here")

    def _drop(self, candidate: _Candidate) -> None:
        if candidate.dial is not None:
            candidate.dial.close()
        proved, candidate.dial, candidate.proved = candidate.proved, None, None
        if proved is not None:
            self._loop.unregister(proved.socket)
            proved.socket.close(0)
