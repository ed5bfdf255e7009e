"""Sockets, files and limits where the system is a POSIX one. `windows.py` has the same names."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

LOOPBACK_BEACON_HOST = "127.255.255.255" if sys.platform == "linux" else "127.0.0.1"
"""Where a beacon listens that must not hear the LAN. Linux delivers loopback's broadcasts only to
sockets bound to that very address (or to all)."""

_TCP_INFO_BYTES = 136
_RECEIVED_AT = 128
"""Of `tcpi_bytes_received` in Linux's `struct tcp_info`, since 4.1; it is only ever appended to."""


def raise_handle_limit(wanted: int) -> int:
    """Ask for room for `wanted` open handles; returns how many there are.

    Each connection costs one, and libzmq's thread turns in circles when they run out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def received_bytes(handle: int, port: int) -> int | None:
    """Return what has arrived on a TCP connection to our `port` since it was accepted.

    None: the system does not tell, or the handle is (by now) something else.
    """
    with _borrowed(handle) as sock:
        try:
            if sock is None or sock.getsockname()[1] != port or sys.platform != "linux":
                return None
            told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except (OSError, IndexError, TypeError):
            return None
    if len(told) < _TCP_INFO_BYTES:
        return None
    return int(struct.unpack_from("=Q", told, _RECEIVED_AT)[0])


def hang_up(handle: int, port: int) -> None:
    """End a TCP connection to our `port` that another part of this process owns and will close."""
    with _borrowed(handle) as sock, contextlib.suppress(OSError, IndexError, TypeError):
        if sock is not None and sock.getsockname()[1] == port:
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _borrowed(handle: int) -> Iterator[socket.socket | None]:
    try:
        sock = socket.socket(fileno=os.dup(handle))
    except OSError:
        yield None  # closed by now, or no socket
        return
    try:
        yield sock
    finally:
        sock.close()


def prepare_beacon_socket(sock: socket.socket) -> None:
    """Let several coordinators on one computer hear the same broadcasts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def prepare_question_socket(sock: socket.socket) -> None:
    """Let a socket send broadcasts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)


def write_private_file(path: Path, text: str) -> None:
    """Make a file that only its owner can read; one that is there already is kept as it is.

    Written aside and linked into place, so that two programs that start together agree on one.
    """
    handle, aside = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        Path(aside).unlink()


def is_private_file(path: Path) -> bool:
    """Tell whether a file is ours, and nobody else can read or change it."""
    found = path.lstat()
    others = stat.S_IRWXG | stat.S_IRWXO
    return (
        stat.S_ISREG(found.st_mode) and not found.st_mode & others and found.st_uid == os.geteuid()
    )
