from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.harness.peers import receive_exactly
from tests.harness.proxy import TcpProxy
from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def echo_address() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def proxy(echo_address: tuple[str, int]) -> Iterator[TcpProxy]:
    with TcpProxy(echo_address) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with socket.create_connection(proxy.address, timeout=10) as client:
        client.sendall(b"hello")
        assert receive_exactly(client, 5) == b"hello"
        yield client


def test_bytes_pass_both_ways_in_order(client: socket.socket) -> None:
    data = bytes(range(256)) * 20_000
    threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
    assert receive_exactly(client, len(data)) == data


def test_a_delay_counts_in_each_direction(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.delay(0.1)
    watch = Stopwatch()
    client.sendall(b"late")
    assert receive_exactly(client, 4) == b"late"
    assert watch.elapsed_s() >= 0.2


def test_a_frozen_connection_moves_nothing_and_loses_nothing(
    proxy: TcpProxy, client: socket.socket
) -> None:
    proxy.freeze()
    client.sendall(b"wait")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(4)
    client.settimeout(10)
    proxy.thaw()
    assert receive_exactly(client, 4) == b"wait"


def test_discarded_bytes_never_arrive(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.discard()
    client.sendall(b"lost")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(4)


def test_a_reset_is_felt_by_the_client(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    wait_until(lambda: proxy.connection_count == 0, 10, "the proxy to forget the connection")


def test_refused_connections_do_not_disturb_others(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.refuse()
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(proxy.address, timeout=10) as refused,
    ):
        refused.recv(1)
    client.sendall(b"hello")
    assert receive_exactly(client, 5) == b"hello"


def test_an_end_is_handed_on(proxy: TcpProxy, client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    wait_until(lambda: proxy.connection_count == 0, 10, "the proxy to forget the connection")
