"""Other agents that blobs are fetched from: found, asked, listened to, left.

A user names them; each is sought at all its addresses, and only the right one is asked. What is
said there shows nothing but which blob is wanted, and that we know the session's ticket (see
`hxgrid.blobs.proof`); what comes back is checked chunk by chunk. How long a neighbour may take, and
who is asked next, the core decides: here it only hears what happens.

A neighbour learns of our key from the user, over another connection than we of its address. So one
that does not answer at once is tried again before it is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from hxgrid.blobs.proof import prove
from hxgrid.errors import ProtocolError
from hxgrid.logs import get_logger
from hxgrid.transport.dialling import Proved
from hxgrid.transport.flow import Inbox
from hxgrid.transport.loop import Loop
from hxgrid.transport.seeking import Seeker
from hxgrid.transport.sockets import (
    MESSAGES_PER_TURN,
    Socket,
    SocketFactory,
    is_loopback,
    receive_message,
    send_message,
)
from hxgrid.wire.batches import Buffer, pack_credit, unpack_chunk
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import (
    Batch,
    BlobAnswer,
    ChunkOf,
    Document,
    Neighbour,
    NeighbourDone,
    NeighbourRequest,
    Refusal,
)
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev

if TYPE_CHECKING:
    from hxgrid.clock import Clock

IDLE_S: Final = 5.0
"""A connection that nothing is wanted of is closed after this."""

SEEK_AGAIN_S: Final = 0.3
"""After so long without the right answer all addresses are tried anew."""

MAX_NEIGHBOURS_ASKED: Final = 64
"""Connections to neighbours at once."""

_CHUNK: Final = int(Batch.CHUNK)
_BLOB: Final = int(ChunkOf.BLOB)


class _Line:
    """One neighbour."""

    __slots__ = ("idle_at", "inbox", "neighbour", "requests", "seek_again_at", "seeker", "socket")

    def __init__(self, neighbour: Neighbour) -> None:
        self.neighbour = neighbour
        self.requests: dict[int, NeighbourRequest] = {}
        """What it is to send."""
        self.seeker: Seeker | None = None
        self.seek_again_at = 0.0
        self.socket: Socket | None = None
        self.inbox = Inbox()
        self.idle_at: float | None = None


class Neighbours:
    """Asks other agents for blobs. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        factory: SocketFactory,
        on_event: Callable[[ev.Event], None],
        *,
        is_loopback_only: bool,
        is_lagging: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._factory = factory
        self._on_event = on_event
        self._is_loopback_only = is_loopback_only
        self._is_lagging = is_lagging
        """Whether nobody should send more at the moment."""
        self._lines: dict[str, _Line] = {}
        self.received_bytes = 0
        self._log = get_logger("agent")

    def ask(self, order: act.AskNeighbour) -> None:
        """Ask a neighbour for a blob, over the connection that there is or a new one."""
        agent, hello = order.neighbour.agent, order.session.hello
        self._log.debug("neighbour asked", agent=agent, blob=order.digest, offset=order.offset)
        message = NeighbourRequest(
            request=order.request,
            session=order.session.id,
            digest=order.digest,
            offset=order.offset,
            proof=prove(hello.ticket, agent, order.digest, order.offset),
        )
        line = self._lines.get(agent)
        if line is None:
            if len(self._lines) >= MAX_NEIGHBOURS_ASKED:
                self._on_event(ev.NeighbourLost(agent, "too many connections to neighbours"))
                return
            line = self._lines[agent] = _Line(order.neighbour)
        line.requests[order.request] = message
        line.idle_at = None
        if line.socket is not None:
            self._send(line, message)
        elif line.seeker is None:
            self._seek(line)

    def leave(self, order: act.LeaveNeighbour) -> None:
        """Want no more of a request."""
        line = self._lines.get(order.agent)
        if line is None or line.requests.pop(order.request, None) is None:
            return
        self._log.debug("neighbour not needed", agent=order.agent, request=order.request)
        if line.socket is not None:
            self._send(line, NeighbourDone(request=order.request))
        if not line.requests:
            line.idle_at = self._clock.now() + (IDLE_S if line.socket is not None else 0.0)

    def close(self) -> None:
        """Let go of all connections. Twice is harmless."""
        for line in list(self._lines.values()):
            self._drop(line)

    # -- the loop's handler

    def tick(self, now: float) -> None:
        """Close what is idle; try again where nobody answers."""
        for line in list(self._lines.values()):
            if line.idle_at is not None and now >= line.idle_at:
                self._drop(line)
            elif line.seeker is not None and now >= line.seek_again_at:
                self._seek(line)

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted."""
        deadline: float | None = None
        for line in self._lines.values():
            for at in (line.idle_at, line.seek_again_at if line.seeker is not None else None):
                if at is not None and (deadline is None or at < deadline):
                    deadline = at
        return deadline

    def flush(self) -> None:
        """Send the credits that are due."""
        if not self._lines or self._is_lagging():
            return
        for line in self._lines.values():
            if line.socket is not None and (due := line.inbox.credit_due()) is not None:
                send_message(line.socket, pack_credit(due))

    # -- connecting

    def _seek(self, line: _Line) -> None:
        if line.seeker is not None:
            line.seeker.close()
        now = self._clock.now()
        line.seek_again_at = now + SEEK_AGAIN_S
        addresses = line.neighbour.addresses
        if self._is_loopback_only:
            addresses = tuple(each for each in addresses if is_loopback(each.host))
        line.seeker = Seeker(
            self._loop,
            line.neighbour,
            now,
            partial(self._found, line),
            partial(self._not_found, line),
        )
        line.seeker.start(self._factory, addresses)

    def _found(self, line: _Line, proved: Proved) -> None:
        line.seeker = None
        socket = proved.socket
        line.socket = socket
        self._loop.register(socket, partial(self._read, line))
        for message in line.requests.values():
            self._send(line, message)

    def _not_found(self, line: _Line, why: str) -> None:
        self._lose(line, why)

    def _lose(self, line: _Line, why: str) -> None:
        agent = line.neighbour.agent
        self._log.info("neighbour left", agent=agent, why=why)
        self._drop(line)
        self._on_event(ev.NeighbourLost(agent, why))

    def _drop(self, line: _Line) -> None:
        if line.seeker is not None:
            line.seeker.close()
            line.seeker = None
        if line.socket is not None:
            self._loop.unregister(line.socket)
            line.socket.close()
            line.socket = None
        if self._lines.get(line.neighbour.agent) is line:
            del self._lines[line.neighbour.agent]

    # -- messages

    def _send(self, line: _Line, document: Document) -> None:
        assert line.socket is not None
        send_message(line.socket, pack_document(document))  # one that is lost shows as silence

    def _read(self, line: _Line) -> None:
        for _ in range(MESSAGES_PER_TURN):
            if line.socket is None:  # left upon what came before
                return
            message = receive_message(line.socket, is_router=False)
            if message is None:
                return
            try:
                self._take(line, message.header, message.payload)
            except ProtocolError as error:
                self._lose(line, str(error))
                return

    def _take(self, line: _Line, header: bytes, payload: Buffer) -> None:
        agent = line.neighbour.agent
        if header and header[0] == _CHUNK:
            chunk = unpack_chunk(header, payload)
            line.inbox.take(chunk)  # the core knows what is expected; here it counts for the credit
            self.received_bytes += len(chunk.payload)
            if chunk.of == _BLOB and chunk.id in line.requests:
                event = ev.NeighbourChunkReceived(agent, chunk.id, chunk.offset, chunk.payload)
                self._on_event(event)
            return
        match read_document(header):
            case BlobAnswer() as answer:
                if answer.request in line.requests:
                    if not answer.found:
                        self._log.debug("neighbour does not serve", agent=agent, why=answer.text)
                    self._on_event(ev.NeighbourAnswered(agent, answer))
            case Refusal(text=text):
                self._lose(line, text)
            case _:
                pass  # late or unknown: ordinary
