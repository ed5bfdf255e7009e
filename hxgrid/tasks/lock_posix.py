"""A lock that belongs to a process and ends with it, on Linux, macOS and the BSDs."""

from __future__ import annotations

import fcntl

# lockf and not flock: the lock is the process's own, so a child that it forked and that outlives
# it does not keep the lock with the inherited descriptor.


def lock(descriptor: int) -> None:
    """Wait until no other process holds the file, and take it."""
    fcntl.lockf(descriptor, fcntl.LOCK_EX)


def try_lock(descriptor: int) -> bool:
    """Take the file if no other process holds it."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def unlock(descriptor: int) -> None:
    """Let the file go."""
    fcntl.lockf(descriptor, fcntl.LOCK_UN)
