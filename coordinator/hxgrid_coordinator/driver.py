"""The coordinator's loop: TCP messages and beacon questions in, the registry's orders out."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hxgrid.errors import RemoteProtocolError
from hxgrid.ids import new_boot_id
from hxgrid.logs import get_logger
from hxgrid.transport.addresses import own_addresses
from hxgrid.transport.beacon import Answer, BeaconClient, BeaconServer, Question
from hxgrid.transport.entrance import Entrance
from hxgrid.transport.loop import Loop
from hxgrid.transport.proof import Doorkeeper
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import (
    MESSAGES_PER_TURN,
    Received,
    SocketLimits,
    is_loopback,
    peer_address,
    peer_handle,
    peer_key,
    receive_message,
    send_message,
)
from hxgrid.wire.batches import pack_pong, unpack_ping
from hxgrid.wire.documents import pack_document, read_document, read_protocol
from hxgrid.wire.messages import AgentStatus, Batch, Challenge, Protocol, Refusal, RosterRequest
from hxgrid.wire.versions import is_compatible, mismatch_text
from hxgrid_coordinator.core.actions import Announce, Send
from hxgrid_coordinator.core.events import AgentReported, Event, RosterAsked
from hxgrid_coordinator.core.registry import Registry
from hxgrid_coordinator.status import describe

if TYPE_CHECKING:
    from hxgrid.clock import Clock
    from hxgrid.settings import CoordinatorSettings

OWN_ADDRESSES_S = 10.0
"""How long the list of our own addresses is believed."""

NAMESAKES_S = 10.0
"""How often we look for another coordinator of the same name."""

_SEND_HWM = 64
_RECEIVE_HWM = 64
"""Messages per peer. Each is an answer to a question, so a peer that reads has one or two waiting;
one that only asks is not worth more memory."""


class CoordinatorDriver:
    """Runs one coordinator in the calling thread."""

    def __init__(self, settings: CoordinatorSettings, security: Security, clock: Clock) -> None:
        self.boot_id = new_boot_id()
        self.grid = settings.name or socket.gethostname()
        self.received_count = 0
        self.dropped_count = 0
        """Messages that were garbage, unknown, or from a peer that may not come in."""
        self.loop = Loop(clock, "coordinator")
        self.registry = Registry(
            self.boot_id, self.grid, settings.registry_lease_s, settings.max_connections
        )
        self._settings = settings
        self._security = security
        self._clock = clock
        self._log = get_logger("coordinator")
        self._entrance = Entrance(self.loop, security)
        self._door: Doorkeeper  # made by `open`
        self._beacon = BeaconServer(self.loop, clock, self._answer_question)
        self._namesakes = BeaconClient(
            self.loop, "coordinator", settings.beacon_port, self._hear_coordinator
        )
        self._namesakes_due_at = clock.now()
        self._namesakes_known: set[str] = set()
        self._described_version = self.registry.version
        self._own_addresses: frozenset[str] = frozenset()
        self._own_addresses_until = clock.now()

    def open(self) -> None:
        """Take the ports; AddressInUse or ConfigError say what stands in the way."""
        settings = self._settings
        limits = SocketLimits(
            max_frame_bytes=settings.max_message_bytes,
            max_connections=settings.max_connections,
            send_hwm=_SEND_HWM,
            receive_hwm=_RECEIVE_HWM,
        )
        self._entrance.open(limits, settings.bind, settings.port)
        self._door = self._entrance.doorkeeper(
            "coordinator", f"the coordinator of grid {self.grid!r}"
        )
        self._entrance.serve(self._on_readable)
        self._beacon.open(settings.beacon_port, is_loopback_only=self._is_on_loopback)
        self._log.info(
            "listening",
            grid=self.grid,
            bind=settings.bind or ("127.0.0.1" if self._is_on_loopback else "all interfaces"),
            port=self.port,
            beacon_port=settings.beacon_port,
            boot=self.boot_id,
        )

    def run(self) -> None:
        """Serve until `stop`."""
        self.loop.run(self)

    def stop(self) -> None:
        """End after this turn of the loop. From any thread."""
        self.loop.stop()

    def close(self) -> None:
        """Give the ports back. Twice is harmless."""
        self._beacon.close()
        self._namesakes.close()
        self._entrance.close()
        self.loop.close()

    @property
    def port(self) -> int:
        """Where it listens; known after `open`."""
        return self._entrance.port

    # -------------------------------------------------------------- the loop's handler

    def tick(self, now: float) -> None:
        """Drop silent agents; look for namesakes, and at what strangers send."""
        self._entrance.tick(now)
        self._carry_out(self.registry.tick(now))
        if now >= self._namesakes_due_at:
            self._namesakes_due_at = now + NAMESAKES_S
            self._namesakes.ask(is_loopback_only=self._is_on_loopback)
            self._describe()

    def _describe(self) -> None:
        if self.registry.version != self._described_version:
            self._described_version = self.registry.version
            self._log.info(describe(self.registry.entries()))

    def next_deadline(self) -> float | None:
        """Return when the next lease ends or the next look around is due."""
        moments = [
            self._namesakes_due_at,
            self.registry.next_deadline(),
            self._entrance.next_deadline(),
        ]
        return min(moment for moment in moments if moment is not None)

    def flush(self) -> None:
        """Nothing gathers here: every message is answered at once."""

    # -------------------------------------------------------------- TCP

    def _on_readable(self) -> None:
        bound = self._entrance.socket
        for _ in range(MESSAGES_PER_TURN):
            received = receive_message(bound, is_router=True)
            if received is None:
                return
            self.received_count += 1
            self._take(received)

    def _take(self, received: Received) -> None:
        try:
            if received.header[:1] == bytes((Batch.PING,)):
                pong = pack_pong(unpack_ping(received.header), self._clock.now())
                send_message(self._entrance.socket, pong, to=received.sender)
                return
            event = self._event(received)
        except RemoteProtocolError as error:
            self._drop(received, str(error))
            return
        if event is not None:
            self._carry_out(self.registry.handle(event, self._clock.now()))

    def _event(self, received: Received) -> Event | None:
        """Turn a message into a fact; None if it was refused, answered, or means nothing here."""
        frame = received.header
        protocol = None
        try:
            document = read_document(frame)
        except RemoteProtocolError:
            protocol = read_protocol(frame)
            if protocol is None or is_compatible(protocol.major):
                raise
            document = None
        if isinstance(document, AgentStatus | RosterRequest | Challenge):
            protocol = document.protocol
        if protocol is not None and not is_compatible(protocol.major):
            self._refuse_version(received, protocol)
            return None
        if isinstance(document, Challenge):
            answer = pack_document(self._door.answer(document))
            send_message(self._entrance.socket, answer, to=received.sender)
            return None
        if not isinstance(document, AgentStatus | RosterRequest):
            self.dropped_count += 1
            return None
        refusal = self._door.refusal(document.proof)
        if refusal is not None:
            self._refuse(received, refusal)
            return None
        self._entrance.introduce(peer_handle(received))
        host = self._seen_host(received)
        if isinstance(document, AgentStatus):
            return AgentReported(received.sender, document, host, len(frame), peer_key(received))
        return RosterAsked(received.sender, document, host)

    def _drop(self, received: Received, why: str) -> None:
        self.dropped_count += 1
        self._log.debug("message dropped", address=peer_address(received), why=why)

    def _refuse_version(self, received: Received, protocol: Protocol) -> None:
        what = f"the program at {peer_address(received)}"
        text = mismatch_text(what, protocol.major, protocol.minor)
        self._refuse(received, Refusal(code="protocol", text=text))

    def _refuse(self, received: Received, refusal: Refusal) -> None:
        self._drop(received, refusal.text)
        send_message(self._entrance.socket, pack_document(refusal), to=received.sender)

    def _carry_out(self, actions: list[Send | Announce]) -> None:
        for action in actions:
            if isinstance(action, Send):
                # An answer that cannot be sent is not missed: whoever wants it asks again.
                frames = pack_document(action.document)
                send_message(self._entrance.socket, frames, to=action.connection)
            else:
                host = action.host or "this computer"
                self._log.info(
                    f"agent {action.change}", agent=action.agent, name=action.name, host=host
                )

    def _seen_host(self, received: Received) -> str:
        address = peer_address(received)
        now = self._clock.now()
        if now >= self._own_addresses_until:
            self._own_addresses_until = now + OWN_ADDRESSES_S
            self._own_addresses = frozenset(own_addresses())
        return "" if is_loopback(address) or address in self._own_addresses else address

    # -------------------------------------------------------------- UDP

    @property
    def _is_on_loopback(self) -> bool:
        return self._security.is_loopback_only or is_loopback(self._settings.bind)

    def _answer_question(self, question: Question) -> Answer:
        # Where one address alone is bound, the one that the question came to may not be it.
        host = self._settings.bind
        return Answer(question.nonce, self.boot_id, self.port, self.grid, host)

    def _hear_coordinator(self, answer: Answer, host: str) -> None:
        is_other = answer.boot_id not in {self.boot_id, *self._namesakes_known}
        if not is_other or answer.grid != self.grid or len(self._namesakes_known) >= 64:
            return
        self._namesakes_known.add(answer.boot_id)
        self._log.warning(
            "another coordinator has the same name; give one of them another with --name",
            grid=self.grid,
            other=f"{host}:{answer.port}",
        )
