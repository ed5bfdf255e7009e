"""The loop: order of a turn, wakeups from other threads, survival."""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.testing.clock import VirtualClock
from hxgrid.transport.loop import Loop
from tests.harness.wait import Stopwatch


class Handler:
    """Notes what the loop calls."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self.ticks: list[float] = []
        self.flush_count = 0

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        self.deadline = None

    def next_deadline(self) -> float | None:
        return self.deadline

    def flush(self) -> None:
        self.flush_count += 1


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(MonotonicClock(), "test")
    yield made
    made.close()
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_a_readable_socket_is_called_back_and_then_flush(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    handler, seen = Handler(), list[bytes]()
    loop.register(pair[0], lambda: seen.append(pair[0].recv(10)))
    pair[1].send(b"x")
    loop.turn(handler)
    assert seen == [b"x"]
    assert handler.flush_count == 1


def test_a_zmq_socket_is_called_back(loop: Loop) -> None:
    seen: list[bytes] = []
    with zmq.Context() as context, context.socket(zmq.PAIR) as one, context.socket(zmq.PAIR) as two:
        one.bind("inproc://x")
        two.connect("inproc://x")
        loop.register(one, lambda: seen.append(one.recv()))
        two.send(b"x")
        loop.turn(Handler())
        loop.unregister(one)
    assert seen == [b"x"]


def test_writable_is_called_back_until_it_is_no_longer_wanted(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    count = 0

    def write() -> None:
        nonlocal count
        count += 1

    loop.register(pair[0], None, on_writable=write)
    loop.turn(Handler())
    loop.turn(Handler())
    loop.modify(pair[0], None)
    loop.turn(Handler(), longest_s=0)
    assert count == 2
    loop.unregister(pair[0])
    loop.unregister(pair[0])


def test_a_socket_unregistered_by_another_callback_of_the_turn_is_left_alone(loop: Loop) -> None:
    seen: list[int] = []
    pairs = [socket.socketpair() for _ in range(2)]
    for index, (ours, theirs) in enumerate(pairs):

        def take(index: int = index) -> None:
            seen.append(index)
            loop.unregister(pairs[1 - index][0])

        loop.register(ours, take)
        theirs.send(b"x")
    loop.turn(Handler())
    assert len(seen) == 1
    for one in (end for pair in pairs for end in pair):
        one.close()


def test_commands_of_other_threads_wake_the_loop_and_keep_their_order(loop: Loop) -> None:
    seen: list[int] = []

    def send() -> None:
        for number in range(5000):
            loop.call_soon_threadsafe(functools.partial(seen.append, number))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=send)
    thread.start()
    loop.run(Handler())
    thread.join()
    assert seen == list(range(5000))


def test_a_command_does_not_wait_for_the_end_of_the_sleep(loop: Loop) -> None:
    answered = threading.Event()
    thread = threading.Thread(target=loop.run, args=(Handler(),))
    thread.start()
    waits = []
    for _ in range(50):
        watch = Stopwatch()
        loop.call_soon_threadsafe(answered.set)
        assert answered.wait(10)
        waits.append(watch.elapsed_s())
        answered.clear()
    loop.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert sorted(waits)[25] < 0.05  # the longest sleep is ten times that


def test_a_deadline_is_kept_and_not_called_early() -> None:
    clock = VirtualClock(100.0)
    loop = Loop(clock, "test")
    handler = Handler(deadline=100.5)
    loop.turn(handler, longest_s=0)
    assert handler.ticks == []
    clock.advance(0.5)
    loop.turn(handler, longest_s=0)
    assert handler.ticks == [100.5]
    loop.close()


def test_a_callback_that_raises_is_counted_and_the_others_go_on(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    handler, seen = Handler(), list[int]()

    def fail() -> None:
        raise ValueError("a surprise")

    loop.register(pair[0], fail)
    pair[1].send(b"x")
    loop.call_soon_threadsafe(fail)
    loop.call_soon_threadsafe(lambda: seen.append(1))
    loop.turn(handler)
    assert loop.error_count == 1
    assert seen == [1]
    assert handler.flush_count == 1
    loop.turn(handler)
    assert loop.error_count == 2
    assert handler.flush_count == 2


def test_commands_go_before_sockets_but_do_not_keep_them_waiting(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    handler, seen = Handler(), list[str]()

    def again() -> None:
        seen.append("command")
        loop.call_soon_threadsafe(again)

    loop.register(pair[0], lambda: seen.append("socket"))
    pair[1].send(b"x")
    again()
    for _ in range(4):
        loop.turn(handler)
    assert seen[:4] == ["command", "command", "socket", "command"]
    assert seen.count("socket") == 2


def test_a_turn_that_is_left_early_is_flushed_before_the_next_sleep(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    handler, seen = Handler(), list[bytes]()
    loop.register(pair[0], lambda: seen.append(pair[0].recv(10)))
    pair[1].send(b"x")
    loop.turn(handler, is_over=lambda: bool(seen))
    assert seen == [b"x"]
    assert handler.flush_count == 0
    flushed: list[int] = []
    loop.call_soon_threadsafe(lambda: flushed.append(handler.flush_count))
    loop.turn(handler)
    assert flushed == [0]  # the commands' turn has a flush of its own
    assert handler.flush_count == 1
    pair[1].send(b"y")
    loop.turn(handler, is_over=lambda: True)
    loop.register(pair[0], lambda: flushed.append(handler.flush_count))
    pair[1].send(b"z")
    loop.turn(handler)
    assert flushed == [0, 2]


def test_stop_before_run_returns_at_once(loop: Loop) -> None:
    loop.stop()
    loop.run(Handler())


def test_stop_after_close_is_harmless() -> None:
    loop = Loop(MonotonicClock(), "test")
    loop.close()
    loop.stop()


def test_unregistering_after_close_is_harmless(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    loop = Loop(MonotonicClock(), "test")
    loop.register(pair[0], lambda: None)
    loop.close()
    loop.unregister(pair[0])


def test_an_idle_loop_uses_no_processor(loop: Loop) -> None:
    handler, me = Handler(), psutil.Process()
    before, watch = me.cpu_times(), Stopwatch()
    while watch.elapsed_s() < 2.0:
        loop.turn(handler)
    after = me.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    assert handler.flush_count <= 6
    assert used_s <= 0.02  # the clock of the system ticks in hundredths
