"""Queued input on disk, for when memory is short.

Each process has a folder of its own under the common one, named by its process id and a random
part, so that no process ever reads what another left behind. The common one may be the system's
temporary folder: one in between would belong to whoever made it first, who could keep all other
people out, or exchange what they have below it. A process's folder holds a file `owner`, which the
process keeps locked; the system lets go of the lock when the process ends, however it ends. So a
folder whose `owner` can be locked is stale, and whoever starts next removes it.

The awkward case is a folder between its creation and its lock: a process that finds it may take it
for stale. The creator then sees that its lock was refused or its file is gone, and makes another.

Losing the disk never loses a task: what cannot be written raises `StoreError`, nothing stays behind
and the caller keeps the bytes in memory.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hxgrid.errors import StoreError
from hxgrid.logs import get_logger
from hxgrid.streams.buffers import flat_view, map_file

if sys.platform == "win32":
    from hxgrid.streams.lock_windows import try_lock
else:
    from hxgrid.streams.lock_posix import try_lock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PREFIX = "hxgrid-spill-"
_FOLDER_NAME = re.compile(_PREFIX + r"[0-9]+-[0-9a-f]{16}")
_OWNER = "owner"
_CLAIM_ATTEMPTS = 5

_log = get_logger("streams")


class SpilledInput:
    """Bytes that lie in a file; made by `SpillFolder.write` only."""

    __slots__ = ("_folder", "path", "size_bytes")

    def __init__(self, folder: SpillFolder, path: Path, size_bytes: int) -> None:
        self._folder = folder
        self.path = path
        self.size_bytes = size_bytes

    def read(self) -> memoryview:
        """Return the bytes, mapped; they stay valid after `remove`.

        Raises `StoreError` if the file is gone or is not as long as it was.
        """
        view = map_file(self.path)
        if len(view) != self.size_bytes:
            raise StoreError(
                f"a spilled input has {len(view)} bytes instead of {self.size_bytes}",
                where=str(self.path),
            )
        return view

    def remove(self) -> None:
        """Remove the file; twice is harmless."""
        self._folder.forget(self)


class SpillFolder:
    """Keeps queued inputs of this process in files, at most `limit_bytes` of them.

    The folder is made with the first input. May be used from several threads.
    """

    def __init__(self, parent: Path, *, limit_bytes: int | None = None) -> None:
        self._parent = parent
        self._limit_bytes = limit_bytes
        # Guards what follows. Held while a folder is made, never while data is written.
        self._lock = threading.Lock()
        self._claim: tuple[Path, int] | None = None  # our folder and its locked file
        self._sizes: dict[Path, int] = {}  # what lies there, or is being written
        self._numbers = itertools.count(1)
        self._is_closed = False

    def open(self) -> Self:
        """Remove what dead processes left; writing makes our own folder. Returns itself."""
        remove_stale(self._parent)
        return self

    @property
    def used_bytes(self) -> int:
        """How many bytes lie on disk or are on their way there."""
        with self._lock:
            return sum(self._sizes.values())

    def write(self, data: ReadableBuffer) -> SpilledInput:
        """Write bytes to a new file.

        Raises `StoreError` if that is impossible (disk full or read-only, limit reached, closed);
        nothing is left on disk then, and the caller goes on with what it has in memory.
        """
        view = flat_view(data)
        path = self._reserve(len(view))
        try:
            _write_file(path, view)
        except OSError as error:
            self._drop(path)
            raise _store_error("an input cannot be spilled to disk", path.parent, error) from error
        return SpilledInput(self, path, len(view))

    def forget(self, spilled: SpilledInput) -> None:
        """Remove one input; unknown ones and removed ones are ignored."""
        self._drop(spilled.path)

    def close(self) -> None:
        """Remove the folder and all that is in it; twice is harmless."""
        with self._lock:
            claim, self._claim = self._claim, None
            self._sizes.clear()
            self._is_closed = True
        if claim is not None:
            _remove_claimed(*claim)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reserve(self, size_bytes: int) -> Path:
        with self._lock:
            if self._is_closed:
                raise StoreError("the folder for spilled inputs is closed", where=str(self._parent))
            used = sum(self._sizes.values())
            if self._limit_bytes is not None and used + size_bytes > self._limit_bytes:
                raise StoreError(
                    f"an input of {size_bytes} bytes does not fit beside {used} spilled ones",
                    where=str(self._parent),
                    why=f"the limit is {self._limit_bytes} bytes",
                )
            if self._claim is None:
                self._claim = _claim_folder(self._parent)
            path = self._claim[0] / f"{next(self._numbers)}.input"
            self._sizes[path] = size_bytes
            return path

    def _drop(self, path: Path) -> None:
        with self._lock:
            if self._sizes.pop(path, None) is None:
                return
        # A file that is mapped cannot be removed on Windows; close() takes it with the folder.
        with contextlib.suppress(OSError):
            path.unlink()


def remove_stale(parent: Path) -> int:
    """Remove the folders of processes that have ended; return how many those were.

    What cannot be removed is left for the next who starts, and said in the log.
    """
    try:
        candidates = [path for path in parent.iterdir() if _FOLDER_NAME.fullmatch(path.name)]
    except OSError:
        return 0  # there is no such folder yet
    return sum(_remove_if_stale(folder) for folder in candidates)


def _remove_if_stale(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / _OWNER, os.O_RDWR)
    except FileNotFoundError:
        # Somebody makes or removes it just now, or died doing so.
        with contextlib.suppress(OSError):
            folder.rmdir()
        return False
    except PermissionError:
        return False  # somebody else's
    except OSError as error:
        _log.warning("stale folder not looked at", folder=folder, reason=error)
        return False
    if not _locks(descriptor):
        os.close(descriptor)
        return False
    _remove_claimed(folder, descriptor)
    return not folder.exists()


def _locks(descriptor: int) -> bool:
    try:
        return try_lock(descriptor)
    except OSError:
        return False  # no locks here: nothing can be told to be stale


def _remove_claimed(folder: Path, descriptor: int) -> None:
    """Remove a folder whose lock we hold; the file with the lock goes last."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name != _OWNER:
                path.unlink()
    os.close(descriptor)  # Windows removes no open file
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _log.warning("spilled inputs not removed", folder=folder)


def _claim_folder(parent: Path) -> tuple[Path, int]:
    """Make a folder of our own and lock it."""
    try:
        for _attempt in range(_CLAIM_ATTEMPTS):
            folder = parent / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
            folder.mkdir(mode=0o700, parents=True)
            descriptor = _lock_owner(folder)
            if descriptor is not None:
                return folder, descriptor
    except OSError as error:
        raise _store_error("no folder for spilled inputs can be made", parent, error) from error
    raise StoreError("no folder for spilled inputs could be locked", where=str(parent))


def _lock_owner(folder: Path) -> int | None:
    """Return the locked descriptor of the folder's `owner`; None if another process was faster."""
    owner = folder / _OWNER
    try:
        descriptor = os.open(owner, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError:
        return None
    try:
        if try_lock(descriptor) and owner.exists():
            return descriptor
    except OSError:
        _remove_claimed(folder, descriptor)  # no locks here: nobody would ever find it stale
        raise
    os.close(descriptor)
    return None


def _write_file(path: Path, view: memoryview) -> None:
    with path.open("xb", buffering=0) as file:
        while view:
            view = view[file.write(view) :]


def _store_error(what: str, where: Path, error: OSError) -> StoreError:
    return StoreError(what, where=str(where), why=error.strerror or str(error))
