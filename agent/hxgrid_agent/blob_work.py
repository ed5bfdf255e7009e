"""Blobs on the side thread: looked for, written, checked; module files laid out."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, assert_never

from hxgrid.blobs.store import BlobStore, BlobWriter, DamagedBlob
from hxgrid.errors import HxGridError, StoreError
from hxgrid.logs import get_logger
from hxgrid.modules.unpack import lay_out
from hxgrid.wire.messages import FunctionOffer
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.folders import SessionFolder
from hxgrid_agent.side_thread import SideThread

_MAY_SHARE = sys.platform != "win32"
"""Whether a blob may be read by others before it is whole. On Windows a file that is mapped cannot
get its final name; neighbours wait there until it has."""


class _Written(NamedTuple):
    """What has become of a blob."""

    path: Path
    checked_bytes: int
    is_whole: bool


class BlobWork:
    """Carries the core's orders about blobs to the disk. Belongs to the loop's thread."""

    def __init__(
        self, store: BlobStore, side: SideThread, on_event: Callable[[ev.Event], None]
    ) -> None:
        self._store = store
        self._side = side
        self._on_event = on_event
        self._writers: dict[str, BlobWriter] = {}
        """Touched by the side thread alone."""
        self.lag_bytes = 0
        """Received and not yet written."""
        self._log = get_logger("agent")

    def order(self, action: act.BlobOrder) -> None:
        """Carry out one order."""
        match action:
            case act.FindBlob(digest):
                self._find(digest)
            case act.WriteBlob():
                self._write(action)
            case act.DropFetch(digest):
                self._drop(digest)
            case act.UnpinBlob(digest):
                self._store.unpin(digest)
            case _:
                assert_never(action)

    def _find(self, digest: str) -> None:

        def look() -> Path | None:
            path = self._store.path_of(digest)
            return path if path is not None and self._store.pin(digest) else None

        def tell(path: Path | None, problem: Exception | None) -> None:
            if problem is not None:
                self._log.warning("blob store cannot be read", why=problem)
            self._on_event(ev.BlobFound(digest, None if path is None else str(path)))

        self._side.run(look, tell)

    def _write(self, action: act.WriteBlob) -> None:
        digest, count = action.digest, len(action.payload)
        self.lag_bytes += count

        def tell(done: _Written | None, problem: Exception | None) -> None:
            self.lag_bytes -= count
            if problem is not None:
                good_bytes = problem.good_bytes if isinstance(problem, DamagedBlob) else 0
                is_damaged = isinstance(problem, DamagedBlob)
                self._on_event(ev.BlobBroken(digest, str(problem), is_damaged, good_bytes))
            elif done is None:
                return
            elif done.is_whole:
                self._on_event(ev.BlobStored(digest, str(done.path)))
            else:
                self._on_event(ev.BlobGrown(digest, str(done.path), done.checked_bytes))

        self._side.run(lambda: self._put(action), tell)

    def _drop(self, digest: str) -> None:
        def forget() -> None:
            writer = self._writers.pop(digest, None)
            if writer is not None:
                writer.abort()

        self._side.run(forget, _ignore)

    def lay_out(self, action: act.LayOutFunction, folder: SessionFolder) -> None:
        """Put a function's files into its session's folder."""
        handle = action.session.handle
        offer = action.function.offer
        group = action.function.place.group
        target = folder.native(group) if group else _target(offer, folder)

        def put() -> None:
            lay_out(offer.files, self._store.path_of, target)

        def tell(_: None, problem: Exception | None) -> None:
            text = _sentence(problem) if problem is not None else ""
            paths = tuple(entry.path for entry in offer.files)
            self._on_event(ev.FunctionLaidOut(handle, offer.function, str(target), paths, text))

        self._side.run(put, tell)

    def _put(self, action: act.WriteBlob) -> _Written | None:
        """Write a piece; tells what is new, if anything. On the side thread."""
        digest, size, offset, payload, chunks = action
        writer = self._writers.get(digest)
        if offset == 0 and writer is not None and writer.written_bytes:
            self._writers.pop(digest).abort()
            writer = None
        if writer is None:
            if offset:
                return None  # what came before has failed, and was reported then
            writer = self._writers[digest] = self._store.begin(digest, size, chunks)
        elif offset != writer.written_bytes:
            return None  # it was under way when what came before was found to be wrong
        before = writer.checked_bytes
        try:
            if len(payload):
                writer.write(offset, payload)
            if writer.written_bytes < size:
                has_grown = _MAY_SHARE and writer.checked_bytes > before
                return _Written(writer.path, writer.checked_bytes, False) if has_grown else None
            return _Written(self._writers.pop(digest).finish(), size, True)
        except StoreError as error:
            if not (isinstance(error, DamagedBlob) and error.can_go_on):
                self._writers.pop(digest, None)
                writer.abort()
            raise


def _target(offer: FunctionOffer, folder: SessionFolder) -> Path:
    """Choose the folder: the session's cache for task modules, unless another set's files differ.

    A task finds the files of its module set in `session_cache_directory`, as it always could; two
    versions of one file must not overwrite each other while both are in use.
    """
    names = {entry.path.casefold(): entry.digest for entry in offer.files}
    known = folder.laid_out
    if offer.kind == "module" and all(known.get(n, d) == d for n, d in names.items()):
        known.update(names)
        return folder.cache
    content = "\n".join(f"{entry.digest} {entry.path}" for entry in offer.files)
    return folder.modules / hashlib.sha256(content.encode()).hexdigest()[:16]


def _sentence(problem: Exception) -> str:
    if isinstance(problem, HxGridError):
        return problem.headline
    return f"its files cannot be laid out: {problem}"


def _ignore(_: None, problem: Exception | None) -> None:
    del problem
