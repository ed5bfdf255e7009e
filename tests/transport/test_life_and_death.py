"""Peers that stop, and servers that come back."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

from hxgrid.transport.sockets import (
    send_message,
)
from tests.harness.wait import wait_until
from tests.transport.bench import LIMIT_S, Bench

PEER = """
    import sys, zmq
    from hxgrid.transport.security import KeyPair, Security
    from hxgrid.transport.sockets import SocketFactory, SocketLimits, send_message
    port, server_key, public, secret = sys.argv[1:]
    security = Security(
        keys=KeyPair(public, secret) if public else None, trust_network=not public
    )
    limits = SocketLimits(heartbeat_s=0.2, heartbeat_timeout_s=0.6)
    factory = SocketFactory(zmq.Context(), security, limits)
    dealer = factory.dealer("127.0.0.1", int(port), server_key)
    dealer.poll(20_000, zmq.POLLOUT)
    send_message(dealer, [b"hello"])
    dealer.poll(60_000)
"""


def test_b30_heartbeats_find_a_stopped_peer(bench: Bench) -> None:
    keys = ("", "", "")
    if bench.is_curve:
        keys = (bench.server_keys.public, *bench.client_keys)
    script = [sys.executable, "-c", textwrap.dedent(PEER), str(bench.port), *keys]
    with subprocess.Popen(script) as peer:
        try:
            (message,) = bench.wait_for(1)
            assert send_message(bench.router, [b"still there"], to=message.sender)
            peer.send_signal(signal.SIGSTOP)
            wait_until(
                lambda: bench.turn() and not send_message(bench.router, [b"?"], to=message.sender),
                LIMIT_S,
                "the end of the connection",
            )
        finally:
            peer.kill()


def test_a_client_comes_back_by_itself_after_the_server_was_away(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"x")
    bench.wait_for(1)
    bench.shut()
    bench.reopen()

    def again() -> bool:
        send_message(dealer, [b"y"])
        return bench.turn() and bench.received[-1].header == b"y"

    wait_until(again, LIMIT_S, "the client to come back")
    assert bench.received[-1].sender != bench.received[0].sender
