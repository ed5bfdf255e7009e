"""Where large results are put while they arrive: memory, or a file when memory is short."""

from __future__ import annotations

import ctypes
import errno
import mmap
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path

from hxgrid.errors import StoreError
from hxgrid.transport.system import raise_handle_limit
from hxgrid.wire.batches import Buffer

HANDLES = 1 << 16
"""File handles asked of the system when results go to disk: each holds one as long as it lives."""

SPARE_BYTES = 64 * 1024 * 1024
"""What is kept of the memory that results have left."""

_NO_HANDLE = (errno.EMFILE, errno.ENFILE)


class ResultMemory:
    """Bounds what large results hold in memory until the application has let go of them.

    A little of what they leave is kept for the next ones: memory fresh from the system costs
    several times as much to fill as memory that was filled before.
    """

    def __init__(self, folder: Path | None, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._folder = folder
        self._has_asked_for_handles = False
        self._lock = threading.Lock()
        self._used_bytes = 0  # before what `_given_back` says
        # Results go on any thread, even inside of what another of their memory is doing, so these
        # two are filled without the lock.
        self._given_back: deque[int] = deque()
        self._spares: list[bytearray] = []

    @property
    def used_bytes(self) -> int:
        """What results hold in memory now."""
        with self._lock:
            while self._given_back:
                self._used_bytes -= self._given_back.popleft()
            return self._used_bytes

    @property
    def spare_bytes(self) -> int:
        """What is kept for results to come."""
        return sum(map(len, self._spares))

    def place(self, size_bytes: int) -> ResultBuffer | ResultFile:
        """Return where to put a result of this size. Raises `StoreError` if there is no room."""
        if self.used_bytes + size_bytes <= self.limit_bytes:
            try:
                return self._buffer(size_bytes)
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
            return self._buffer(size_bytes)

    def _buffer(self, size_bytes: int) -> ResultBuffer:
        memory = self._take_spare(size_bytes) or bytearray(size_bytes)
        buffer = ResultBuffer(memory, size_bytes, self._take_back)
        with self._lock:
            self._used_bytes += size_bytes
        return buffer

    def _take_spare(self, size_bytes: int) -> bytearray | None:
        with self._lock:
            for index, spare in enumerate(self._spares):
                if size_bytes <= len(spare) <= 2 * size_bytes:
                    return self._spares.pop(index)
        return None

    def _take_back(self, memory: bytearray, size_bytes: int) -> None:
        """Count a result's memory as free; on any thread, so it takes no lock."""
        self._given_back.append(size_bytes)
        if len(memory) + self.spare_bytes <= SPARE_BYTES:
            self._spares.append(memory)


class ResultBuffer:
    """Memory that counts until nobody refers to it any more, views of its bytes included."""

    def __init__(
        self, memory: bytearray, size_bytes: int, on_gone: Callable[[bytearray, int], None]
    ) -> None:
        # All views refer to this object, and unlike a bytearray it tells when it goes.
        owner = (ctypes.c_char * size_bytes).from_buffer(memory)
        weakref.finalize(owner, on_gone, memory, size_bytes).atexit = False
        self._view = memoryview(owner).cast("B")

    def write(self, offset: int, data: Buffer, /) -> None:
        """Put `data` at `offset`."""
        self._view[offset : offset + len(data)] = data

    def payload(self) -> memoryview:
        """Return the bytes, once they are all there."""
        return self._view.toreadonly()


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
