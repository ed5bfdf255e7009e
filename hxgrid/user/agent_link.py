"""One agent's connection: opening the session there, sending, receiving.

States::

    GREETING --Welcome--> OPEN            GREETING --Welcome, resumed--> RESUMING --HOLDINGS--> OPEN
    RESUMING, OPEN --connection renewed--> GREETING

The awkward case is a connection that ZeroMQ renews by itself: what was under way is lost, and the
agent does not know who talks to it. Either a send finds no connection, or the agent asks who we
are. Then everything unsent is dropped and the core is told, and HOLDINGS will tell it what has
arrived there and what has not. A PING is answered to strangers too, so each one goes with an
ACKNOWLEDGE of nothing, which is not.

Where connections are proved, ZeroMQ renews none: a send that finds no connection ends the link, and
the core has the agent dialled anew, which resumes the session in the same way.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from hxgrid.errors import ProtocolError, TransportError
from hxgrid.logs import get_logger
from hxgrid.modules.images import platform_names
from hxgrid.transport.dialling import Proved
from hxgrid.transport.flow import Outbox
from hxgrid.transport.sockets import MESSAGES_PER_TURN, receive_message, send_message
from hxgrid.user.arrivals import Arrivals
from hxgrid.user.network import Network
from hxgrid.user.outgoing import Outgoing
from hxgrid.user.results import ResultMemory
from hxgrid.wire.batches import (
    AttemptRecord,
    Buffer,
    Key,
    ResultRecord,
    pack_attempt,
    pack_chunk,
    pack_credit,
    pack_keys,
    pack_ping,
    unpack_chunk,
    unpack_credit,
    unpack_keys,
    unpack_pong,
    unpack_results,
)
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.limits import MAX_BATCH_RECORDS, SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import (
    AttemptFlag,
    Batch,
    ChunkOf,
    Document,
    Hello,
    Refusal,
    RosterEntry,
    Welcome,
    WhoAreYou,
)

GREET_LIMIT_S: Final = 5.0
"""An agent that has not answered `Hello` by then is given up; the core may have it tried again."""

ACKNOWLEDGE_FROM: Final = 256
"""So many acknowledgements make a message worth sending at once."""

_RESULTS: Final = int(Batch.RESULTS)
_CHUNK: Final = int(Batch.CHUNK)
_CREDIT: Final = int(Batch.CREDIT)
_PONG: Final = int(Batch.PONG)
_HOLDINGS: Final = int(Batch.HOLDINGS)
_CHUNKED: Final = int(AttemptFlag.CHUNKED)
_INPUT: Final = int(ChunkOf.INPUT)
_BLOB: Final = int(ChunkOf.BLOB)

_log: Final = get_logger("user")


class LinkState(enum.Enum):
    """How far the session is open at an agent."""

    GREETING = "greeting"
    RESUMING = "resuming"
    OPEN = "open"
    CLOSED = "closed"


class LinkOwner(Protocol):
    """The driver, to which a link tells what has happened."""

    due: dict[AgentLink, None]
    """Links that were heard or have something to send; looked at in each turn."""

    def on_results(self, link: AgentLink, records: Sequence[ResultRecord]) -> None:
        """Attempts have ended; large results are whole."""

    def on_document(self, link: AgentLink, document: Document) -> None:
        """A document has arrived that is not about the connection itself."""

    def on_pong(self, link: AgentLink, asked_at: float, answered_at: float) -> None:
        """A PING was answered; the second time is the agent's."""

    def on_welcome(self, link: AgentLink, welcome: Welcome) -> None:
        """The session is open there."""

    def on_holdings(self, link: AgentLink, keys: Sequence[Key]) -> None:
        """The agent told what it holds, after it had resumed the session."""

    def on_renewed(self, link: AgentLink) -> None:
        """The connection was lost, and `Hello` is being said again."""

    def on_refused(self, link: AgentLink, refusal: Refusal) -> None:
        """The agent does not let us in."""

    def on_broken(self, link: AgentLink, why: str) -> None:
        """The connection is of no use any more and should be closed."""

    def on_blob_sent(self, link: AgentLink, request: int) -> None:
        """A blob has arrived there, but perhaps for its last bytes."""

    def on_input_sent(self, link: AgentLink, key: Key, sent_bytes: int, is_complete: bool) -> None:
        """A piece of a large input has left."""


class AgentLink:
    """The connection to one agent. Belongs to the loop's thread."""

    def __init__(
        self,
        owner: LinkOwner,
        network: Network,
        proved: Proved,
        entry: RosterEntry,
        hello: Hello,
        memory: ResultMemory,
    ) -> None:
        self.agent = entry.agent
        """Boot id."""
        self.entry = entry
        """Where it is, as the roster tells."""
        self.name = entry.name
        self.state = LinkState.GREETING
        self.platform = ""
        """Such as "linux-x86_64", known from `Welcome` on."""
        self.slots = 0
        """Slots there, known from `Welcome` on."""
        self.offered: set[int] = set()
        """Numbers of the functions that it was told of on this connection."""
        self.was_heard = False
        """Something arrived since the driver last looked."""
        self.has_sent = False
        """Something was sent since the driver last renewed leases."""
        self.greet_deadline: float | None = network.clock.now() + GREET_LIMIT_S
        self._owner = owner
        self._loop = network.loop
        self._socket = proved.socket
        self._proof = proved.proof
        self._connects_again = proved.connects_again
        self.set_hello(hello)
        self._memory = memory
        self._clock = network.clock
        self._handle = 0
        self._is_hello_due = True
        self._log = _log.bind(session=hello.session, agent=entry.name)
        self._reset()

    def _reset(self) -> None:
        self._outgoing = Outgoing()
        self._keys: list[tuple[Batch, Sequence[Key]]] = []
        self._acknowledged: list[Key] = []
        self._outbox = Outbox()
        self._leaving: deque[tuple[int, int]] = deque()
        """Blobs of which everything was sent: bytes sent by then, number of the request."""
        self._arrivals = Arrivals(self._memory)
        self.offered.clear()

    # -- opening and closing

    def start(self) -> None:
        """Say `Hello` as soon as there is a connection."""
        self._loop.register(self._socket, self._on_readable, on_writable=self._on_writable)

    def close(self) -> None:
        """Let go of the socket; what was sent still leaves. Twice is harmless."""
        if self.state is not LinkState.CLOSED:
            self.state = LinkState.CLOSED
            self.greet_deadline = None
            self._loop.unregister(self._socket)
            self._socket.close()

    def set_hello(self, hello: Hello) -> None:
        """Say this from the next renewal of the connection on."""
        self._hello = pack_document(hello.model_copy(update={"proof": self._proof}))

    @property
    def taken_bytes(self) -> int:
        """Bulk that the agent has taken in over this connection."""
        return self._outbox.window.taken_bytes

    @property
    def is_open(self) -> bool:
        """Whether attempts may be sent."""
        return self.state is LinkState.OPEN

    @property
    def is_welcomed(self) -> bool:
        """Whether the agent knows whose documents these are."""
        return self.state in {LinkState.OPEN, LinkState.RESUMING}

    # -- sending

    def send(self, document: Document) -> bool:
        """Send a document at once; False if there is no connection."""
        return self._send(pack_document(document))

    def ping(self, now: float) -> None:
        """Ask for a sign of life, and whether the agent still knows us."""
        if self._send(pack_ping(now)):
            self._send(pack_keys(Batch.ACKNOWLEDGE, self._handle, []))

    def add_small(
        self, heads: Sequence[bytes], payloads: Sequence[Buffer], size_bytes: int
    ) -> None:
        """Send attempts with small inputs, of this size together, with the next flush.

        `heads` are made by `pack_attempt`.
        """
        self._outgoing.add(heads, payloads, size_bytes)
        self._owner.due[self] = None

    def add_attempt(self, record: AttemptRecord) -> None:
        """Send an attempt with the next flush; a large input follows in chunks."""
        if self.state is not LinkState.OPEN:
            return
        if record.stored_bytes > SMALL_PAYLOAD_BYTES:
            self._outbox.add_transfer(
                _INPUT, self._handle, record.task, record.attempt, record.payload
            )
            record = record._replace(flags=record.flags | _CHUNKED, payload=b"")
        self.add_small([pack_attempt(*record[:6])], [record.payload], len(record.payload))

    def acknowledge(self, keys: Sequence[Key]) -> bool:
        """Tell the agent soon that results have arrived; return whether it must be reminded.

        Gathered for a moment, because nobody waits for it: the agent only frees what it holds. A
        message each would cost more than the tasks do when they are run one at a time.
        """
        acknowledged = self._acknowledged
        acknowledged += keys
        if len(acknowledged) >= ACKNOWLEDGE_FROM:
            self._owner.due[self] = None
        return len(acknowledged) < ACKNOWLEDGE_FROM

    def flush_acknowledged(self) -> None:
        """Send what `acknowledge` has gathered."""
        if self.state is LinkState.OPEN and self._acknowledged:
            acknowledged, self._acknowledged = self._acknowledged, []
            self._send_keys(Batch.ACKNOWLEDGE, acknowledged)

    def add_keys(self, batch: Batch, keys: Sequence[Key]) -> None:
        """Send a CANCEL or RECALL with the next flush."""
        self._keys.append((batch, keys))
        self._owner.due[self] = None

    def add_blob(self, request: int, content: Buffer, offset: int) -> None:
        """Send a blob in chunks, after the answer that announced it."""
        if offset < len(content):
            self._outbox.add_transfer(_BLOB, self._handle, request, 0, content, offset=offset)
            self._owner.due[self] = None

    def stop_blob(self, request: int) -> None:
        """Send no more of a blob."""
        self._outbox.cancel_transfer(_BLOB, request, 0)

    def stop_transfers(self, keys: Sequence[Key]) -> list[ResultRecord]:
        """Send and take no more chunks of these; returns the ends of results thus given up."""
        ended = []
        for key in keys:
            self._outbox.cancel_transfer(_INPUT, *key)
            record = self._arrivals.abandon(key)
            if record is not None:
                ended.append(record)
        return ended

    def flush(self, now: float) -> None:
        """Send what has gathered. Order: attempts, what is said about attempts, then bulk."""
        if self.state is not LinkState.OPEN:
            return
        if self._outgoing and not all(map(self._send, self._outgoing.take(self._handle))):
            return  # the connection is being renewed, or given up: the rest is void
        if self._keys:
            keys, self._keys = self._keys, []
            for batch, some in keys:
                self._send_keys(batch, some)
        if len(self._acknowledged) >= ACKNOWLEDGE_FROM:
            self.flush_acknowledged()
        if self._outbox:
            self._send_chunks(now)
        if self._leaving:
            self._tell_blobs_sent()
        credit = self._arrivals.credit_due()
        if credit is not None:
            self._send(pack_credit(credit))

    def _send_keys(self, batch: Batch, keys: Sequence[Key]) -> None:
        for start in range(0, len(keys), MAX_BATCH_RECORDS):
            self._send(pack_keys(batch, self._handle, keys[start : start + MAX_BATCH_RECORDS]))

    def _send_chunks(self, now: float) -> None:
        for chunk in self._outbox.next_chunks(now):
            if not self._send(pack_chunk(chunk)):
                return
            sent = chunk.offset + len(chunk.payload)
            if chunk.of == _BLOB and sent == chunk.total_bytes:
                self._leaving.append((self._outbox.window.sent_bytes, chunk.id))
            elif chunk.of == _INPUT:
                key = (chunk.id, chunk.attempt)
                self._owner.on_input_sent(self, key, sent, sent == chunk.total_bytes)

    def _tell_blobs_sent(self) -> None:
        leaving, taken_bytes = self._leaving, self._outbox.window.taken_bytes
        while leaving and leaving[0][0] <= taken_bytes:
            self._owner.on_blob_sent(self, leaving.popleft()[1])

    def _send(self, frames: Sequence[Buffer]) -> bool:
        if self.state is LinkState.CLOSED:
            return False
        if send_message(self._socket, frames):
            self.has_sent = True
            return True
        if self._connects_again:
            self._renew()
        else:
            # Whoever has the port now must prove itself first, and that needs another socket.
            self._owner.on_broken(self, "the connection was lost")
        return False

    # -- receiving

    def _on_writable(self) -> None:
        """There is a connection (again)."""
        if self._is_hello_due and send_message(self._socket, self._hello):
            self._is_hello_due = False
            self._loop.modify(self._socket, self._on_readable)

    def _on_readable(self) -> None:
        self._owner.due[self] = None
        for _ in range(MESSAGES_PER_TURN):
            if self.state is LinkState.CLOSED:
                return
            message = receive_message(self._socket, is_router=False)
            if message is None:
                return
            self.was_heard = True
            try:
                self._take(message.header, message.payload)
            except (ProtocolError, TransportError) as error:
                self._log.warning("connection dropped", reason=error)
                self._owner.on_broken(self, str(error))
                return

    def _take(self, header: bytes, payload: Buffer) -> None:
        number = header[0] if header else 0
        if number == _RESULTS:
            self._take_results(header)
        elif number == _CHUNK:
            record = self._arrivals.take(unpack_chunk(header, payload))
            if record is not None:
                self._owner.on_results(self, [record])
        elif number == _CREDIT:
            self._outbox.credit(unpack_credit(header), self._clock.now())
        elif number == _PONG:
            self._owner.on_pong(self, *unpack_pong(header))
        elif number == _HOLDINGS:
            self._take_holdings(header)
        else:
            self._take_document(header)

    def _take_results(self, header: bytes) -> None:
        handle, records = unpack_results(header)
        # Between the loss of a connection and Welcome, HOLDINGS there is nothing to believe.
        if handle != self._handle or self.state is not LinkState.OPEN:
            return
        if self._outbox:
            for record in records:  # refused or given back while its input was on its way
                self._outbox.cancel_transfer(_INPUT, record.task, record.attempt)
        whole = self._arrivals.whole(records)
        if whole:
            self._owner.on_results(self, whole)

    def _take_holdings(self, header: bytes) -> None:
        handle, keys = unpack_keys(header)
        if handle == self._handle and self.state is LinkState.RESUMING:
            self.state = LinkState.OPEN
            self._owner.on_holdings(self, keys)

    def _take_document(self, header: bytes) -> None:
        document = read_document(header)
        match document:
            case None:
                self._log.debug("unknown message dropped", number=header[:1].hex())
            case Welcome():
                self._take_welcome(document)
            case WhoAreYou():
                self._take_question(document)
            case Refusal():
                self._owner.on_refused(self, document)
            case _:
                self._owner.on_document(self, document)

    def _take_welcome(self, welcome: Welcome) -> None:
        if self.state is not LinkState.GREETING:
            # The agent has begun anew, upon a Hello that was on its way when the connection was
            # renewed: with other windows, and without what was half sent. So do we.
            self._renew()
            return
        if welcome.boot_id != self.agent:
            self._owner.on_broken(self, "the agent was started again")
            return
        self.greet_deadline = None
        self._handle = welcome.handle
        here = welcome.capabilities
        self.platform, _ = platform_names(here.platform, here.machine)
        self.slots = welcome.slots
        self.state = LinkState.RESUMING if welcome.resumed else LinkState.OPEN
        self._owner.on_welcome(self, welcome)

    def _take_question(self, question: WhoAreYou) -> None:
        if question.boot_id != self.agent:
            self._owner.on_broken(self, "another agent answers there now")
        elif self.state is not LinkState.GREETING:
            self._renew()

    def _renew(self) -> None:
        """Begin again on what may be a new connection."""
        if self.state is LinkState.CLOSED:
            return
        was_greeting = self.state is LinkState.GREETING
        self.state = LinkState.GREETING
        self._is_hello_due = True
        self._loop.modify(self._socket, self._on_readable, on_writable=self._on_writable)
        if not was_greeting:
            self._log.info("connection renewed")
            self.greet_deadline = self._clock.now() + GREET_LIMIT_S
            self._reset()
            self._owner.on_renewed(self)
