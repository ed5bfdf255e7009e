"""Locking a file on POSIX systems; gone with the process, however it ends."""

from __future__ import annotations

import fcntl
from typing import IO


def try_lock(file: IO[bytes]) -> bool:
    """Lock the file if nobody else has; tell whether it is ours."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(file: IO[bytes]) -> None:
    """Lock the file; wait until it is ours."""
    fcntl.flock(file, fcntl.LOCK_EX)
