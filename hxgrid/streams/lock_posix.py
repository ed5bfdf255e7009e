"""A lock on an open file that ends with its process, on Linux, macOS and the BSDs."""

from __future__ import annotations

import fcntl


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this descriptor alone; False if another holds it.

    Raises `OSError` where the file system knows no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
