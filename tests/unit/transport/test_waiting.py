"""Every system's way of waiting keeps the same promises; all of them can be tried on Linux."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from hxgrid.transport import waiting_posix, waiting_windows
from tests.harness.wait import Stopwatch

if sys.platform == "linux":
    from hxgrid.transport import waiting_linux as waiting_here
else:
    from hxgrid.transport import waiting_posix as waiting_here

FOR_EVER_S = 30.0


class Waiter(Protocol):
    """What all of them offer."""

    def watch(self, handle: int, *, readable: bool, writable: bool) -> None: ...
    def forget(self, handle: int) -> None: ...
    def wait(self, timeout_s: float) -> list[tuple[int, int]]: ...
    def wake(self) -> None: ...
    def close(self) -> None: ...


WAYS: dict[str, Callable[[], Waiter]] = {
    "linux": waiting_here.Waiter,
    "posix": waiting_posix.Waiter,
    "windows": waiting_windows.Waiter,
}


@pytest.fixture(params=list(WAYS))
def waiter(request: pytest.FixtureRequest) -> Iterator[Waiter]:
    waiter = WAYS[request.param]()
    yield waiter
    waiter.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def handles(waiter: Waiter, timeout_s: float, pair: tuple[socket.socket, ...]) -> set[int]:
    known = {each.fileno() for each in pair}
    return {handle for handle, _ in waiter.wait(timeout_s)} & known


def test_a_socket_is_told_of_as_long_as_it_is_readable(
    waiter: Waiter, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    waiter.watch(ours.fileno(), readable=True, writable=False)
    assert not handles(waiter, 0.0, pair)
    theirs.send(b"x")
    assert handles(waiter, FOR_EVER_S, pair) == {ours.fileno()}
    assert handles(waiter, FOR_EVER_S, pair) == {ours.fileno()}
    ours.recv(1)
    assert not handles(waiter, 0.0, pair)
    waiter.watch(ours.fileno(), readable=True, writable=True)
    assert handles(waiter, FOR_EVER_S, pair) == {ours.fileno()}
    waiter.forget(ours.fileno())
    assert not handles(waiter, 0.0, pair)


def test_a_wait_ends_when_another_thread_wakes_it(waiter: Waiter) -> None:
    for _ in range(3):
        waiter.wait(0.0)  # whatever an earlier round has left
        waker = threading.Timer(0.02, waiter.wake)
        watch = Stopwatch()
        waker.start()
        waiter.wait(FOR_EVER_S)
        waker.join()
        assert watch.elapsed_s() < FOR_EVER_S / 2


def test_a_wake_before_the_wait_ends_it_once(waiter: Waiter) -> None:
    for count in (1, 2, 5000):
        for _ in range(count):
            waiter.wake()
        watch = Stopwatch()
        waiter.wait(FOR_EVER_S)
        assert watch.elapsed_s() < FOR_EVER_S / 2
        while waiter.wait(0.0):  # more wakes than fit one look may take another
            pass
        watch = Stopwatch()
        waiter.wait(0.05)
        assert watch.elapsed_s() >= 0.04, "something that was heard woke it again"


def test_waking_what_is_closed_is_harmless(waiter: Waiter) -> None:
    waiter.close()
    waiter.wake()
    waiter.close()
