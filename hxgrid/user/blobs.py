"""The blobs that a session serves: by digest, to whoever shows its ticket, and nothing else.

Files of functions are here until the session ends. Answers to `get_data` are held by who asked for
them and leave when nobody holds them any more. A request can name a digest only, never a path.
"""

from __future__ import annotations

import hmac
import threading
from pathlib import Path

from hxgrid.blobs.spread import SPREAD_FROM_BYTES
from hxgrid.streams.buffers import map_file
from hxgrid.streams.digests import hash_bytes
from hxgrid.wire.messages import BlobAnswer, BlobRequest

Content = bytes | memoryview


class BlobShelf:
    """Contents by digest. Added to from any thread, read by the loop."""

    def __init__(self, ticket: str) -> None:
        self._ticket = ticket
        self._lock = threading.Lock()
        self._contents: dict[str, Content] = {}
        self._holds: dict[str, int] = {}  # of those that may leave again
        self._chunks: dict[str, tuple[bytes, ...]] = {}

    def add(
        self,
        digest: str,
        content: bytes | memoryview | Path,
        chunks: tuple[bytes, ...] | None = None,
    ) -> None:
        """Serve this content until the session ends. A path is mapped and must not change.

        `chunks` are the digests of the content's chunks, where they are known already.
        """
        with self._lock:
            self._holds.pop(digest, None)  # it may no longer leave
            if digest in self._contents:
                return
        view = map_file(content) if isinstance(content, Path) else content
        known = _chunks_of(view) if chunks is None else chunks
        with self._lock:
            self._contents.setdefault(digest, view)
            self._chunks[digest] = known

    def hold(self, digest: str, content: Content, chunks: tuple[bytes, ...] | None = None) -> None:
        """Serve this content until `release` has been called as often as this."""
        known = _chunks_of(content) if chunks is None else chunks
        with self._lock:
            if digest not in self._contents:
                self._contents[digest] = content
                self._chunks[digest] = known
                self._holds[digest] = 1
            elif digest in self._holds:
                self._holds[digest] += 1

    def release(self, digest: str) -> None:
        """Undo one `hold`."""
        with self._lock:
            count = self._holds.get(digest)
            if count is None:
                return
            if count > 1:
                self._holds[digest] = count - 1
            else:
                del self._holds[digest], self._contents[digest], self._chunks[digest]

    def content(self, digest: str) -> Content | None:
        """Return a content that is here."""
        return self._contents.get(digest)

    def chunks(self, digest: str) -> tuple[bytes, ...]:
        """Return the digests of a content's chunks; none of a small one."""
        return self._chunks.get(digest, ())

    def clear(self) -> None:
        """Let everything go: the session has ended, and its object may live on for long."""
        with self._lock:
            self._contents.clear()
            self._holds.clear()

    def answer(self, request: BlobRequest) -> tuple[BlobAnswer, Content | None]:
        """Return what to tell who asks for a blob, and the content to send if there is one."""
        if not hmac.compare_digest(request.ticket, self._ticket):
            return self._no(request, "the ticket is not of this session"), None
        content = self._contents.get(request.digest)
        if content is None:
            return self._no(request, "this session has no such blob"), None
        if request.offset > len(content):
            return self._no(request, f"the blob has only {len(content)} bytes"), None
        return BlobAnswer(request=request.request, found=True, bytes=len(content)), content

    @staticmethod
    def _no(request: BlobRequest, why: str) -> BlobAnswer:
        return BlobAnswer(request=request.request, found=False, text=why)


def _chunks_of(content: Content) -> tuple[bytes, ...]:
    return hash_bytes(content).chunks if len(content) >= SPREAD_FROM_BYTES else ()
