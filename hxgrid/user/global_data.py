"""Answers to `get_data`: what a name means in this session.

The application's callback is asked once per name, however many agents want it, and its answer is
kept until the session ends or `forget_data` is called. With `volatile` it is asked for each request
of an agent, and an agent's last answer is kept until its next one.

The awkward case is a `forget_data` while the callback is being asked. Who waits gets that answer,
but nobody keeps it: neither this side nor the agents, which are told to forget before it reaches
them. Its bytes stay for as long as those agents may be fetching them, until the name is forgotten
again; an agent that is slower still asks what the name means now.

Three threads take part: the loop starts and ends each question, the callback runs on the callback
thread, and what it has given is hashed (and spilled, if memory is short) beside the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hxgrid.errors import DataUnavailable, HxGridError
from hxgrid.logs import get_logger
from hxgrid.streams import Stream
from hxgrid.streams.buffers import flat_view, map_file
from hxgrid.streams.compression import unpack
from hxgrid.streams.digests import hash_bytes
from hxgrid.user.blobs import BlobShelf, Content
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES, MAX_TEXT_CHARS
from hxgrid.wire.messages import DataAnswer, DataRequest

GetData = Callable[[str], Any]
Reply = Callable[[DataAnswer], object]
Run = Callable[[Callable[[], None]], None]
_Key = TypeVar("_Key")

_log = get_logger("user")


class _Answer(NamedTuple):
    """What a name means; no digest: nothing, and why."""

    digest: str | None
    size_bytes: int
    text: str


class _Asked:
    """One question under way, and who waits for its answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[tuple[int, Reply]] = []
        self.is_forgotten = False


class GlobalData:
    """Asks the callback, keeps the answers. Methods without a note belong to the loop's thread."""

    def __init__(
        self,
        shelf: BlobShelf,
        *,
        on_callback_thread: Run,
        beside_loop: Run,
        on_loop: Run,
        spill: Callable[[Content], Content],
    ) -> None:
        self._shelf = shelf
        self._on_callback_thread = on_callback_thread
        self._beside_loop = beside_loop
        self._on_loop = on_loop
        self._spill = spill
        self._callback: GetData | None = None
        self._is_volatile = False
        self._kept: dict[str, _Answer] = {}
        self._asked: dict[object, _Asked] = {}
        self._last: dict[tuple[str, str], str] = {}  # digest by agent and name, if volatile
        self._late: dict[str, str] = {}  # digest by name, of answers forgotten before they came

    def bind(self, callback: GetData | None, is_volatile: bool) -> None:
        """Ask this callback from now on. From any thread."""
        self._is_volatile = is_volatile
        self._callback = callback

    def forget(self, names: list[str] | None) -> None:
        """Ask again for these names (None: all) when they are wanted next."""
        for name in list(self._kept) if names is None else names:
            answer = self._kept.pop(name, None)
            if answer is not None and answer.digest is not None:
                self._shelf.release(answer.digest)
        for name in list(self._late) if names is None else names:
            self._keep(self._late, name, None)
        # What is just being asked for was asked before this call: it must not be kept.
        for asked in self._asked.values():
            if names is None or asked.name in names:
                asked.is_forgotten = True

    def request(self, agent: str, request: DataRequest, reply: Reply) -> None:
        """Answer an agent, at once or when the callback has been asked."""
        name = request.name
        kept = None if self._is_volatile else self._kept.get(name)
        if kept is not None:
            reply(_document(request.request, kept, False))
            return
        key: object = (agent, name) if self._is_volatile else name
        asked = self._asked.get(key)
        if asked is None or asked.is_forgotten:
            asked = self._asked[key] = _Asked(name)
            self._on_callback_thread(partial(self._ask, key, name, asked))
        asked.waiting.append((request.request, reply))

    # -- on the callback thread

    def _ask(self, key: object, name: str, asked: _Asked) -> None:
        callback = self._callback
        if callback is None:
            text = "the application has bound no callback: session.bind_get_data(...)"
            self._on_loop(partial(self._end, key, asked, _Answer(None, 0, text)))
            return
        try:
            given = callback(name)
            content = _content(given)
        except DataUnavailable as error:
            # Said on purpose, in words meant for people: nothing has gone wrong in the callback.
            _log.warning("there are no data of this name", name=name, reason=error.headline)
            answer = _Answer(None, 0, error.headline[:MAX_TEXT_CHARS])
            self._on_loop(partial(self._end, key, asked, answer))
            return
        except BaseException as error:  # noqa: BLE001 - the application's; the task is told
            _log.exception("get_data callback raised", name=name)
            text = f"the application's callback raised {type(error).__name__}: {error}"
            answer = _Answer(None, 0, text[:MAX_TEXT_CHARS])
            self._on_loop(partial(self._end, key, asked, answer))
            return
        if content is None:
            answer = _Answer(None, 0, "the application's callback returned None")
            self._on_loop(partial(self._end, key, asked, answer))
            return
        self._beside_loop(partial(self._digest, key, asked, content))

    # -- beside the loop

    def _digest(self, key: object, asked: _Asked, content: Content) -> None:
        try:
            content = self._spill(content)
            found = hash_bytes(content)
            self._shelf.hold(found.digest, content, found.chunks)
            answer = _Answer(found.digest, len(content), "")
        except HxGridError as error:
            answer = _Answer(None, 0, str(error))
        self._on_loop(partial(self._end, key, asked, answer))

    # -- on the loop's thread

    def _end(self, key: object, asked: _Asked, answer: _Answer) -> None:
        if self._asked.get(key) is asked:
            del self._asked[key]
        is_volatile = isinstance(key, tuple)
        if isinstance(key, tuple):
            self._keep(self._last, key, answer.digest)
        elif asked.is_forgotten:
            self._keep(self._late, asked.name, answer.digest)
        elif answer.digest is not None:
            self._kept[asked.name] = answer
        for request, reply in asked.waiting:
            reply(_document(request, answer, is_volatile))

    def _keep(self, kept: dict[_Key, str], key: _Key, digest: str | None) -> None:
        """Hold the bytes of an answer instead of those of the one before."""
        before = kept.pop(key, None)
        if before is not None:
            self._shelf.release(before)
        if digest is not None:
            kept[key] = digest


def _document(request: int, answer: _Answer, is_volatile: bool) -> DataAnswer:
    return DataAnswer(
        request=request,
        found=answer.digest is not None,
        digest=answer.digest,
        bytes=answer.size_bytes,
        volatile=is_volatile,
        text=answer.text,
    )


def _content(given: Any) -> Content | None:
    """Return what a callback has given as bytes that nobody else will change."""
    if given is None:
        return None
    if isinstance(given, str):
        raise TypeError("a get_data callback returns bytes, a Stream, a pathlib.Path or None")
    if isinstance(given, Path):
        return map_file(given)
    if isinstance(given, Stream) and given.is_compressed:
        return unpack(given.getbuffer(), given.raw_size, MAX_PAYLOAD_BYTES)
    if isinstance(given, Stream):
        # A read-only view of its bytes; one that shares its stream may return it again.
        return given.getbuffer() if given.readonly else given.getvalue()
    if isinstance(given, bytes):
        return given
    return bytes(flat_view(given))
