"""A running agent in a thread of the test, and a user that speaks the protocol by hand."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any, Self, TypeVar

import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.ids import new_session_id, new_ticket
from hxgrid.settings import AgentSettings
from hxgrid.streams.digests import ChunkHasher
from hxgrid.transport.flow import Inbox, Outbox
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory, receive_message, send_message
from hxgrid.wire.batches import (
    AttemptRecord,
    Key,
    ResultRecord,
    pack_attempts,
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
from hxgrid.wire.messages import (
    Batch,
    BlobAnswer,
    BlobRequest,
    ChunkOf,
    Document,
    FileEntry,
    FunctionOffer,
    Goodbye,
    Hello,
    Welcome,
)
from hxgrid_agent.driver import AgentDriver
from tests.harness.wait import wait_until
from tests.unit.proving import prove_by_hand

D = TypeVar("D", bound=Document)
LIMIT_S = 60.0


class LiveAgent:
    """An agent whose loop runs in a thread; `with` starts and ends it."""

    def __init__(
        self, folder: Path, *, token: str = "", security: Security | None = None, **settings: Any
    ) -> None:
        values: dict[str, Any] = {
            "slots": 1,
            "port": 0,
            "suspend_s": 0.0,
            "work_folder": folder / "work",
            "store_folder": folder / "store",
        }
        self.folder = folder
        self.settings = AgentSettings(**{**values, **settings})
        self.security = security or Security(token=token or "t" * 64)
        self.driver = AgentDriver(self.settings, self.security, MonotonicClock(), is_embedded=True)
        self._is_open = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="live-agent")

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_open.wait(LIMIT_S)
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.stop()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        assert self.driver.loop.error_count == 0

    def _run(self) -> None:
        try:
            self.driver.open()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self._problem = error
            self.driver.close()
            return
        finally:
            self._is_open.set()
        self.driver.run()
        self.driver.close()


class HandUser:
    """Speaks with one agent; `pump` takes in what has come until a condition holds."""

    def __init__(self, agent: LiveAgent, **hello: Any) -> None:
        self.agent = agent
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.session = new_session_id()
        self.hello_fields = {"cancel_grace_s": 0.5, **hello}
        self.ticket = new_ticket()
        self.handle = 0
        self.results: dict[Key, ResultRecord] = {}
        self.outputs: dict[Key, bytes] = {}
        self.holdings: list[Key] = []
        self.documents: list[Document] = []
        self.blobs: dict[str, bytes] = {}
        self.pong_count = 0
        self._incoming: dict[Key, bytearray] = {}
        self.connect()

    def connect(self) -> None:
        factory = SocketFactory(self.context, self.agent.security)
        self.socket = factory.dealer("127.0.0.1", self.agent.driver.port)
        self.inbox = Inbox()
        self.outbox = Outbox()
        assert self.socket.poll(int(LIMIT_S * 1000), zmq.POLLOUT)
        port = self.agent.driver.port
        proof = prove_by_hand(self.socket, self.agent.security, "agent", "127.0.0.1", port)
        self.hello_fields.setdefault("proof", proof)
        if self.hello_fields["proof"] is not None:
            self.hello_fields["proof"] = proof

    def __enter__(self) -> Self:
        self.hello()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close(0)
        self.context.term()

    def hello(self) -> Welcome:
        self.say(Hello(session=self.session, ticket=self.ticket, **self.hello_fields))
        welcome = self.wait_for(Welcome)
        self.handle = welcome.handle
        return welcome

    def say(self, document: Document) -> None:
        self.send(pack_document(document))

    def send(self, frames: Any) -> None:
        assert send_message(self.socket, frames)

    def ping(self) -> None:
        before = self.pong_count
        self.send(pack_ping(1.5))
        self.pump(lambda: self.pong_count > before, "a PONG")

    def offer_module(self, source: str, function: int = 1, **fields: Any) -> None:
        content = source.encode()
        entry = FileEntry(path="module.py", digest=self.blob(content), bytes=len(content))
        offer = FunctionOffer(
            function=function, kind="module", entry="run_task", files=(entry,), label="test"
        )
        self.say(offer.model_copy(update=fields))

    def blob(self, content: bytes) -> str:
        hasher = ChunkHasher()
        hasher.update(content)
        digest = hasher.result().digest
        self.blobs[digest] = content
        return digest

    def place(self, *tasks: int, payload: bytes = b"x", function: int = 1) -> None:
        size = len(payload)
        records = [AttemptRecord(t, 1, 0, function, size, size, payload) for t in tasks]
        self.send(pack_attempts(self.handle, records))

    def place_large(self, task: int, payload: bytes, function: int = 1) -> None:
        size = len(payload)
        record = AttemptRecord(task, 1, 2, function, size, size, b"")
        self.send(pack_attempts(self.handle, [record]))
        self.outbox.add_transfer(int(ChunkOf.INPUT), self.handle, task, 1, payload)

    def keys(self, batch: Batch, *tasks: int) -> None:
        self.send(pack_keys(batch, self.handle, [(task, 1) for task in tasks]))

    def result(self, task: int) -> ResultRecord:
        self.pump(lambda: self._is_whole((task, 1)), f"the result of task {task}")
        return self.results[task, 1]

    def output(self, task: int) -> bytes:
        record = self.result(task)
        return self.outputs.get((task, 1)) or bytes(record.payload)

    def wait_for(self, kind: type[D]) -> D:
        def found() -> D | None:
            return next((d for d in self.documents if isinstance(d, kind)), None)

        document = self.pump(found, kind.__name__)
        assert isinstance(document, kind)
        self.documents.remove(document)
        return document

    def goodbye(self) -> None:
        self.say(Goodbye(session=self.session))

    def pump(self, condition: Any, what: str) -> Any:
        def turn() -> Any:
            # As long as something comes, the pauses of `wait_until` would only slow it down.
            while not (met := condition()) and self.socket.poll(20):
                self._turn()
            self._turn()
            return met

        return wait_until(turn, LIMIT_S, what, seen=lambda: (self.results, self.documents))

    def _turn(self) -> None:
        while (received := receive_message(self.socket, is_router=False)) is not None:
            self._take(received.header, received.payload)
        for chunk in self.outbox.next_chunks(MonotonicClock().now()):
            self.send(pack_chunk(chunk))
        due = self.inbox.credit_due()
        if due is not None:
            self.send(pack_credit(due))

    def _is_whole(self, key: Key) -> bool:
        record = self.results.get(key)
        return record is not None and (not record.flags & 2 or key in self.outputs)

    def _take(self, header: bytes, payload: Any) -> None:
        match header[0]:
            case Batch.RESULTS:
                for record in unpack_results(header)[1]:
                    key = (record.task, record.attempt)
                    self.results[key] = record
                    if record.flags & 2:
                        into = self._incoming[key] = bytearray(record.stored_bytes)
                        size = record.stored_bytes
                        self.inbox.expect(int(ChunkOf.RESULT), *key, size, into)
            case Batch.CHUNK:
                finished = self.inbox.take(unpack_chunk(header, payload))
                if finished is not None:
                    key = (finished.id, finished.attempt)
                    self.outputs[key] = bytes(self._incoming.pop(key))
            case Batch.CREDIT:
                self.outbox.credit(unpack_credit(header), MonotonicClock().now())
            case Batch.HOLDINGS:
                self.holdings = unpack_keys(header)[1]
            case Batch.PONG:
                assert unpack_pong(header)[0] == 1.5
                self.pong_count += 1
            case _:
                document = read_document(header)
                assert document is not None
                if isinstance(document, BlobRequest):
                    self._serve(document)
                else:
                    self.documents.append(document)

    def _serve(self, request: BlobRequest) -> None:
        content = self.blobs.get(request.digest)
        if content is None:
            self.say(BlobAnswer(request=request.request, found=False, text="no such blob"))
            return
        self.say(BlobAnswer(request=request.request, found=True, bytes=len(content)))
        if content:
            blob = int(ChunkOf.BLOB)
            self.outbox.add_transfer(
                blob, self.handle, request.request, 0, content, offset=request.offset
            )


def digest(content: bytes) -> str:
    """For comparing outputs without printing them."""
    return hashlib.sha256(content).hexdigest()
