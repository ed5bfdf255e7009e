"""Sockets, files and limits on Windows. `posix.py` has the same names.

From Microsoft's documentation; the facts that matter are said at each function.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

assert sys.platform == "win32"

LOOPBACK_BEACON_HOST = "127.0.0.1"
"""Where a beacon listens that must not hear the LAN."""


_SIO_UDP_CONNRESET = 0x9800000C
"""From mswsock.h; Python has no name for it."""


def raise_handle_limit(wanted: int) -> int:
    """Return `wanted`: Windows sets no limit to the sockets of a process worth speaking of."""
    return wanted


def received_bytes(_handle: int, _port: int) -> int | None:
    """Return None: nothing here tells how much has arrived on a connection."""
    return None


def hang_up(_handle: int, _port: int) -> None:
    """Do nothing: never asked for where `received_bytes` tells nothing."""


def prepare_beacon_socket(sock: socket.socket) -> None:
    """Keep the port to ourselves: here SO_REUSEADDR would let any program take it over."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    _ignore_resets(sock)


def prepare_question_socket(sock: socket.socket) -> None:
    """Let a socket send broadcasts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    _ignore_resets(sock)


def write_private_file(path: Path, text: str) -> None:
    """Make a file; the user's state folder gives it to the owner (and administrators) alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)


def is_private_file(path: Path) -> bool:
    """Tell whether it is a plain file; who may read it is the folder's affair here."""
    return path.is_file() and not path.is_symlink()


def _ignore_resets(sock: socket.socket) -> None:
    """Keep `recvfrom` from failing because an earlier datagram found nobody (SIO_UDP_CONNRESET).

    `socket.ioctl` knows three commands, and this is none of them. Where it is refused nothing is
    lost: who receives goes on after an error.
    """
    no, returned = ctypes.c_ulong(0), ctypes.c_ulong(0)
    ctypes.WinDLL("ws2_32").WSAIoctl(
        ctypes.c_size_t(sock.fileno()),
        ctypes.c_ulong(_SIO_UDP_CONNRESET),
        ctypes.byref(no),
        ctypes.c_ulong(ctypes.sizeof(no)),
        None,
        ctypes.c_ulong(0),
        ctypes.byref(returned),
        None,
        None,
    )
