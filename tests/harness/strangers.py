"""Peers that speak the protocol well, but another version of it.

They use plain pyzmq and JSON written by hand, so that they stay strangers however the product's own
wire code changes.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Self

import zmq

ANOTHER_MAJOR = 99
BOOT_ID = "ab" * 16

HELLO, REFUSAL = 32, 35
AGENT_STATUS, STATUS_RECEIVED, ROSTER_REQUEST, ROSTER = 48, 49, 50, 51

CAPABILITIES = {
    "platform": "linux",
    "machine": "x86_64",
    "python_implementation": "cpython",
    "python_version": "3.11.0",
    "processors": 1,
    "memory_bytes": 1 << 30,
}


def frame(number: int, **fields: Any) -> bytes:
    """One document: the number of the message, then its JSON."""
    return bytes([number]) + json.dumps(fields).encode()


def read_frame(data: bytes) -> tuple[int, dict[str, Any]]:
    """The number and the fields of a document."""
    return data[0], json.loads(data[1:])


class OtherVersionCoordinator:
    """A coordinator of another protocol version on a free loopback port; use it with `with`."""

    def __init__(self, major: int = ANOTHER_MAJOR) -> None:
        self.port = 0
        self.heard: list[int] = []  # numbers of the messages that arrived
        self._protocol = {"major": major, "minor": 0}
        self._context = zmq.Context()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="stranger", daemon=True)
        self._is_bound = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_bound.wait(10), "the stranger did not bind"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._context.term()

    def _serve(self) -> None:
        with self._context.socket(zmq.ROUTER) as router:
            router.setsockopt(zmq.LINGER, 0)
            self.port = router.bind_to_random_port("tcp://127.0.0.1")
            self._is_bound.set()
            while not self._stop.is_set():
                if router.poll(50):
                    peer, *frames = router.recv_multipart()
                    self.heard.append(frames[0][0])
                    router.send_multipart([peer, self._answer(frames[0][0])])

    def _answer(self, number: int) -> bytes:
        if number == ROSTER_REQUEST:
            return frame(ROSTER, protocol=self._protocol, boot_id=BOOT_ID, version=1, whole=True)
        return frame(STATUS_RECEIVED, protocol=self._protocol, boot_id=BOOT_ID)


def ask(
    address: tuple[str, int], document: bytes, *, limit_s: float = 10
) -> tuple[int, dict[str, Any]] | None:
    """Send one document as a stranger and return the answer, or None if there was none in time."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(f"tcp://{address[0]}:{address[1]}")
        dealer.send(document)
        if not dealer.poll(int(limit_s * 1000)):
            return None
        return read_frame(dealer.recv_multipart()[0])


def hello(major: int = ANOTHER_MAJOR) -> bytes:
    """What a user of another version says first to an agent."""
    return frame(HELLO, protocol={"major": major, "minor": 0}, session="cd" * 16, ticket="ef" * 16)


def agent_status(major: int = ANOTHER_MAJOR) -> bytes:
    """What an agent of another version tells a coordinator."""
    return frame(
        AGENT_STATUS,
        protocol={"major": major, "minor": 0},
        agent=BOOT_ID,
        name="stranger",
        addresses=[{"host": "127.0.0.1", "port": 4102}],
        slots=1,
        free_cpu=1.0,
        own_cpu=0.0,
        free_memory_bytes=1 << 30,
        capabilities=CAPABILITIES,
    )
