"""A journal on disk: opened, read, appended to, compacted. See `journal_format` for its bytes.

The file beside it with `.lock` behind the name is locked as long as the journal is open, and says
by whom; the system lets go of the lock when the process ends, however it ends. It stays when the
journal is closed: removing it would let two programs lock two different files of that name.

Written is at the end only. When that fails (the disk is full), what was written of the record is
cut off again, nothing more is written, and what is there can still be read.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hxgrid.errors import ConfigError, StoreError
from hxgrid.logs import get_logger
from hxgrid.user import journal_format as fmt
from hxgrid.user.journal_format import Head, Kind
from hxgrid.user.journal_index import JournalIndex

if sys.platform == "win32":
    from hxgrid.streams.lock_windows import try_lock
else:
    from hxgrid.streams.lock_posix import try_lock

_LOCK_SUFFIX: Final = ".lock"
_NEW_SUFFIX: Final = ".new"

_log = get_logger("user")


class JournalFile:
    """One open journal. Reading and writing may be done by different threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = JournalIndex()
        self.size_bytes = 0
        """Where the next record goes."""
        self.problem = ""
        """Why nothing is written any more; empty while all is well."""
        self._file: Any = None
        self._lock_file: int | None = None
        self._access = threading.Lock()  # the file has one position

    # -- opening and closing

    def open(self) -> None:
        """Lock it, read what it holds, cut off what was not finished, and begin a run.

        Raises `ConfigError` if another program has it, it is no journal, one of another version,
        or cannot be read and written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock()
            self._open_file()
            if self.index.is_worth_compacting(self.size_bytes):
                self._compact()
        except OSError as error:
            self.close()
            raise self._refused("cannot be opened", error.strerror or str(error)) from error
        except BaseException:
            self.close()
            raise
        self.append([fmt.pack_record(Kind.RUN, b"")])
        self.index.run += 1

    def close(self) -> None:
        """Let go of it. Twice is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # -- writing

    def append(self, pieces: Sequence[Any]) -> int | None:
        """Write one or more whole records, given in pieces; return where, or None if it failed."""
        if self.problem or self._file is None:
            return None
        at = self.size_bytes
        try:
            with self._access:
                self._file.seek(at)
                for piece in pieces:
                    at += _write_all(self._file, piece)
        except OSError as error:
            self._stop_writing(error.strerror or str(error))
            return None
        start, self.size_bytes = self.size_bytes, at
        return start

    def sync(self) -> None:
        """Have the system put on the disk what was written."""
        if self._file is None or self.problem:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._stop_writing(error.strerror or str(error))

    # -- reading

    def head_at(self, at: int) -> Head | None:
        """Return the head of the record there."""
        return fmt.read_head(self._read(at, fmt.HEAD_BYTES), at)

    def small_result(self, at: int, size_bytes: int, key: bytes) -> tuple[Head, bytes] | None:
        """Return a whole record of this size and key at once; None if it is not there, or damaged.

        From any thread.
        """
        record = self._read(at, size_bytes)
        head = fmt.read_head(record, at)
        if head is None or head.key != key or head.end_at != at + len(record):
            return None
        body = record[fmt.HEAD_BYTES : -fmt.TAIL_BYTES]
        return (head, body) if fmt.is_body_whole(head, (body,), record[-fmt.TAIL_BYTES :]) else None

    def pieces_of(self, head: Head) -> Iterator[bytes]:
        """Give the body of a record. Raises `StoreError` at its end if it is not what it was."""
        crc_head = fmt.pack_head(
            Kind(head.kind),
            head.body_bytes,
            flags=head.flags,
            node=head.node,
            raw_bytes=head.raw_bytes,
            key=head.key,
        )
        crc = crc_head[-4:]
        at, end = head.body_at, head.body_at + head.body_bytes
        while at < end:
            piece = self._read(at, min(fmt.PIECE_BYTES, end - at))
            if not piece:
                break
            crc = fmt.body_crc(crc, (piece,))
            at += len(piece)
            yield piece
        if at < end or self._read(end, fmt.TAIL_BYTES) != crc:
            raise StoreError("an entry of the journal is damaged", where=str(self.path))

    # -- inside

    def _lock(self) -> None:
        path = self.path.with_name(self.path.name + _LOCK_SUFFIX)
        self._lock_file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(self._lock_file):
            holder = b""
            with contextlib.suppress(OSError):
                holder = os.pread(self._lock_file, 256, 1) if hasattr(os, "pread") else b""
            who = holder.decode("utf-8", "replace").strip()
            raise ConfigError(
                f"journal {self.path} is in use by {who or 'another program'}",
                advice="Two programs cannot write one journal: name another, or wait.",
            )
        program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
        # The first byte is what Windows locks; nobody can read it meanwhile.
        text = f" process {os.getpid()} ({program})"
        os.ftruncate(self._lock_file, 0)
        os.write(self._lock_file, text.encode("utf-8", "replace"))

    def _open_file(self) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        size = os.fstat(descriptor).st_size
        start = self._read(0, fmt.FILE_BYTES)
        if fmt.may_become_journal(start):
            self._file.seek(0)
            self._file.truncate()
            _write_all(self._file, fmt.pack_file_head())
            self.size_bytes = fmt.FILE_BYTES
            return
        version = fmt.version_of(start)
        if version is None:
            raise self._refused("is no journal", "its beginning is not that of one")
        if version != fmt.VERSION:
            raise self._refused(
                f"was written by another version of hxGrid: its format is {version}",
                f"this version reads and writes format {fmt.VERSION}",
            )
        self._load(size)

    def _load(self, size: int) -> None:
        read = _ReadAhead(self._read)
        end = fmt.FILE_BYTES
        for head, body in fmt.scan(read, size):
            self.index.take(head, body)
            end = head.end_at
        if end < size:
            _log.info("unfinished end of a journal cut off", journal=self.path, bytes=size - end)
            self._file.truncate(end)
        self.size_bytes = end

    def _compact(self) -> None:
        """Copy what is of use to a new file and let it take the place of the old one."""
        before, new = self.size_bytes, self.path.with_name(self.path.name + _NEW_SUFFIX)
        try:
            with new.open("wb", buffering=0) as file:
                self._copy_kept(file)
                os.fsync(file.fileno())
            self._file.close()
            new.replace(self.path)
        except (OSError, StoreError) as error:
            # A journal that is too large is better than none.
            _log.warning("journal not compacted", journal=self.path, why=error)
            with contextlib.suppress(OSError):
                new.unlink()
        self._file.close()
        self.index = JournalIndex()
        self._open_file()
        _log.info("journal compacted", journal=self.path, was=before, bytes=self.size_bytes)

    def _copy_kept(self, file: Any) -> None:
        _write_all(file, fmt.pack_file_head())
        wanted: set[int] = set()
        for _, place in self.index.kept():
            number = place.node
            while number and number not in wanted and number in self.index.nodes:
                wanted.add(number)
                number = self.index.nodes[number].parent
        for number in sorted(wanted):
            _write_all(file, fmt.pack_node(self.index.nodes[number]))
        run = None
        for _, place in sorted(self.index.kept(), key=lambda item: (item[1].run, item[1].at)):
            if place.run != run:
                run = place.run
                _write_all(file, fmt.pack_record(Kind.RUN, b""))
            head = self.head_at(place.at)
            if head is not None:
                self._copy(head, file)

    def _copy(self, head: Head, file: Any) -> None:
        start = file.tell()
        try:
            _write_all(file, self._read(head.at, fmt.HEAD_BYTES))
            for piece in self.pieces_of(head):
                _write_all(file, piece)
            _write_all(file, self._read(head.end_at - fmt.TAIL_BYTES, fmt.TAIL_BYTES))
        except StoreError:
            # Damaged: it would not be used anyway.
            file.seek(start)
            file.truncate()

    def _read(self, at: int, size: int) -> bytes:
        parts: list[bytes] = []
        with self._access:
            self._file.seek(at)
            while size and (part := self._file.read(size)):
                parts.append(part)
                size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _stop_writing(self, why: str) -> None:
        self.problem = why
        with contextlib.suppress(OSError):
            self._file.truncate(self.size_bytes)
        _log.warning(
            "the journal takes no more, the job goes on without it", journal=self.path, why=why
        )

    def _refused(self, what: str, why: str) -> ConfigError:
        return ConfigError(
            f"journal {self.path} {what}",
            why=why,
            advice="Name another file, or remove this one if it is not needed.",
        )


class _ReadAhead:
    """Reads a file in large pieces for whoever wants it in small ones, from front to back."""

    def __init__(self, read: fmt.Reader) -> None:
        self._read = read
        self._at = 0
        self._data = b""

    def __call__(self, at: int, size: int, /) -> bytes:
        if at < self._at or at + size > self._at + len(self._data):
            self._at, self._data = at, self._read(at, max(size, fmt.PIECE_BYTES))
        start = at - self._at
        return self._data[start : start + size]


def _write_all(file: Any, piece: Any) -> int:
    view = memoryview(piece)
    size = view.nbytes
    while view:
        view = view[file.write(view) :]
    return size
