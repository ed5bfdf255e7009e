"""Files of large inputs and outputs that have served, kept to be written again.

Filling a new file costs several times as much as copying the bytes: the system finds and clears a
page of memory for every few kilobytes, and takes them all back when the file is removed. So files
change hands. Whoever is the last to need one renames it to the name of a spare; whoever needs one
renames a spare and writes it from its beginning. A rename happens once or not at all, so that agent
and task processes need not ask each other, and what is left goes with the session's folder.

A file becomes a spare only when nobody has it mapped: whoever writes it next may shorten it, and
reading beyond the end of a mapped file kills the reader.
"""

from __future__ import annotations

import contextlib
import os
import stat

SPARES = 8
"""Names there are in one folder."""
LEAST_BYTES = 256 * 1024
"""Below it a new file costs less than two renames."""
MOST_BYTES = 16 * 1024 * 1024
"""Larger files are removed: spares are room on the disk that nobody uses."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# Foreign code runs beside us: what it has put there must neither lead elsewhere nor block.
_AGAIN = os.O_WRONLY | getattr(os, "O_BINARY", 0)
_AGAIN |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_to_write(path: str, size_bytes: int) -> int:
    """Return the descriptor of a file of this name to be filled with so many bytes from its start.

    The file may have been longer; `finish` makes its end. `OSError` if there is none to be had.
    """
    if size_bytes >= LEAST_BYTES and _take(path):
        try:
            descriptor = os.open(path, _AGAIN)
        except OSError:
            os.unlink(path)  # noqa: PTH108 - plain texts on both sides
        else:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
            os.unlink(path)  # noqa: PTH108
    return os.open(path, _NEW, 0o600)


def finish(descriptor: int, size_bytes: int) -> None:
    """Let the file end after so many bytes, and close it."""
    try:
        if os.fstat(descriptor).st_size != size_bytes:
            os.ftruncate(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def keep(path: str) -> bool:
    """Make a file that nobody has open or mapped a spare; False if it is not wanted as one."""
    try:
        if not LEAST_BYTES <= os.lstat(path).st_size <= MOST_BYTES:
            return False
        for spare in _names(path):
            if not os.path.lexists(spare):
                os.rename(path, spare)  # noqa: PTH104
                return True
    except OSError:
        pass  # it is gone, or the system does not let go of it
    return False


def keep_or_remove(path: str) -> None:
    """Make a file that nobody has open or mapped a spare, or remove it."""
    if not keep(path):
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108


def _take(path: str) -> bool:
    for spare in _names(path):
        try:
            os.rename(spare, path)  # noqa: PTH104
        except FileNotFoundError:
            continue
        except OSError:
            return False
        return True
    return False


def _names(path: str) -> list[str]:
    folder = os.path.dirname(path)  # noqa: PTH120
    return [f"{folder}{os.sep}spare-{number}" for number in range(SPARES)]
