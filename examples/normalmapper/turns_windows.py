"""Locking a file on Windows; gone with the process, however it ends."""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def try_lock(file: IO[bytes]) -> bool:
        """Lock the file if nobody else has; tell whether it is ours."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def lock(file: IO[bytes]) -> None:
        """Lock the file; wait until it is ours."""
        while True:
            file.seek(0)
            try:
                # Gives up after ten tries, one a second.
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:
                continue
            return
