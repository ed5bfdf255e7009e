"""A coordinator that gives out the roster of the test."""

from __future__ import annotations

import threading
from typing import Any, Self

import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.ids import new_boot_id
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory, receive_message, send_message
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import Document, Protocol, Refusal, Roster, RosterEntry, RosterRequest


class FakeCoordinator:
    """Answers each `RosterRequest` with the whole roster, or with `refusal`."""

    def __init__(self, entries: list[RosterEntry], *, grid: str = "test", port: int = 0) -> None:
        self.entries = entries
        self.grid = grid
        self.boot_id = new_boot_id()
        self.protocol = Protocol()
        self.refusal: Refusal | None = None
        self.parts = 1
        self.requests: list[RosterRequest] = []
        self._context: zmq.Context[Any] = zmq.Context()
        self._loop = Loop(MonotonicClock(), "fake coordinator")
        factory = SocketFactory(self._context, Security(trust_network=True))
        self._socket, self.port = factory.router("127.0.0.1", port)
        self._loop.register(self._socket, self._on_readable)
        self._thread = threading.Thread(target=lambda: self._loop.run(self), daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.stop()
        self._thread.join()
        self._loop.close()
        self._context.destroy(linger=0)

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        """Everything is answered at once."""

    def _on_readable(self) -> None:
        while (message := receive_message(self._socket, is_router=True)) is not None:
            document = read_document(message.header)
            if isinstance(document, RosterRequest):
                self.requests.append(document)
                for answer in self._answers():
                    send_message(self._socket, pack_document(answer), message.sender)

    def _answers(self) -> list[Document]:
        if self.refusal is not None:
            return [self.refusal]
        size = -(-len(self.entries) // self.parts) if self.entries else 0
        return [
            Roster(
                protocol=self.protocol,
                boot_id=self.boot_id,
                grid=self.grid,
                version=1,
                whole=True,
                more=number < self.parts - 1,
                agents=tuple(self.entries[number * size : (number + 1) * size]),
            )
            for number in range(self.parts)
        ]
