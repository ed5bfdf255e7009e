"""A lock that belongs to a process and ends with it, on Windows."""

from __future__ import annotations

import sys
import threading

assert sys.platform == "win32"

import msvcrt  # noqa: E402

_POLL_S = 0.005
_never = threading.Event()


def lock(descriptor: int) -> None:
    """Wait until no other process holds the file, and take it."""
    while not try_lock(descriptor):
        _never.wait(_POLL_S)  # the system's own waiting gives up after ten seconds


def try_lock(descriptor: int) -> bool:
    """Take the file if no other process holds it."""
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Let the file go."""
    msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
