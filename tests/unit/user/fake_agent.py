"""An agent of few words: speaks the protocol over a real socket, runs functions of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.ids import new_boot_id
from hxgrid.transport.flow import Finished, Inbox, Outbox
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory, receive_message, send_message
from hxgrid.wire import batches
from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.documents import pack_document, pack_reason, read_document
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import (
    AttemptFlag,
    Batch,
    BlobAnswer,
    BlobRequest,
    CancelAll,
    Capabilities,
    ChunkOf,
    DataAnswer,
    DataRequest,
    Document,
    Ended,
    ForgetData,
    FunctionOffer,
    Goodbye,
    Hello,
    Load,
    NetworkAddress,
    Outcome,
    Reason,
    RosterEntry,
    Welcome,
    WhoAreYou,
)

Work = Callable[[str, bytes], bytes | Reason | None]
"""Gets the function's name and the input; gives the output, a failure, or None for no answer."""

CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.7",
    processors=2,
    memory_bytes=8 << 30,
)
LOAD = Load(free_cpu=2.0, free_memory_bytes=4 << 30)


class FakeAgent:
    """Answers each attempt with what `work` gives; None leaves it unanswered."""

    def __init__(self, work: Work, *, slots: int = 2) -> None:
        self.boot_id = new_boot_id()
        self.slots = slots
        self.work = work
        self.hellos: list[Hello] = []
        self.offers: dict[int, FunctionOffer] = {}
        self.offer_count = 0
        self.batch_sizes: list[int] = []
        self.attempts: list[AttemptRecord] = []
        self.acknowledged: list[Key] = []
        self.cancelled: list[Key] = []
        self.documents: list[Document] = []
        self.blobs: dict[int, tuple[BlobAnswer, bytearray]] = {}
        self.is_mute = False
        self.takes_chunks = True
        self.held: dict[Key, AttemptRecord] = {}
        self._unacknowledged: dict[Key, ResultRecord] = {}
        self._user: bytes | None = None
        self._context: zmq.Context[Any] = zmq.Context()
        self._loop = Loop(MonotonicClock(), "fake agent")
        factory = SocketFactory(self._context, Security(trust_network=True))
        self._socket, self.port = factory.router("127.0.0.1", 0)
        self._loop.register(self._socket, self._on_readable)
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._results: list[ResultRecord] = []
        self._waiting: dict[Key, tuple[AttemptRecord, bytearray]] = {}
        self._thread = threading.Thread(target=lambda: self._loop.run(self), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.stop()
        self._thread.join()
        self._loop.close()
        self._context.destroy(linger=0)

    @property
    def entry(self) -> RosterEntry:
        return RosterEntry(
            agent=self.boot_id,
            name="fake",
            addresses=(NetworkAddress(host="127.0.0.1", port=self.port),),
            slots=self.slots,
            capabilities=CAPABILITIES,
        )

    def do(self, command: Callable[[], object]) -> None:
        """Run something on the agent's own thread."""
        self._loop.call_soon_threadsafe(lambda: (command(), None)[1])

    def forget_connection(self) -> None:
        """As if the connection had been renewed: the next message comes from a stranger."""

        def forget() -> None:
            self._user = None

        self.do(forget)

    def say(self, document: Document) -> None:
        self.do(lambda: self._send(pack_document(document)))

    def is_waiting_for_blob(self, request: int) -> bool:
        """Tell whether chunks of a blob are still missing."""
        return self._inbox.expects(ChunkOf.BLOB, request, 0)

    def end(self, key: Key, outcome: Outcome, payload: bytes = b"") -> None:
        """End an attempt that is held."""
        self.do(lambda: self._end(self.held[key], outcome, payload))

    # -- the loop's handler

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        if self._user is None:
            return
        if self._results:
            results, self._results = self._results, []
            for part in batches.split_batches(results):
                self._send(batches.pack_results(7, part))
        for chunk in self._outbox.next_chunks(time.monotonic()):
            self._send(batches.pack_chunk(chunk))
        credit = self._inbox.credit_due()
        if credit is not None:
            self._send(batches.pack_credit(credit))

    # -- inside

    def _send(self, frames: Any, to: bytes | None = None) -> None:
        target = to or self._user
        if target is not None:
            send_message(self._socket, frames, target)

    def _on_readable(self) -> None:
        while (message := receive_message(self._socket, is_router=True)) is not None:
            if self.is_mute:
                continue
            header, payload, sender = message.header, message.payload, message.sender
            number = header[0]
            if number >= 32:
                self._take_document(sender, header)
            elif number == Batch.PING:
                self._send(batches.pack_pong(batches.unpack_ping(header), time.monotonic()), sender)
            elif sender != self._user:
                self._send(pack_document(WhoAreYou(boot_id=self.boot_id)), sender)
            else:
                self._take_batch(number, header, payload)

    def _take_document(self, sender: bytes, header: bytes) -> None:
        document = read_document(header)
        match document:
            case Hello():
                self._welcome(sender, document)
            case FunctionOffer():
                self.offers[document.function] = document
                self.offer_count += 1
            case CancelAll():
                for record in list(self.held.values()):
                    self._end(record, Outcome.CANCELLED)
                self.flush()
                self._send(pack_document(Ended(session=document.session, request=document.request)))
            case Goodbye():
                self.documents.append(document)
                self._send(pack_document(Ended(session=document.session)))
            case BlobAnswer():
                self.blobs[document.request] = (document, bytearray(document.bytes))
                if document.bytes:
                    self._inbox.expect(
                        ChunkOf.BLOB,
                        document.request,
                        0,
                        document.bytes,
                        self.blobs[document.request][1],
                    )
            case DataAnswer() | ForgetData():
                self.documents.append(document)
            case _:
                raise AssertionError(document)

    def _welcome(self, sender: bytes, hello: Hello) -> None:
        is_resumed = bool(self.hellos)
        self.hellos.append(hello)
        self._user = sender
        self._inbox, self._outbox = Inbox(), Outbox()
        self._send(
            pack_document(
                Welcome(
                    boot_id=self.boot_id,
                    agent_name="fake",
                    handle=7,
                    resumed=is_resumed,
                    slots=self.slots,
                    capabilities=CAPABILITIES,
                    load=LOAD,
                )
            )
        )
        if is_resumed:
            self._waiting.clear()
            keys = [*self.held, *self._unacknowledged]
            self._send(batches.pack_keys(Batch.HOLDINGS, 7, keys))
            for record in self._unacknowledged.values():
                self._queue(record)

    def _take_batch(self, number: int, header: bytes, payload: Any) -> None:
        match number:
            case Batch.ATTEMPTS:
                _, records = batches.unpack_attempts(header)
                self.batch_sizes.append(len(records))
                for record in records:
                    self._take_attempt(record)
            case Batch.CANCEL:
                for key in batches.unpack_keys(header)[1]:
                    self.cancelled.append(key)
                    if key in self.held:
                        self._end(self.held[key], Outcome.CANCELLED)
            case Batch.RECALL:
                pass
            case Batch.ACKNOWLEDGE:
                for key in batches.unpack_keys(header)[1]:
                    self.acknowledged.append(key)
                    self._unacknowledged.pop(key, None)
            case Batch.CHUNK:
                self._take_chunk(header, payload)
            case Batch.CREDIT:
                self._outbox.credit(batches.unpack_credit(header), time.monotonic())
            case _:
                raise AssertionError(number)

    def _take_attempt(self, record: AttemptRecord) -> None:
        key = (record.task, record.attempt)
        self.held[key] = record
        if record.flags & AttemptFlag.CHUNKED:
            into = bytearray(record.stored_bytes)
            self._waiting[key] = (record, into)
            self._inbox.expect(ChunkOf.INPUT, *key, record.stored_bytes, into)
        else:
            self._run(record)

    def _take_chunk(self, header: bytes, payload: Any) -> None:
        if self.takes_chunks:
            finished = self._inbox.take(batches.unpack_chunk(header, payload))
            if finished is not None:
                self._take_whole(finished)

    def _take_whole(self, finished: Finished) -> None:
        if finished.of == ChunkOf.INPUT:
            record, into = self._waiting.pop((finished.id, finished.attempt))
            self._run(record._replace(payload=bytes(into)))

    def _run(self, record: AttemptRecord) -> None:
        self.attempts.append(record)
        offer = self.offers[record.function]
        output = self.work(offer.entry, bytes(record.payload))
        if isinstance(output, Reason):
            self._end(record, Outcome.FAILED, pack_reason(output))
        elif output is not None:
            self._end(record, Outcome.DONE, output)

    def _end(self, record: AttemptRecord, outcome: Outcome, payload: bytes = b"") -> None:
        key = (record.task, record.attempt)
        self.held.pop(key, None)
        now = time.monotonic()
        size = len(payload)
        result = ResultRecord(*key, int(outcome), 0, 0, size, size, now, now, payload)
        self._unacknowledged[key] = result
        self._queue(result)

    def _queue(self, result: ResultRecord) -> None:
        if result.stored_bytes <= SMALL_PAYLOAD_BYTES:
            self._results.append(result)
            return
        self._outbox.add_transfer(ChunkOf.RESULT, 7, result.task, result.attempt, result.payload)
        self._results.append(result._replace(flags=int(AttemptFlag.CHUNKED), payload=b""))


def ask_blob(digest: str, ticket: str, request: int = 1, offset: int = 0) -> BlobRequest:
    return BlobRequest(request=request, digest=digest, ticket=ticket, offset=offset)


def ask_data(name: str, request: int = 1) -> DataRequest:
    return DataRequest(request=request, name=name)
