"""The hostile peers against a plain ZeroMQ socket whose defences are known."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import zmq

from tests.harness import peers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def router_address() -> Iterator[tuple[str, int]]:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.MAXMSGSIZE, 1 << 20)
        yield "127.0.0.1", router.bind_to_random_port("tcp://127.0.0.1")


def test_garbage_makes_a_zeromq_socket_hang_up(router_address: tuple[str, int]) -> None:
    assert peers.send_tcp_garbage(router_address)


def test_the_greeting_is_good_enough_to_deliver_a_message(
    router_address: tuple[str, int],
) -> None:
    with socket.create_connection(router_address, timeout=10) as connection:
        connection.sendall(peers.greeting())
        assert peers.receive_exactly(connection, peers.GREETING_BYTES)[:1] == b"\xff"
        connection.sendall(peers.ready_command("DEALER"))
        assert b"ROUTER" in connection.recv(1024)


def test_an_oversized_frame_makes_a_guarded_socket_hang_up(
    router_address: tuple[str, int],
) -> None:
    assert peers.send_oversized_frame(router_address)


def test_an_unguarded_socket_keeps_waiting_for_an_oversized_frame() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        address = ("127.0.0.1", router.bind_to_random_port("tcp://127.0.0.1"))
        assert not peers.send_oversized_frame(address, claimed_bytes=1 << 28, limit_s=0.3)


def test_an_oversized_handshake_command_makes_a_socket_hang_up(
    router_address: tuple[str, int],
) -> None:
    assert peers.send_oversized_frame(router_address, mechanism="CURVE")


def test_datagrams_of_all_sizes_arrive() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        peers.send_udp_garbage(listener.getsockname(), count=10)
        sizes = [len(listener.recv(65536)) for _ in range(10)]
    assert {0, 1, 1400} <= set(sizes)


def test_well_framed_noise_arrives_as_messages() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        address = ("127.0.0.1", router.bind_to_random_port("tcp://127.0.0.1"))
        peers.send_message_garbage(address, count=300)
        first_bytes = set()
        while router.poll(1000):
            first_bytes.add(router.recv_multipart()[1][0])
    assert first_bytes == set(range(256))
