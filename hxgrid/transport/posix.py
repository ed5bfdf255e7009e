"""Sockets, files and limits where the system is a POSIX one. `windows.py` has the same names."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import stat
import sys
import tempfile
from pathlib import Path

LOOPBACK_BEACON_HOST = "127.255.255.255" if sys.platform == "linux" else "127.0.0.1"
"""Where a beacon listens that must not hear the LAN. Linux delivers loopback's broadcasts only to
sockets bound to that very address (or to all)."""


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
