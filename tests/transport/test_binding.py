"""Where a server listens, and with which options."""

from __future__ import annotations

import pytest
import zmq

from hxgrid.errors import AddressInUse, ConfigError
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import (
    Socket,
    SocketFactory,
)
from hxgrid.wire.limits import MAX_FRAME_BYTES
from tests.harness.ports import taken_port
from tests.transport.bench import QUICK, Bench


def endpoint_of(socket: Socket) -> str:
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return endpoint.decode()


def test_a_taken_port_is_an_error_that_names_it(bench: Bench) -> None:
    with taken_port() as port, pytest.raises(AddressInUse, match=str(port)):
        bench.factory.router("127.0.0.1", port)


def test_a_taken_port_may_be_replaced_by_any_other(bench: Bench) -> None:
    with taken_port() as taken:
        socket, port = bench.factory.router("127.0.0.1", taken, or_any_port=True)
        assert port not in {0, taken}
        socket.close(0)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-card"])
def test_an_address_of_another_computer_is_wrong_usage_and_named(bench: Bench, host: str) -> None:
    with pytest.raises(ConfigError, match=rf"{host} is no address of this computer.*--bind"):
        bench.factory.router(host, None)


def test_every_interface_may_be_bound_with_keys_or_trust(bench: Bench) -> None:
    socket, _ = bench.factory.router("", None)
    assert endpoint_of(socket).startswith(("tcp://[::]:", "tcp://0.0.0.0:"))
    socket.close(0)


@pytest.mark.parametrize("host", ["192.0.2.1", "*", "0.0.0.0", "::"])
def test_without_keys_and_trust_only_loopback_is_bound(host: str) -> None:
    with zmq.Context() as context:
        factory = SocketFactory(context, Security(token="t"))
        with pytest.raises(ConfigError, match="--trust-network"):
            factory.router(host, None)
        socket, _ = factory.router("", None)
        assert endpoint_of(socket).startswith("tcp://127.0.0.1:")
        socket.close(0)


def test_every_option_is_set_before_the_socket_opens(bench: Bench) -> None:
    dealer = bench.client()
    for socket in (bench.router, dealer):
        assert socket.getsockopt(zmq.MAXMSGSIZE) == MAX_FRAME_BYTES
        assert socket.getsockopt(zmq.LINGER) == 250
        assert socket.getsockopt(zmq.IMMEDIATE) == 1
        assert socket.getsockopt(zmq.HANDSHAKE_IVL) == 500
        assert socket.getsockopt(zmq.HEARTBEAT_IVL) == 200
        assert socket.getsockopt(zmq.HEARTBEAT_TIMEOUT) == 600
        assert socket.getsockopt(zmq.HEARTBEAT_TTL) == 600
        assert socket.getsockopt(zmq.RECONNECT_IVL) == 100
        assert socket.getsockopt(zmq.RECONNECT_IVL_MAX) == 2000
        assert socket.getsockopt(zmq.SNDHWM) == QUICK.send_hwm
        assert socket.getsockopt(zmq.RCVHWM) == QUICK.receive_hwm
    assert dealer.getsockopt(zmq.IPV6) == 1
    if bench.is_curve:
        assert bench.router.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1
        assert bench.router.getsockopt(zmq.ZAP_DOMAIN) == b"hxgrid"
