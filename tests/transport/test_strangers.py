"""What whoever has not introduced himself may send, and what becomes of him after that."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.transport.connections import STRANGERS_BYTES, ConnectionCap
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import (
    Context,
    SocketFactory,
    peer_handle,
    receive_message,
    send_message,
)
from tests.harness.peers import open_silent_connections, send_endless_message
from tests.harness.wait import wait_until

# Gigabytes go through loopback here.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LIMIT_S = 200.0

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells what a connection has received"
)


class Room:
    """A listening socket and its watch, turned by hand."""

    def __init__(self) -> None:
        self.context: Context = zmq.Context()
        self.loop = Loop(MonotonicClock(), "test")
        self.factory = SocketFactory(self.context, Security(trust_network=True))
        self.router, self.port = self.factory.router("127.0.0.1", None)
        self.cap = ConnectionCap(self.loop, self.router, 10)
        self.cap.open()
        self.received = 0

    def tick(self, now: float) -> None:
        self.cap.tick(now)

    def next_deadline(self) -> float | None:
        return self.cap.next_deadline()

    def flush(self) -> None:
        pass

    def turn_until(self, condition: Callable[[], object], what: str) -> None:
        def turn() -> object:
            self.loop.turn(self, 0.05)
            return condition()

        wait_until(turn, LIMIT_S, what)

    def close(self) -> None:
        self.cap.close()
        self.loop.close()
        self.context.destroy(linger=0)
        assert self.loop.error_count == 0


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    yield made
    made.close()


@linux_only
def test_a_message_that_never_ends_is_ended(room: Room) -> None:
    before = psutil.Process().memory_info().rss
    sent: list[int] = []

    def flood() -> None:
        sent.append(send_endless_message(("127.0.0.1", room.port), limit_bytes=4 << 30))

    flooding = threading.Thread(target=flood)
    flooding.start()
    room.turn_until(lambda: sent, "the flood to be ended")
    flooding.join()
    assert STRANGERS_BYTES < sent[0] < 2 << 30
    assert room.cap.hung_up_count == 1
    room.turn_until(lambda: room.cap.count == 0, "the connection to be gone")
    after = psutil.Process().memory_info().rss
    assert after - before < 500 << 20


@linux_only
def test_who_was_introduced_may_send_as_much_as_he_likes(room: Room) -> None:
    dealer = room.factory.dealer("127.0.0.1", room.port)
    room.turn_until(lambda: send_message(dealer, [b"hello"]), "a connection")

    def take() -> bool:
        while (received := receive_message(room.router, is_router=True)) is not None:
            room.cap.introduce(peer_handle(received))
            room.received += len(received.header)
        return room.received > 2 * STRANGERS_BYTES

    room.turn_until(lambda: take() or room.received, "the introduction")
    block = bytes(1 << 20)
    room.turn_until(lambda: send_message(dealer, [block]) and take(), "all of it")
    assert room.cap.hung_up_count == 0
    assert room.cap.next_deadline() is None
    dealer.close(0)


@linux_only
def test_of_several_strangers_the_loudest_goes(room: Room) -> None:
    quiet = open_silent_connections(("127.0.0.1", room.port), 3)
    room.turn_until(lambda: room.cap.count == 3, "three connections")
    send: list[int] = []
    flooding = threading.Thread(
        target=lambda: send.append(
            send_endless_message(("127.0.0.1", room.port), limit_bytes=4 << 30)
        )
    )
    flooding.start()
    room.turn_until(lambda: send and room.cap.count == 3, "the flood to be ended")
    flooding.join()
    assert room.cap.hung_up_count == 1
    for one in quiet:
        one.close()


def test_nobody_is_watched_when_nobody_is_there(room: Room) -> None:
    assert room.cap.next_deadline() is None
    (silent,) = open_silent_connections(("127.0.0.1", room.port), 1)
    room.turn_until(lambda: room.cap.count == 1, "a connection")
    silent.close()
    room.turn_until(lambda: room.cap.count == 0, "its end")
    assert room.cap.next_deadline() is None
