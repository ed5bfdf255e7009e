"""Which offer stands for a Python callable: how it travels is decided once, then remembered.

A callable that travels by reference or as source stays what it was when it was first submitted,
as it does in this process. One that travels by value is pickled at each submission, because
what it has captured may have changed; equal pickles get the same offer.
"""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hxgrid.errors import ModuleError
from hxgrid.modules import travel
from hxgrid.streams.digests import digest_bytes
from hxgrid.user.offers import Offered
from hxgrid.wire.messages import FileEntry, FunctionOffer

PICKLE_NAME = "function.pickle"
"""What the pickled callable is called among the files of its offer."""


class OfferAdder(Protocol):
    """What numbers offers and serves their files."""

    def add(self, offer: FunctionOffer, blobs: Mapping[str, bytes]) -> Offered:
        """Number an offer, with the contents of its files by digest."""


class FunctionBook:
    """The callables of one session by how they travel. Usable from any thread."""

    def __init__(self, adder: OfferAdder) -> None:
        self._adder = adder
        self._lock = threading.Lock()
        self._plans: dict[Callable[..., Any], travel.Travel] = {}
        """Of callables that do not travel by value."""
        self._offered: dict[tuple[travel.Travel, frozenset[str]], Offered] = {}

    def plan(self, function: Callable[..., Any]) -> travel.Travel:
        """Decide how it travels. Raises `ModuleError` if it cannot, or cannot be called."""
        if not callable(function):
            raise ModuleError(f"a function is wanted, and {function!r:.200} cannot be called")
        try:
            known = self._plans.get(function)
        except TypeError:  # not hashable
            return travel.plan(function)
        if known is not None:
            return known
        plan = travel.plan(function)
        if not plan.is_by_value:
            self._plans[function] = plan
        return plan

    def find(self, plan: travel.Travel, modules: Iterable[str]) -> Offered:
        """Return the number of a planned function whose arguments refer to these modules."""
        packages = travel.own_packages(modules)
        key = (plan, packages)
        with self._lock:
            offered = self._offered.get(key)
            if offered is None:
                offered = self._offered[key] = self._add(plan, packages)
            return offered

    def _add(self, plan: travel.Travel, packages: frozenset[str]) -> Offered:
        files = dict(plan.files)
        files.update(travel.source_of(packages))
        contents: dict[str, bytes] = {}
        if plan.is_by_value:
            contents[PICKLE_NAME] = plan.pickled
        for name, path in files.items():
            contents[name] = _read(path)
        entries = []
        blobs: dict[str, bytes] = {}
        for name, content in contents.items():
            digest = digest_bytes(content)
            blobs[digest] = content
            entries.append(FileEntry(path=name, digest=digest, bytes=len(content)))
        return self._adder.add(_offer(plan, tuple(entries)), blobs)


def _offer(plan: travel.Travel, files: tuple[FileEntry, ...]) -> FunctionOffer:
    by_value = plan.is_by_value
    return FunctionOffer(
        function=0,
        kind=plan.kind,
        module=plan.module,
        entry=plan.entry,
        files=files,
        distribution=plan.distribution,
        distribution_version=plan.distribution_version,
        python_implementation=platform.python_implementation() if by_value else "",
        python_version=f"{sys.version_info[0]}.{sys.version_info[1]}" if by_value else "",
        label=plan.label,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModuleError(
            f"source file {str(path)!r} cannot be read", why=error.strerror or str(error)
        ) from error
