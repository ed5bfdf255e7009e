"""The agent's ROUTER: messages of users become events, orders become messages.

Hot batches are decoded without pydantic. What cannot be decoded is counted and dropped; a peer that
goes on with nonsense is told once and then not listened to. PING is answered here, at once, because
it asks whether this very loop is alive.

Results gather during a turn of the loop and leave in `flush`, as one message per user and turn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast, get_args

from hxgrid.errors import ProtocolError
from hxgrid.logs import get_logger
from hxgrid.transport.security import NEIGHBOUR, AllowList
from hxgrid.transport.sockets import (
    MESSAGES_PER_TURN,
    Received,
    Socket,
    peer_address,
    peer_handle,
    peer_key,
    receive_message,
    send_message,
)
from hxgrid.wire.batches import (
    Buffer,
    Chunk,
    Key,
    pack_keys,
    pack_pong,
    pack_results,
    split_batches,
    unpack_attempts,
    unpack_chunk,
    unpack_credit,
    unpack_keys,
    unpack_ping,
)
from hxgrid.wire.documents import pack_document, read_document, read_protocol
from hxgrid.wire.messages import (
    Batch,
    Challenge,
    Document,
    Hello,
    NeighbourDone,
    NeighbourRequest,
    Refusal,
    ToAgent,
)
from hxgrid.wire.versions import is_compatible, mismatch_text
from hxgrid_agent.core.attempt import Attempt
from hxgrid_agent.core.events import (
    AttemptsReceived,
    CancelReceived,
    DocumentReceived,
    Event,
    PeersHeard,
    RecallReceived,
    ResultsAcknowledged,
)
from hxgrid_agent.core.session import Session

if TYPE_CHECKING:
    from hxgrid.clock import Clock
    from hxgrid.transport.proof import Doorkeeper

MAX_STRIKES: Final = 16
"""Malformed messages that a peer may send before it is not listened to any more."""

MAX_STRUCK_PEERS: Final = 1024

_ATTEMPTS: Final = int(Batch.ATTEMPTS)
_ACKNOWLEDGE: Final = int(Batch.ACKNOWLEDGE)
_CANCEL: Final = int(Batch.CANCEL)
_RECALL: Final = int(Batch.RECALL)
_CHUNK: Final = int(Batch.CHUNK)
_CREDIT: Final = int(Batch.CREDIT)
_PING: Final = int(Batch.PING)
_TO_AGENT: Final = get_args(ToAgent)
_TO_NEIGHBOUR: Final = (NeighbourRequest, NeighbourDone)
_new: Final = tuple.__new__  # without the layer of Python that named tuples have


class Bulk(Protocol):
    """Whoever deals with large payloads; both raise ProtocolError for nonsense."""

    def take(self, peer: bytes, chunk: Chunk) -> None:
        """Take in a CHUNK."""

    def credit(self, peer: bytes, taken_bytes: int) -> None:
        """Take in a CREDIT."""

    def send_results(self, session: Session, attempts: Sequence[Attempt]) -> None:
        """Send the files of those results that have one, behind their records."""


class Peers:
    """Receives from users and sends to them. Belongs to the loop's thread."""

    def __init__(
        self,
        socket: Socket,
        clock: Clock,
        on_event: Callable[[Event], None],
        bulk: Bulk,
        *,
        door: Doorkeeper,
        allowed: AllowList | None = None,
        introduce: Callable[[int], None],
    ) -> None:
        self._door = door
        self._introduce = introduce
        self._socket = socket
        self._clock = clock
        self._on_event = on_event
        self._bulk = bulk
        self._allowed = allowed
        """Where keys are used: who may do what."""
        self.dropped_count = 0
        """Messages that were garbage, unknown, or from a peer that is not listened to."""
        self._strikes: OrderedDict[bytes, int] = OrderedDict()
        self._heard: set[bytes] = set()
        """Peers whose sign of life has not been reported yet."""
        self._results: dict[Session, list[Attempt]] = {}
        """To be sent in this turn."""
        self._unsent: dict[Session, list[Attempt]] = {}
        """Could not be sent; tried again at the next `retry`."""
        self._log = get_logger("agent")

    # -- receiving

    def on_readable(self) -> None:
        """Take what has come, up to a bound."""
        socket = self._socket
        for _ in range(MESSAGES_PER_TURN):
            received = receive_message(socket, is_router=True)
            if received is None:
                break
            try:
                self._take(received)
            except ProtocolError as error:
                self._strike(received, str(error))
        if self._heard:
            heard, self._heard = list(self._heard), set()
            self._on_event(PeersHeard(heard))

    def strike(self, peer: bytes, why: str) -> None:
        """Count nonsense of a peer that was noticed elsewhere."""
        self._strike(Received(peer, b"", b""), why)

    def _take(self, received: Received) -> None:
        peer, header, payload = received[:3]
        if not header or (self._strikes and self._strikes.get(peer, 0) >= MAX_STRIKES):
            self.dropped_count += 1
            return
        number = header[0]
        if number == _ATTEMPTS:
            handle, records = unpack_attempts(header)
            self._on_event(_new(AttemptsReceived, (peer, handle, records)))
        elif number == _ACKNOWLEDGE:
            handle, keys = unpack_keys(header)
            self._on_event(ResultsAcknowledged(peer, handle, keys))
        elif number == _CHUNK:
            self._heard.add(peer)
            self._bulk.take(peer, unpack_chunk(header, payload))
        elif number == _CREDIT:
            self._heard.add(peer)
            self._bulk.credit(peer, unpack_credit(header))
        elif number == _PING:
            self._heard.add(peer)
            self.send(peer, pack_pong(unpack_ping(header), self._clock.now()))
        else:
            self._take_rare(received, number)

    def _take_rare(self, received: Received, number: int) -> None:
        peer, header = received[:2]
        if number == _CANCEL:
            handle, keys = unpack_keys(header)
            self._on_event(CancelReceived(peer, handle, keys))
        elif number == _RECALL:
            handle, keys = unpack_keys(header)
            self._on_event(RecallReceived(peer, handle, keys))
        else:
            self._take_document(received)

    def _take_document(self, received: Received) -> None:
        peer, header = received[:2]
        try:
            document = read_document(header)
        except ProtocolError:
            # Another major version need not fit our models, but is to hear why it is refused.
            version = read_protocol(header)
            if version is None or is_compatible(version.major):
                raise
            text = mismatch_text("the user program", version.major, version.minor)
            self.send(peer, pack_document(Refusal(code="protocol", text=text)))
            self.dropped_count += 1
            return
        if self._is_neighbour(received) and not isinstance(document, _TO_NEIGHBOUR):
            text = "this key was let in to fetch blobs only"
            self.send(peer, pack_document(Refusal(code="role", text=text)))
            self.dropped_count += 1
        elif isinstance(document, Challenge):
            self.send(peer, pack_document(self._door.answer(document)))
        elif isinstance(document, Hello) and (refusal := self._refusal(document)) is not None:
            self.dropped_count += 1
            self.send(peer, pack_document(refusal))
        elif isinstance(document, _TO_AGENT):
            if isinstance(document, Hello):
                self._introduce(peer_handle(received))
            self._on_event(DocumentReceived(peer, cast("ToAgent", document)))
        else:
            self.dropped_count += 1

    def _refusal(self, hello: Hello) -> Refusal | None:
        # Who speaks another version hears about that from the core.
        if not is_compatible(hello.protocol.major):
            return None
        return self._door.refusal(hello.proof)

    def _is_neighbour(self, received: Received) -> bool:
        key = peer_key(received) if self._allowed is not None else ""
        return bool(key) and self._allowed is not None and self._allowed.role_of(key) == NEIGHBOUR

    def _strike(self, received: Received, why: str) -> None:
        peer = received.sender
        strikes = self._strikes.pop(peer, 0) + 1
        self._strikes[peer] = strikes
        if len(self._strikes) > MAX_STRUCK_PEERS:
            self._strikes.popitem(last=False)
        self.dropped_count += 1
        self._log.debug("message dropped", address=peer_address(received), why=why)
        if strikes in (1, MAX_STRIKES):
            self.send(peer, pack_document(Refusal(code="malformed", text=why[:1000])))

    # -- sending

    def send(self, peer: bytes, frames: Sequence[Buffer]) -> bool:
        """Send one message; False if the peer is gone or does not read."""
        return send_message(self._socket, frames, to=peer)

    def send_document(self, peer: bytes, document: Document) -> None:
        """Send a JSON message. What does not arrive is made good when the user says `Hello`."""
        self.flush()  # `Ended` must not overtake the results that it ends
        self.send(peer, pack_document(document))

    def send_holdings(self, session: Session, keys: Sequence[Key]) -> None:
        """Tell a resumed session's user what is held for it."""
        self.send(session.peer, pack_keys(Batch.HOLDINGS, session.handle, keys))

    def add_results(self, session: Session, attempts: Sequence[Attempt]) -> None:
        """Have these sent with this turn's batch."""
        gathered = self._results.get(session)
        if gathered is None:
            self._results[session] = list(attempts)
        else:
            gathered += attempts

    def flush(self) -> None:
        """Send what has gathered."""
        if not self._results:
            return
        results, self._results = self._results, {}
        for session, attempts in results.items():
            if not self._send_results(session, attempts):
                self._unsent.setdefault(session, []).extend(attempts)

    def retry(self) -> None:
        """Try again what could not be sent; results stay wanted until they are acknowledged."""
        unsent, self._unsent = self._unsent, {}
        for session, attempts in unsent.items():
            held = session.attempts
            wanted = [attempt for attempt in attempts if held.get(attempt.key) is attempt]
            if wanted and not session.is_ending:
                self.add_results(session, wanted)

    def forget(self, session: Session) -> None:
        """Send nothing more of a session's results over its old connection."""
        self._results.pop(session, None)
        self._unsent.pop(session, None)

    def _send_results(self, session: Session, attempts: Sequence[Attempt]) -> bool:
        records = [attempt.result for attempt in attempts if attempt.result is not None]
        handle, peer = session.handle, session.peer
        for part in split_batches(records):
            if not self.send(peer, pack_results(handle, part)):
                return False
        self._bulk.send_results(session, attempts)
        return True
