"""What functions a session offers, and the files that they consist of.

`run_task` names a file and a function each time, and must not read the file each time. So what was
found is kept by (modules, function, time limit) and looked at again at most once per second: only
if a file's size or time has changed is it read anew. Equal contents get the same number, whatever
they are called by, so an agent is told of a function once.

Shared libraries run where they were made for: what system and processor that is stands in the file,
and an agent that is of another kind is not offered the function.

Filled by the application's threads, read by the loop. A number, once given, always means the same.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from hxgrid.errors import ConfigError, ModuleError
from hxgrid.logs import get_logger
from hxgrid.modules import images
from hxgrid.modules.sets import ModuleSet
from hxgrid.streams.digests import hash_bytes, new_hash
from hxgrid.user.blobs import BlobShelf
from hxgrid.user.core.requirements import Requirements
from hxgrid.wire.limits import MAX_NAME_CHARS
from hxgrid.wire.messages import FileEntry, FunctionOffer

LOOK_AGAIN_S: Final = 1.0
"""A changed file is noticed after so long at the latest. Asking the system each time would double
the cost of submitting a small task."""

Modules = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ModuleSet

_ANY: Final = "any"
_NOT_IDENTITY: Final = {"function", "label", "time_limit_s", "no_progress_limit_s"}
_log: Final = get_logger("user")


class Offered(NamedTuple):
    """A function by its number, and what an agent must be to run it (None: any will do)."""

    id: int
    requires: Requirements | None = None


class Limits(NamedTuple):
    """After which time an attempt is ended; None: never."""

    time_limit_s: float | None
    no_progress_limit_s: float | None


class _Found(NamedTuple):
    offered: Offered
    stamp: tuple[tuple[str, int, int], ...]  # path, time, size of each file
    look_again_at: float


class OfferBook:
    """Numbers the functions of a session and knows the document of each."""

    def __init__(self, shelf: BlobShelf, look_again_s: float = LOOK_AGAIN_S) -> None:
        self._shelf = shelf
        self._look_again_s = look_again_s
        self._lock = threading.Lock()  # guards numbering; looking up needs none
        self._found: dict[object, _Found] = {}
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}  # by contents
        self._documents: dict[int, Mapping[str, FunctionOffer]] = {}  # by platform
        self._identities: dict[int, bytes] = {}

    def find(
        self,
        modules: Any,
        function: Any,
        time_limit_s: Any,
        no_progress_limit_s: Any = None,
    ) -> Offered:
        """Return the number of a function (a text) in module files (`Modules`).

        Arguments may be whatever the application gave: they are checked when seen for the first
        time. Raises `ModuleError` if a file is missing or cannot be read, `ConfigError` for limits
        that are none.
        """
        if not isinstance(modules, (str, os.PathLike, ModuleSet)):
            modules = tuple(modules)
        key = (modules, function, time_limit_s, no_progress_limit_s)
        found = self._found.get(key)
        if found is not None and time.monotonic() < found.look_again_at:
            return found.offered
        limits = {"time_limit_s": time_limit_s, "no_progress_limit_s": no_progress_limit_s}
        return self._look(key, modules, function, limits)

    def add(self, offer: FunctionOffer, blobs: Mapping[str, bytes | Path]) -> Offered:
        """Number an offer that somebody else has made, with the contents of its files by digest."""
        for digest, content in blobs.items():
            self._shelf.add(digest, content)
        return Offered(self._number({_ANY: offer}))

    def document(self, number: int, platform: str) -> FunctionOffer | None:
        """Return what to tell an agent of this platform, such as "linux-x86_64", or None."""
        documents = self._documents[number]
        for name in (platform, platform.partition("-")[0], _ANY):
            if name in documents:
                return documents[name]
        return None

    def takes_calls(self, number: int) -> bool:
        """Say whether a function is called as those of the Executor are."""
        first = next(iter(self._documents[number].values()))
        return first.kind in ("pickle", "source", "installed")

    def identity(self, number: int) -> bytes:
        """Return what function a number means, as a digest: the same in another run.

        How long it may run is no part of that.
        """
        found = self._identities.get(number)
        if found is None:
            contents = "".join(
                f"{platform} {offer.model_dump_json(exclude=_NOT_IDENTITY)}\n"
                for platform, offer in sorted(self._documents[number].items())
            )
            found = self._identities[number] = new_hash(contents.encode()).digest()
        return found

    # -- inside

    def _look(
        self,
        key: object,
        modules: str | os.PathLike[str] | tuple[str | os.PathLike[str], ...] | ModuleSet,
        function: Any,
        given: Mapping[str, Any],
    ) -> Offered:
        if not isinstance(function, str) or not 0 < len(function) <= MAX_NAME_CHARS:
            raise ModuleError(f"a function is named by a text, not by {function!r}")
        for name, limit_s in given.items():
            if limit_s is not None and not _is_time_limit(limit_s):
                raise ConfigError(f"{name} must be a positive number, not {limit_s!r}")
        limits = Limits(**given)
        module_set = modules if isinstance(modules, ModuleSet) else ModuleSet(modules)
        files = {platform: module_set.files(platform) for platform in module_set.platforms}
        stamp = _stamp(path for named in files.values() for _, path in named)
        found = self._found.get(key)
        if found is not None and found.stamp == stamp:
            offered = found.offered
        else:
            documents: dict[str, FunctionOffer] = {}
            for platform, named in files.items():
                fit, offer = self._make(platform, named, function, limits)
                if fit in documents:
                    raise ModuleError(f"two variants of a module set are for {fit}")
                documents[fit] = offer
            # Made once and shared: a job's tasks wait together if they require the same object.
            requires = None if _ANY in documents else Requirements(platforms=tuple(documents))
            offered = Offered(self._number(documents), requires)
        self._found[key] = _Found(offered, stamp, time.monotonic() + self._look_again_s)
        return offered

    def _make(
        self,
        platform: str,
        named: Iterable[tuple[str, Path]],
        function: str,
        limits: Limits,
    ) -> tuple[str, FunctionOffer]:
        """Return for which platform the files are, more exactly than was said, and the offer."""
        entries = []
        contents: dict[str, bytes] = {}
        for name, path in named:
            # In memory and not mapped: a compiler may write a new file while we serve this one.
            content = contents[name] = _read(path)
            found = hash_bytes(content)
            self._shelf.add(found.digest, content, found.chunks)
            entries.append(FileEntry(path=name, digest=found.digest, bytes=len(content)))
        is_native = images.is_native(entries[0].path)
        if is_native:
            platform = _checked_platform(platform, contents)
        return platform, FunctionOffer(
            function=0,
            kind="native" if is_native else "module",
            entry=function,
            files=tuple(entries),
            time_limit_s=limits.time_limit_s,
            # Native functions have no way to report.
            no_progress_limit_s=None if is_native else limits.no_progress_limit_s,
            label=f"{entries[0].path}:{function}"[:MAX_NAME_CHARS],
        )

    def _number(self, documents: Mapping[str, FunctionOffer]) -> int:
        contents = tuple(
            (platform, offer.model_dump_json(exclude={"function", "label"}))
            for platform, offer in sorted(documents.items())
        )
        with self._lock:
            number = self._numbers.get(contents)
            if number is None:
                number = len(self._numbers) + 1
                self._documents[number] = {
                    platform: offer.model_copy(update={"function": number})
                    for platform, offer in documents.items()
                }
                self._numbers[contents] = number
        return number


def _checked_platform(platform: str, contents: Mapping[str, bytes]) -> str:
    """Return what kind of computer shared libraries are for; warn of what they will not find."""
    found = {name: images.read_image(content) for name, content in contents.items()}
    first = next(iter(contents))
    image = found[first]
    if image is None:
        raise ModuleError(
            f"module file {first!r} is no shared library", why="its contents cannot be read as one"
        )
    if platform not in (_ANY, image.system, image.platform):
        raise ModuleError(f"module file {first!r} is for {image.platform}, not for {platform}")
    known = [(name, each) for name, each in found.items() if each is not None]
    for name, library in images.missing(known):
        _log.warning(
            "a module needs a library that is neither listed nor part of the system",
            module=name,
            library=library,
        )
    return image.platform


def _stamp(paths: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    stamps = []
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        stamps.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(stamps)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ModuleError:
    return ModuleError(
        f"module file {str(path)!r} cannot be read", why=error.strerror or str(error)
    )


def _is_time_limit(given: Any) -> bool:
    return isinstance(given, (int, float)) and 0 < given < float("inf")
