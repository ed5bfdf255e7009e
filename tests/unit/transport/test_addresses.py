"""This computer's own addresses."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from hxgrid.transport.addresses import (
    LOOPBACK_BROADCAST,
    Interface,
    broadcast_interfaces,
    is_own_address,
    own_addresses,
)


def address(family: int, text: str, broadcast: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(family=family, address=text, broadcast=broadcast)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    v4, v6 = socket.AF_INET, socket.AF_INET6
    found = {
        "lo": [address(v4, "127.0.0.1"), address(v6, "::1")],
        "eth0": [
            address(psutil.AF_LINK, "00:00:5e:00:53:01"),
            address(v6, "fe80::1%eth0"),
            address(v6, "2001:db8::7"),
            address(v4, "192.0.2.7", "192.0.2.255"),
        ],
        "eth1": [address(v4, "198.51.100.7", "198.51.100.255")],
        "tun0": [address(v4, "203.0.113.7")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)


@pytest.mark.usefixtures("two_cards")
def test_all_addresses_are_listed_with_loopback_last() -> None:
    assert own_addresses() == [
        "192.0.2.7",
        "198.51.100.7",
        "203.0.113.7",
        "2001:db8::7",
        "127.0.0.1",
        "::1",
    ]


@pytest.mark.usefixtures("two_cards")
def test_each_card_has_its_broadcast_and_loopback_has_one_too() -> None:
    assert broadcast_interfaces() == [
        Interface("192.0.2.7", "192.0.2.255"),
        Interface("198.51.100.7", "198.51.100.255"),
        Interface("127.0.0.1", LOOPBACK_BROADCAST),
    ]


@pytest.mark.usefixtures("two_cards")
def test_own_addresses_are_known_as_such() -> None:
    assert is_own_address("127.0.0.9")
    assert is_own_address("192.0.2.7")
    assert not is_own_address("192.0.2.8")
    assert not is_own_address("pc7")


def test_this_computer_has_loopback() -> None:
    assert "127.0.0.1" in own_addresses()
