"""The form `HOST[:PORT]` in which settings and arguments give an address."""

from __future__ import annotations

import ipaddress
import re

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_MAX_PORT = 65535


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """Split `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`; ValueError says what is wrong."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise ValueError(f"{text!r} lacks a closing bracket")
        if rest and not rest.startswith(":"):
            raise ValueError(f"{text!r} has {rest!r} where :PORT may stand")
        port_text = rest[1:] if rest else None
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
    else:
        host, port_text = text, None  # a bare IPv6 address has no port
    if not _HOST.fullmatch(host) or (":" in host and not _is_ipv6(host)):
        raise ValueError(f"{text!r} is not HOST or HOST:PORT")
    return host, default_port if port_text is None else _port(port_text, text)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _port(port_text: str, text: str) -> int:
    if not port_text.isascii() or not port_text.isdigit() or not 1 <= int(port_text) <= _MAX_PORT:
        raise ValueError(f"{text!r} has no port from 1 to {_MAX_PORT} after the colon")
    return int(port_text)


def check_address(text: str) -> str:
    """Return `text` if it is empty or an address; for use as a validator."""
    if text:
        split_address(text, _MAX_PORT)
    return text
