"""The blob store on an agent's disk: quota, least recently used first out, pins, verification.

Blobs stand as files named by their digest under `blobs/`; what is being received stands under
`partial/`, which is emptied at every start. A folder belongs to one process at a time, by a file
lock; a second agent on the same computer takes the next folder. A blob is verified while it is
received, and once more the first time it is opened after a start, because a disk may have lost
what a crash left behind. Blobs in use are pinned and never removed; one blob of any size fits a
store that holds nothing else.

Threads: the agent's loop asks (`contains`, `pin`) and a side thread does what waits for the disk
(`path_of`, `BlobWriter`); a lock guards the tables and is never held during disk work of size.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

from hxgrid.errors import StoreError
from hxgrid.streams.digests import CHUNK_BYTES, ChunkHasher, digest_file

if sys.platform == "win32":
    from hxgrid.streams.lock_windows import try_lock
else:
    from hxgrid.streams.lock_posix import try_lock

_log = logging.getLogger(__name__)

MAX_FOLDERS = 64
"""Agents on one computer that may have a store each."""


class _Entry:
    __slots__ = ("is_verified", "pins", "size")

    def __init__(self, size: int, is_verified: bool) -> None:
        self.size = size
        self.is_verified = is_verified
        self.pins = 0


class DamagedBlob(StoreError):
    """What has arrived is not what the digest names."""

    def __init__(self, headline: str, *, why: str, good_bytes: int | None = None) -> None:
        super().__init__(headline, why=why)
        self.can_go_on = good_bytes is not None
        """The writer waits for the rest; else it has thrown everything away."""
        self.good_bytes = good_bytes or 0


class BlobWriter:
    """Receives one blob in order and puts it into the store if its digest is right.

    With the digests of the blob's chunks, each chunk is checked when it is whole; after a wrong one
    the writer stands at the beginning of that chunk and takes it again.
    """

    def __init__(
        self, store: BlobStore, digest: str, size: int, path: Path, chunks: Sequence[bytes] = ()
    ) -> None:
        self.digest = digest
        self.size = size
        self.path = path
        """Where the bytes are until the blob is whole."""
        self.written_bytes = 0
        self.checked_bytes = 0
        """Of these, in chunks whose digest is right; 0 where chunks cannot be checked."""
        self._store = store
        self._chunks = chunks
        self._hasher = ChunkHasher()
        self._file: IO[bytes] | None = None

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Append the next piece.

        Raises `DamagedBlob` if a chunk is wrong, and `StoreError` if the disk does not take it.
        """
        if offset != self.written_bytes or offset + len(data) > self.size:
            raise StoreError(
                f"piece at {offset} of blob {self.digest[:12]} is not the next one",
                why=f"{self.written_bytes} of {self.size} bytes are here",
            )
        try:
            if self._file is None:
                self._file = self.path.open("wb", buffering=0)
                if self._chunks:
                    # What is checked may be passed on at once, out of a mapping of the whole.
                    self._file.truncate(self.size)
            _write_all(self._file, data)
        except OSError as error:
            raise self._store.disk_error(error, f"writing blob {self.digest[:12]}") from error
        self._hasher.update(data)
        self.written_bytes += len(data)
        if self._chunks:
            self._check()

    def finish(self) -> Path:
        """Check size and digest and give the blob's path; it is pinned once for the caller.

        Raises `DamagedBlob` (the file is gone then) if it is not what the digest names.
        """
        try:
            if self._file is None:
                self._file = self.path.open("wb")
            self._file.close()
        except OSError as error:
            self.abort()
            raise self._store.disk_error(error, f"writing blob {self.digest[:12]}") from error
        found = self._hasher.result()
        if found.size_bytes != self.size or found.digest != self.digest:
            self.abort()
            raise DamagedBlob(
                f"blob {self.digest[:12]} arrived damaged",
                why=f"{found.size_bytes} of {self.size} bytes, digest {found.digest[:12]}",
            )
        return self._store.adopt(self, self.path)

    def abort(self) -> None:
        """Drop what has arrived; harmless at any time before `finish` and after."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._store.abandon(self)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _check(self) -> None:
        """Compare the chunks that have become whole with what they should be."""
        good = self.checked_bytes // CHUNK_BYTES
        for found in self._hasher.chunks[good:]:
            if found != self._chunks[good]:
                self._go_back(good)
            good += 1
        self.checked_bytes = good * CHUNK_BYTES
        if self.written_bytes == self.size and self.checked_bytes < self.size:
            if self._hasher.result().chunks[-1] != self._chunks[-1]:
                self._go_back(good)
            self.checked_bytes = self.size

    def _go_back(self, good: int) -> NoReturn:
        self.checked_bytes = self.written_bytes = self._hasher.rewind(good)
        assert self._file is not None
        self._file.seek(self.written_bytes)
        raise DamagedBlob(
            f"chunk {good} of blob {self.digest[:12]} arrived damaged",
            why="its digest is not the one in the blob's list",
            good_bytes=self.written_bytes,
        )


class BlobStore:
    """All blobs of one agent. Open before use, close after it; closing twice is harmless."""

    def __init__(self, folder: Path, quota_bytes: int) -> None:
        self.folder = folder
        self.quota_bytes = quota_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        """By digest, least recently used first."""
        self._reserved: dict[int, int] = {}
        """Bytes promised to writers that have not finished, by the writer's identity."""
        self._lock = threading.Lock()
        self._claim: IO[bytes] | None = None
        self._counter = 0

    @classmethod
    def open_first_free(cls, base: Path, quota_bytes: int) -> BlobStore:
        """Open the first folder below `base` that no other process uses."""
        for number in range(MAX_FOLDERS):
            store = cls(base / f"store-{number}", quota_bytes)
            if store.open():
                return store
        raise StoreError(f"{MAX_FOLDERS} stores are in use", where=str(base))

    def open(self) -> bool:
        """Claim the folder and list what it holds; False if another process has it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Whatever the umask says: what is in there is other people's data and code.
            self.folder.chmod(0o700)
            self._claim = (self.folder / "in-use.lock").open("ab")
            if not try_lock(self._claim.fileno()):
                self.close()
                return False
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(exist_ok=True)
            self._blobs.mkdir(exist_ok=True)
            self._list()
        except OSError as error:
            self.close()
            raise self.disk_error(error, "opening the blob store") from error
        return True

    def close(self) -> None:
        """Give the folder back. The blobs stay for the next start."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    @property
    def used_bytes(self) -> int:
        """Bytes of blobs here and of those that are being received."""
        with self._lock:
            return self._used()

    def contains(self, digest: str) -> bool:
        """Say whether the blob is here, without touching the disk."""
        with self._lock:
            return digest in self._entries

    def is_verified(self, digest: str) -> bool:
        """Say whether `path_of` would answer without reading the whole blob."""
        with self._lock:
            entry = self._entries.get(digest)
            return entry is not None and entry.is_verified

    def path_of(self, digest: str) -> Path | None:
        """Give the blob's file and mark it used; None if it is not here or was found damaged.

        Reads the whole file the first time after a start: not for the loop's thread, unless
        `is_verified`.
        """
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                return None
            self._entries.move_to_end(digest)
            if entry.is_verified:
                return self._path(digest)
            entry.pins += 1
        try:
            is_right = digest_file(self._path(digest)) == digest
            os.utime(self._path(digest))
        except OSError:
            is_right = False
        with self._lock:
            entry.pins -= 1
            entry.is_verified = is_right
        if is_right:
            return self._path(digest)
        _log.warning("damaged blob removed digest=%s", digest)
        self._remove(digest)
        return None

    def pin(self, digest: str) -> bool:
        """Keep the blob until `unpin`; False if it is not here."""
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                return False
            entry.pins += 1
            return True

    def unpin(self, digest: str) -> None:
        """Take one `pin` back."""
        with self._lock:
            entry = self._entries.get(digest)
            if entry is not None and entry.pins > 0:
                entry.pins -= 1

    def begin(self, digest: str, size: int, chunks: Sequence[bytes] = ()) -> BlobWriter:
        """Make room for a blob and give what receives it; `chunks` are the digests of its chunks.

        Raises `StoreError` if it is larger than the quota and something pinned is here too, or
        if what is pinned leaves no room.
        """
        with self._lock:
            victims = self._victims(size)
            self._counter += 1
            writer = BlobWriter(self, digest, size, self._partial / f"{self._counter}.part", chunks)
            self._reserved[id(writer)] = size
        for victim in victims:
            self._remove(victim)
        return writer

    def adopt(self, writer: BlobWriter, partial: Path) -> Path:
        """Take over a received and verified file; the blob is pinned once. For `BlobWriter`."""
        digest = writer.digest
        path = self._path(digest)
        try:
            path.parent.mkdir(exist_ok=True)
            partial.replace(path)
        except OSError as error:
            raise self.disk_error(error, f"storing blob {digest[:12]}") from error
        with self._lock:
            self._reserved.pop(id(writer), None)
            entry = self._entries.get(digest)
            if entry is None:
                entry = self._entries[digest] = _Entry(writer.size, is_verified=True)
            entry.is_verified = True
            entry.pins += 1
            self._entries.move_to_end(digest)
        return path

    def abandon(self, writer: BlobWriter) -> None:
        """Give back the room that `begin` reserved. For `BlobWriter`."""
        with self._lock:
            self._reserved.pop(id(writer), None)

    def drop_unpinned(self) -> int:
        """Remove every blob that is not in use; gives the bytes freed."""
        with self._lock:
            victims = [key for key, entry in self._entries.items() if entry.pins == 0]
            freed = sum(self._entries[key].size for key in victims)
        for victim in victims:
            self._remove(victim)
        return freed

    def disk_error(self, error: OSError, doing: str) -> StoreError:
        """Translate what the system said."""
        return StoreError(
            f"{doing} failed",
            where=str(self.folder),
            why=error.strerror or str(error),
            advice="Free space on that disk, or set [agent] store_folder to another one.",
        )

    @property
    def _blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def _partial(self) -> Path:
        return self.folder / "partial"

    def _path(self, digest: str) -> Path:
        return self._blobs / digest[:2] / digest

    def _used(self) -> int:
        return sum(entry.size for entry in self._entries.values()) + sum(self._reserved.values())

    def _victims(self, size: int) -> list[str]:
        """Choose what must go so that `size` fits; called with the lock held."""
        needed = self._used() + size - self.quota_bytes
        victims = []
        for digest, entry in self._entries.items():
            if needed <= 0:
                break
            if entry.pins == 0:
                victims.append(digest)
                needed -= entry.size
        left = len(self._entries) - len(victims) + len(self._reserved)
        if needed > 0 and left > 0:
            raise StoreError(
                f"no room for a blob of {size} bytes",
                where=str(self.folder),
                why=f"the quota is {self.quota_bytes} bytes and {left} blobs are in use",
                advice="Raise [agent] store_quota_bytes, or run less at once.",
            )
        return victims

    def _list(self) -> None:
        found = []
        for path in self._blobs.glob("??/*"):
            state = path.stat()
            found.append((state.st_mtime, path.name, state.st_size))
        with self._lock:
            self._entries.clear()
            for _, digest, size in sorted(found):
                self._entries[digest] = _Entry(size, is_verified=False)

    def _remove(self, digest: str) -> None:
        """Delete an unpinned blob. A file that cannot go (mapped, on Windows) stays listed."""
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None or entry.pins > 0:
                return
            try:
                self._path(digest).unlink(missing_ok=True)
            except OSError as error:
                _log.info("blob stays digest=%s why=%s", digest, error)
                return
            del self._entries[digest]


def _write_all(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    view = memoryview(data)
    while view.nbytes:
        view = view[file.write(view) :]
