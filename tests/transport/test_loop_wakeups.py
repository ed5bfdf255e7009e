"""No message is left lying: the loop's sleep ends for each of them, however the sockets are used.

Two loops in two threads send numbered messages to each other over several sockets, in callbacks, in
`flush`, by commands of a third thread, in bursts, and read them in bites. Some message is always on
its way, and the net of the loop (looking at all sockets now and then) is off, so a loop that sleeps
its time out has lost a wakeup.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator

import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import (
    LOOPBACK,
    Context,
    Socket,
    SocketFactory,
    receive_message,
    send_message,
)
from hxgrid.transport.watching import make_socket
from tests.harness.wait import Stopwatch, wait_until

SLEEP_S = 20.0
LIMIT_S = 120.0
SOCKETS = 4


class Party:
    """One loop, its sockets, and the habit of answering every message once, somehow."""

    def __init__(self, seed: int, stop_after: int) -> None:
        self.loop = Loop(MonotonicClock(), f"party {seed}")
        self.loop.look_at_all_s = 1e9  # nothing catches what is lost
        self.received = 0
        self.slept_out = 0
        self._chance = random.Random(seed)
        self._stop_after = stop_after
        self._later: deque[tuple[Socket, bytes | None]] = deque()

    def add(self, socket: Socket, *, is_router: bool) -> None:
        self.loop.register(socket, lambda: self._on_readable(socket, is_router))

    def _on_readable(self, socket: Socket, is_router: bool) -> None:
        for _ in range(self._chance.choice((1, 1, 2, 8, 100))):
            message = receive_message(socket, is_router=is_router)
            if message is None:
                return
            self.received += 1
            self._answer(socket, message.sender if is_router else None)

    def _answer(self, socket: Socket, to: bytes | None) -> None:
        way = self._chance.randrange(4)
        if way == 0:
            self._send(socket, to)
        elif way == 1:
            self._later.append((socket, to))
        elif way == 2:
            self.loop.call_soon_threadsafe(lambda: self._send(socket, to))
        else:
            threading.Thread(
                target=self.loop.call_soon_threadsafe, args=(lambda: self._send(socket, to),)
            ).start()

    def _send(self, socket: Socket, to: bytes | None) -> None:
        if self.received < self._stop_after:
            assert send_message(socket, [b"\0header", b"payload"], to=to)

    def close(self, *sockets: Socket) -> None:
        for socket in sockets:
            self.loop.unregister(socket)
            socket.close(0)
        self.loop.close()

    # -- the loop's handler

    def tick(self, now: float) -> None:
        raise AssertionError("no deadline was given")

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        while self._later:
            self._send(*self._later.popleft())

    def run(self) -> None:
        while self.received < self._stop_after:
            watch = Stopwatch()
            self.loop.turn(self, longest_s=SLEEP_S)
            self.slept_out += watch.elapsed_s() >= SLEEP_S - 1.0


@pytest.fixture
def context() -> Iterator[Context]:
    made: Context = zmq.Context()
    yield made
    made.destroy(linger=0)


def exchange(context: Context, seed: int, count: int) -> None:
    """Let two parties exchange so many messages, or more; fails if one oversleeps."""
    factory = SocketFactory(context, Security(trust_network=True))
    one, two = Party(seed, count), Party(seed + 1000, count)
    dealers = []
    for _ in range(SOCKETS):
        router, port = factory.router(LOOPBACK, None)
        dealer = factory.dealer(LOOPBACK, port)
        assert dealer.poll(10_000, zmq.POLLOUT)
        one.add(router, is_router=True)
        two.add(dealer, is_router=False)
        dealers.append(dealer)
    for dealer in dealers:
        two.loop.call_soon_threadsafe(lambda dealer=dealer: two._send(dealer, None))  # type: ignore[misc]
    threads = [threading.Thread(target=party.run, daemon=True) for party in (one, two)]
    for thread in threads:
        thread.start()
    wait_until(lambda: one.received >= count or two.received >= count, LIMIT_S, "the messages")
    one.loop.call_soon_threadsafe(lambda: setattr(one, "received", count))
    two.loop.call_soon_threadsafe(lambda: setattr(two, "received", count))
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert (one.slept_out, two.slept_out) == (0, 0)
    one.loop.close()
    two.loop.close()


@pytest.mark.parametrize("seed", range(3))
def test_no_wakeup_is_lost(context: Context, seed: int) -> None:
    exchange(context, seed, 500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_no_wakeup_is_lost_in_many_exchanges(context: Context, seed: int) -> None:
    exchange(context, seed, 10_000)


def test_what_is_left_after_one_bite_is_taken_in_the_next_turn(context: Context) -> None:
    party = Party(1, 10)
    ours, theirs = make_socket(context, zmq.PAIR), make_socket(context, zmq.PAIR)
    ours.bind("inproc://bites")
    theirs.connect("inproc://bites")
    taken: list[bytes] = []
    party.loop.register(ours, lambda: taken.append(ours.recv(zmq.NOBLOCK)))
    for number in range(5):
        theirs.send(bytes([number]))
    for _ in range(5):
        party.loop.turn(party, longest_s=SLEEP_S)
    assert taken == [bytes([number]) for number in range(5)]
    party.close(ours, theirs)


def test_a_touched_socket_is_looked_into_although_its_signal_is_down(context: Context) -> None:
    party = Party(1, 10)
    ours, theirs = make_socket(context, zmq.PAIR), make_socket(context, zmq.PAIR)
    ours.bind("inproc://touched")
    theirs.connect("inproc://touched")
    taken: list[bytes] = []
    party.loop.register(ours, lambda: taken.append(ours.recv(zmq.NOBLOCK)))
    theirs.send(b"x")
    party.loop.turn(party, longest_s=0)
    assert taken == [b"x"]
    party.loop.turn(party, longest_s=0)
    theirs.send(b"y")
    assert ours.getsockopt(zmq.EVENTS) == zmq.POLLIN | zmq.POLLOUT  # lowers the signal
    ours.touch()
    party.loop.turn(party, longest_s=0)
    assert taken == [b"x", b"y"]
    party.close(ours, theirs)


def test_a_socket_that_was_closed_without_a_word_is_forgotten(context: Context) -> None:
    party = Party(1, 10)
    ours = make_socket(context, zmq.PAIR)
    party.loop.register(ours, lambda: None)
    ours.close()
    party.loop.turn(party, longest_s=0)
    assert party.loop.error_count == 1
    party.loop.turn(party, longest_s=0)
    assert party.loop.error_count == 1
    party.loop.close()
