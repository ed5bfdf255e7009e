"""Which process of a session a function runs in: any slot process, or one of the host processes.

Loaders tell libraries apart by their bare names, so files of one name and different contents cannot
live in one process. A session's native functions are therefore put into groups within which each
name stands for one content; each group has a host process of its own. Nearly always there is one.
An attempt that is suspected of having brought a host down runs in another one, alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from hxgrid.wire.messages import FileEntry


class Place(NamedTuple):
    """The kind of process that an attempt needs; equal ones can share a process."""

    group: int
    """Of native functions, counted from 1; 0: Python functions, which need no group."""
    is_alone: bool


ANYWHERE: Final = Place(0, False)
"""Where Python functions run."""


class NativeGroups:
    """The groups of one session's native functions."""

    def __init__(self) -> None:
        self._groups: list[dict[str, tuple[str, str]]] = []
        """Per group: path and digest of each file, by its bare name."""

    def find(self, files: Iterable[FileEntry]) -> Place:
        """Return where functions of these files run, the same for the same files."""
        names = {
            PurePosixPath(entry.path).name.casefold(): (entry.path, entry.digest) for entry in files
        }
        for number, known in enumerate(self._groups, 1):
            if all(known.get(name, file) == file for name, file in names.items()):
                known.update(names)
                return Place(number, False)
        self._groups.append(names)
        return Place(len(self._groups), False)
