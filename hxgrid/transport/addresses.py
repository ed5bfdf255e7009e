"""The addresses of this computer, from its interfaces.

Never from its host name: on some systems that resolves to 127.0.1.1, an address that nobody else
can reach and that is not even on an interface.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

import psutil

LOOPBACK_BROADCAST = "127.255.255.255"
"""psutil tells none for loopback; this one reaches all listeners of the computer."""


class Interface(NamedTuple):
    """One IPv4 address of one interface."""

    address: str
    broadcast: str


def own_addresses() -> list[str]:
    """Return every address under which others may reach this computer, loopback last.

    IPv4 before IPv6; link-local ones are left out, because they mean nothing without the name of an
    interface that only this computer knows.
    """
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(entry.address.partition("%")[0])
                if not address.is_link_local and address not in found:
                    found.append(address)
    return [str(a) for a in sorted(found, key=lambda a: (a.is_loopback, a.version))]


def broadcast_interfaces() -> list[Interface]:
    """Return where a broadcast must be sent from and to, so that every neighbour hears it.

    One per interface, each sent from a socket bound to the interface's own address: an unbound one
    would use the default route alone, or fail where there is none. Loopback is always the last.
    """
    found: dict[str, Interface] = {}
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family == socket.AF_INET and entry.broadcast:
                found[entry.address] = Interface(entry.address, entry.broadcast)
    found["127.0.0.1"] = Interface("127.0.0.1", LOOPBACK_BROADCAST)
    return list(found.values())


def is_own_address(address: str) -> bool:
    """Tell whether a peer's address is one of this computer's: it then sees our loopback."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback or str(parsed) in own_addresses()
