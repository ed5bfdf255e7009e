"""Where large results are put while they arrive: memory, or a file when memory is short."""

from __future__ import annotations

import errno
import mmap
import tempfile
import threading
from pathlib import Path

from hxgrid.errors import StoreError
from hxgrid.transport.system import raise_handle_limit
from hxgrid.wire.batches import Buffer

HANDLES = 1 << 16
"""File handles asked of the system when results go to disk: each holds one as long as it lives."""

_NO_HANDLE = (errno.EMFILE, errno.ENFILE)


class ResultMemory:
    """Bounds what large results hold in memory until the application has let go of them."""

    def __init__(self, folder: Path | None, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._folder = folder
        self._has_asked_for_handles = False
        self._lock = threading.Lock()  # buffers are freed by any thread
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """What results hold in memory now."""
        return self._used_bytes

    def place(self, size_bytes: int) -> ResultBuffer | ResultFile:
        """Return where to put a result of this size. Raises `StoreError` if there is no room."""
        if self._used_bytes + size_bytes <= self.limit_bytes:
            try:
                return ResultBuffer(self, size_bytes)
            except MemoryError:
                pass  # the disk may still have room
        if not self._has_asked_for_handles:
            self._has_asked_for_handles = True
            raise_handle_limit(HANDLES)
        try:
            return ResultFile(self._folder, size_bytes)
        except StoreError as error:
            # An application that keeps so many results has to have room for them somewhere.
            if not _is_out_of_handles(error):
                raise
            return ResultBuffer(self, size_bytes)

    def count(self, size_bytes: int) -> None:
        """Count memory taken, or given back if negative."""
        with self._lock:
            self._used_bytes += size_bytes


class ResultBuffer(bytearray):
    """Memory that counts until nobody refers to it any more, views included."""

    def __init__(self, memory: ResultMemory, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._memory = memory
        memory.count(size_bytes)

    def __del__(self) -> None:
        memory = getattr(self, "_memory", None)  # missing if there was no memory to begin with
        if memory is not None:
            memory.count(-len(self))

    def payload(self) -> memoryview:
        """Return the bytes, once they are all there."""
        return memoryview(self).toreadonly()


class ResultFile:
    """A nameless file, so that nothing stays behind however the program ends.

    Written by the loop: what does not fit into memory waits for the disk in any case, and the
    system takes these writes into its cache as long as it can.
    """

    def __init__(self, folder: Path | None, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - payload()
        except OSError as error:
            raise _store_error("no file for a result can be made", error) from error

    def __del__(self) -> None:
        # A result that is given up half-way is simply dropped, wherever that happens.
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()

    def write(self, offset: int, data: Buffer, /) -> None:
        """Put `data` at `offset`. Raises `StoreError` if the disk does not take it."""
        view = memoryview(data)
        try:
            self._file.seek(offset)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise _store_error("a result cannot be written to disk", error) from error

    def payload(self) -> memoryview:
        """Return the bytes, mapped, once they are all there. The file goes with the last view."""
        try:
            mapped = mmap.mmap(self._file.fileno(), self._size_bytes, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno in _NO_HANDLE:
                return self._read()
            raise _store_error("a result cannot be mapped", error) from error
        finally:
            self._file.close()  # the mapping has its own hold on it
        return memoryview(mapped)

    def _read(self) -> memoryview:
        """Return the bytes in memory: a mapping needs another handle."""
        try:
            self._file.seek(0)
            return memoryview(self._file.read())
        except OSError as error:
            raise _store_error("a result cannot be read back", error) from error


def _is_out_of_handles(error: StoreError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _NO_HANDLE


def _store_error(what: str, error: OSError) -> StoreError:
    return StoreError(what, where=tempfile.gettempdir(), why=error.strerror or str(error))
