from __future__ import annotations

import os
import socket

import psutil

from tests.harness import proctree
from tests.harness.ports import free_port, taken_port


def test_the_ports_of_a_process_are_listed() -> None:
    me = [psutil.Process(os.getpid())]
    with taken_port() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("0.0.0.0", 0))
        assert ("127.0.0.1", port) in proctree.listening_addresses(me)
        assert ("127.0.0.1", datagrams.getsockname()[1]) in proctree.datagram_addresses(me)
    assert ("127.0.0.1", port) not in proctree.listening_addresses(me)


def test_ports_of_sockets_for_both_kinds_of_addresses_are_listed_as_ipv4() -> None:
    me = [psutil.Process(os.getpid())]
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::ffff:127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert ("127.0.0.1", port) in proctree.listening_addresses(me)


def test_a_free_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_the_memory_of_a_process_is_more_than_nothing() -> None:
    assert proctree.resident_bytes(os.getpid()) > 1 << 20


def test_a_process_that_is_gone_is_described_as_gone() -> None:
    gone = psutil.Popen(["true"])
    gone.wait(10)
    assert not proctree.is_alive(gone)
    assert "gone" in proctree.described([gone])
    assert proctree.descendants(gone.pid) == []
