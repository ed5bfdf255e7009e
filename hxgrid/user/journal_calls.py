"""The journal for calls of the Executor and of `map`: each call is an entry of its own.

How many calls travel as one task follows what was measured, which differs from run to run; so what
is looked for, and written down, is the single call. Its key is made of what the function is (see
`modules.identity` for those that travel by value), of its arguments, and of the source files that
travel because the arguments need them. A function that travels by reference may mean something else
on an agent tomorrow: it has a key only if the application gives one, `journal_key=`.

Used by the application's threads.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from hxgrid.logs import get_logger
from hxgrid.modules import travel
from hxgrid.modules.calls import Call, Outcome, Status
from hxgrid.modules.identity import NoIdentity, identity_of
from hxgrid.streams.digests import new_hash
from hxgrid.user.journal import Journal

MAX_TOLD: Final = 100
"""Functions of which the log says once that they are not journalled."""

_log = get_logger("user")

Plan = Callable[[Callable[..., Any]], travel.Travel]


class Recalled(NamedTuple):
    """What the journal knows of a batch of calls."""

    outcomes: tuple[Outcome | None, ...]
    """By call; None: it has to run."""
    missing: list[Call]
    """The calls that have to run."""
    keys: tuple[bytes | None, ...]
    """Of those, where their outcomes are to be kept; None: nowhere."""


class CallJournal:
    """Finds calls in a journal."""

    def __init__(self, journal: Journal, plan: Plan) -> None:
        self._journal = journal
        self._plan = plan
        self._told: set[str] = set()

    def recall(
        self, function: Callable[..., Any], calls: Sequence[Call], journal_key: str | None
    ) -> Recalled:
        """Look for the outcomes of calls of one function."""
        identity = self._identity(function, journal_key)
        if identity is None:
            return Recalled((None,) * len(calls), list(calls), (None,) * len(calls))
        outcomes: list[Outcome | None] = []
        missing: list[Call] = []
        keys: list[bytes | None] = []
        for call in calls:
            key = self._key(identity, call)
            value = None if key is None else self._journal.find_value(key)
            if value is None:
                outcomes.append(None)
                missing.append(call)
                keys.append(key)
            else:
                outcomes.append(Outcome(Status.VALUE, value))
        return Recalled(tuple(outcomes), missing, tuple(keys))

    def _key(self, identity: bytes, call: Call) -> bytes | None:
        try:
            digest, modules = identity_of(call)
        except NoIdentity as error:
            self._tell("arguments of a call", str(error))
            return None
        packages = travel.own_packages(modules)
        needed = _digest_of_files(travel.source_of(packages)) if packages else b""
        return self._journal.key_of(identity, digest + needed)

    def _identity(self, function: Callable[..., Any], journal_key: str | None) -> bytes | None:
        plan = self._plan(function)
        parts = [
            plan.kind.encode(),
            f"{plan.module}:{plan.entry}:{plan.distribution_version}".encode(),
            f"{journal_key}".encode(),
            _digest_of_files(plan.files),
        ]
        if plan.kind == "installed" and journal_key is None:
            self._tell(plan.label, "it travels by reference, and no journal_key was given")
            return None
        if plan.is_by_value:
            try:
                parts += [identity_of(function)[0], sys.implementation.cache_tag.encode()]
            except NoIdentity as error:
                self._tell(plan.label, str(error))
                return None
        return new_hash(b"".join(new_hash(part).digest() for part in parts)).digest()

    def _tell(self, what: str, why: str) -> None:
        if what not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(what)
            _log.warning("not kept in the journal", what=what, why=why)


def _digest_of_files(files: Iterable[tuple[str, Path]]) -> bytes:
    whole = new_hash()
    for name, path in sorted(files):
        status = path.stat()
        whole.update(new_hash(name.encode()).digest())
        whole.update(_digest_of(path, status.st_mtime_ns, status.st_size))
    return whole.digest()


@functools.lru_cache(maxsize=16384)
def _digest_of(path: Path, _changed_at: int, _size_bytes: int) -> bytes:
    return new_hash(path.read_bytes()).digest()
