"""How a task process gets its sockets: the agent duplicates them and describes them on stdin."""

from __future__ import annotations

import os
import socket
import struct
import sys

assert sys.platform == "win32"

LENGTH = struct.Struct("<I")


def inherited_sockets(arguments: list[str]) -> tuple[int, socket.socket, socket.socket]:
    """Return the agent's process id, from the command line, and the channel and the bell."""
    channel, bell = (_take(), _take())
    # Tasks find an empty standard input.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return int(arguments[0]), channel, bell


def _take() -> socket.socket:
    (size,) = LENGTH.unpack(_read(LENGTH.size))
    return socket.fromshare(_read(size))


def _read(size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            raise SystemExit("this is a part of hxgrid that only its agent can start")
        data += piece
    return data
