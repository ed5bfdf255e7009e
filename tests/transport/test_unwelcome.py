"""What a listening socket does with nonsense, with too much, and with too many."""

from __future__ import annotations

import psutil

from hxgrid.transport.connections import ConnectionCap
from hxgrid.transport.sockets import (
    send_message,
)
from hxgrid.wire.limits import MAX_FRAME_BYTES
from tests.harness.peers import open_silent_connections, send_oversized_frame, send_tcp_garbage
from tests.harness.wait import wait_until
from tests.transport.bench import LIMIT_S, Bench


def test_b31_a_frame_that_claims_too_much_ends_its_connection_unread(bench: Bench) -> None:
    before = psutil.Process().memory_info().rss
    assert send_oversized_frame(bench.address, mechanism=bench.mechanism)
    assert psutil.Process().memory_info().rss - before < 64 << 20
    bench.send(bench.client(), b"x")
    assert bench.wait_for(1)[0].header == b"x"


def test_b31_a_peer_that_sends_a_frame_over_the_limit_is_hung_up_on(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"x")
    bench.wait_for(1)
    bench.send(dealer, bytes(MAX_FRAME_BYTES + 1))
    bench.send(bench.client(), b"y")
    assert [message.header for message in bench.wait_for(2)] == [b"x", b"y"]


def test_garbage_does_no_harm(bench: Bench) -> None:
    # Without keys some of it passes for the frames of an ancient version, and arrives as nonsense.
    for seed in range(5):
        send_tcp_garbage(bench.address, seed=seed, limit_s=0.5)
    bench.send(bench.client(), b"\x09hello")
    wait_until(
        lambda: bench.turn() and any(m.header == b"\x09hello" for m in bench.received),
        LIMIT_S,
        "the message",
    )
    assert bench.loop.error_count == 0


def test_connections_that_say_nothing_are_hung_up_on(bench: Bench) -> None:
    silent = open_silent_connections(bench.address, 20)
    for connection in silent:
        connection.settimeout(LIMIT_S)
        while connection.recv(100):  # the greeting, then the end
            pass
        connection.close()
    bench.send(bench.client(), b"x")
    bench.wait_for(1)


def test_connections_beyond_the_cap_are_turned_away_until_there_is_room(bench: Bench) -> None:
    cap = ConnectionCap(bench.loop, bench.router, max_connections=3)
    cap.open()
    bench.zap.cap = cap
    first = [bench.client() for _ in range(3)]
    for dealer in first:
        bench.send(dealer, b"x")
    fourth = bench.client()
    wait_until(lambda: bench.turn() and bench.zap.turned_away_count, LIMIT_S, "a turning away")
    assert not send_message(fourth, [b"y"])
    first[0].close(0)
    bench.send(fourth, b"y")
    assert bench.wait_for(4)[-1].header == b"y"
    cap.close()
    cap.close()


def test_connections_are_counted_while_they_last(bench: Bench) -> None:
    cap = ConnectionCap(bench.loop, bench.router, max_connections=100)
    cap.open()
    silent = open_silent_connections(bench.address, 10)
    bench.send(bench.client(), b"x")
    wait_until(lambda: bench.turn() and cap.count == 1, LIMIT_S, "the end of the silent ones")
    for connection in silent:
        connection.close()
    cap.close()
