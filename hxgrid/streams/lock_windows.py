"""A lock on an open file that ends with its process, on Windows."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import msvcrt  # noqa: E402


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this descriptor alone; False if another holds it."""
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
