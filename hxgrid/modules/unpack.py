"""Laying out the files of a module set in a folder, from blobs, whatever their names claim.

The names come from the network. Each must stay inside the folder on every system that an agent
runs on: relative, forward slashes, no `..`, no drive, no stream or device name of Windows. Case
and spelling are kept; two names that a case-blind file system would merge are refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hxgrid.errors import ModuleError

if TYPE_CHECKING:
    from hxgrid.wire.messages import FileEntry

MAX_PATH_PARTS = 32
MAX_PART_CHARS = 200

_FORBIDDEN = re.compile(r"[\x00-\x1f:\\]")
_FORBIDDEN_ON_WINDOWS = re.compile(r'[<>"|?*]')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{kind}{n}" for kind in ("com", "lpt") for n in range(10)}
)


def check_path(path: str) -> PurePosixPath:
    """Give the path if it is safe below any folder; raises `ModuleError` otherwise."""
    parts = path.split("/")
    if len(parts) > MAX_PATH_PARTS:
        raise ModuleError(f"file name {path!r} of a module set is refused", why="it is too deep")
    for part in parts:
        why = _objection(part)
        if why:
            raise ModuleError(f"file name {path!r} of a module set is refused", why=why)
    return PurePosixPath(path)


def _objection(part: str) -> str:
    if part in ("", ".", ".."):
        return "it must be relative, without empty or dotted parts"
    if len(part) > MAX_PART_CHARS:
        return f"a part is longer than {MAX_PART_CHARS} characters"
    if _FORBIDDEN.search(part):
        return "it has a control character, a colon or a backslash"
    if sys.platform == "win32" and _FORBIDDEN_ON_WINDOWS.search(part):
        return "Windows does not allow one of its characters"
    if part[-1] in ". ":
        return "a part ends in a dot or blank"
    if part.partition(".")[0].lower() in _DEVICES:
        return "a part is the name of a device on Windows"
    return ""


def check_set(entries: Iterable[FileEntry]) -> None:
    """Check all names of a set against each other. Raises `ModuleError`."""
    seen: dict[str, str] = {}
    for entry in entries:
        check_path(entry.path)
        other = seen.setdefault(entry.path.casefold(), entry.path)
        if other != entry.path:
            raise ModuleError(
                f"files {other!r} and {entry.path!r} of a module set are refused",
                why="some systems cannot tell their names apart",
            )


def lay_out(
    entries: Iterable[FileEntry], blob_path: Callable[[str], Path | None], folder: Path
) -> list[Path]:
    """Put the files of a set into `folder`; gives their paths in the set's order.

    Files are copies: a task that writes to its own file must not change the blob. One that is
    already there is replaced, which is how a rebuilt module is picked up. Disk work: not for a
    loop.
    """
    entries = list(entries)
    check_set(entries)
    return [_lay_out_one(entry, blob_path, folder) for entry in entries]


def _lay_out_one(entry: FileEntry, blob_path: Callable[[str], Path | None], folder: Path) -> Path:
    target = folder / check_path(entry.path)
    source = blob_path(entry.digest)
    if source is None:
        raise ModuleError(f"file {entry.path!r} cannot be laid out", why="its blob is not here")
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        shutil.copyfile(source, arriving)
        arriving.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            arriving.unlink(missing_ok=True)
        raise ModuleError(
            f"file {entry.path!r} cannot be laid out",
            where=str(folder),
            why=error.strerror or str(error),
        ) from error
    return target
