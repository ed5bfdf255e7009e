"""The agent's work folder, and in it one folder per session; all of it gone when its owner is.

The work folder is named by the agent's process and claimed by a locked file. What agents that were
killed have left behind is known by a lock that nobody holds, and removed at the next start.

    hxgrid-agent-<random>/owner           locked while the agent lives
    hxgrid-agent-<random>/processes/      pages and outputs of task processes
    hxgrid-agent-<random>/session-7/      one session:
        cache/                            session_cache_directory, with the first module files
        modules/<content>/                other module sets
        native/1/                         files of native functions, and their cache
        exchange/                         large inputs and outputs
        lock                              behind global_lock
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO

from hxgrid.errors import StoreError

if sys.platform == "win32":
    from hxgrid.streams.lock_windows import try_lock
else:
    from hxgrid.streams.lock_posix import try_lock

_PREFIX = "hxgrid-agent-"
_OWNER = "owner"
_MAX_STALE = 1000
_CLAIM_ATTEMPTS = 5


class SessionFolder:
    """Where one session's files are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = path / "cache"
        self.modules = path / "modules"
        self.exchange = path / "exchange"
        self.lock = path / "lock"
        self.laid_out: dict[str, str] = {}
        """Names of module files in `cache`, with their digests."""

    def native(self, group: int) -> Path:
        """Name the folder of a group of native functions; it may have to be made."""
        return self.path / "native" / str(group)

    def make(self) -> None:
        """Make the folders; OSError says why they cannot be made."""
        for folder in (self.cache, self.modules, self.exchange):
            folder.mkdir(parents=True)


class WorkFolder:
    """The agent's own folder. Made by `open`, removed by `close`."""

    def __init__(self, parent: Path | None) -> None:
        self._parent = parent if parent is not None else Path(tempfile.gettempdir())
        self.path = Path()
        self._owner: IO[bytes] | None = None

    def open(self) -> None:
        """Make the folder, and remove what dead agents have left behind."""
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            remove_stale(self._parent)
            self.path, self._owner = _make_claimed(self._parent)
            self.processes.mkdir()
        except OSError as error:
            raise StoreError(
                "the agent's work folder cannot be made",
                where=str(self._parent),
                why=error.strerror or str(error),
                advice="Set [agent] work_folder to another one.",
            ) from error

    @property
    def processes(self) -> Path:
        """Where task processes have what they share with the agent."""
        return self.path / "processes"

    def session(self, handle: int) -> SessionFolder:
        """Name a session's folder; it is not made yet."""
        return SessionFolder(self.path / f"session-{handle}")

    def close(self) -> None:
        """Remove the folder with everything in it. Twice is harmless."""
        if self._owner is not None:
            remove_tree(self.path)
            self._owner.close()
            self._owner = None


def remove_tree(folder: Path) -> None:
    """Remove a folder; the file that says whose it is goes last."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.name != _OWNER:
                _remove(entry)
    shutil.rmtree(folder, ignore_errors=True)


def remove_stale(parent: Path) -> int:
    """Remove work folders whose agents are dead; return how many."""
    removed = 0
    for folder in itertools.islice(parent.glob(f"{_PREFIX}*"), _MAX_STALE):
        # Somebody else's, just coming into being, or gone in the meantime: not our business.
        with contextlib.suppress(OSError), (folder / _OWNER).open("r+b") as owner:
            if try_lock(owner.fileno()):
                remove_tree(folder)
                removed += 1
    return removed


def _make_claimed(parent: Path) -> tuple[Path, IO[bytes]]:
    """Make a folder and lock it; one that somebody took for stale in between is given up."""
    for _ in range(_CLAIM_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        owner = (folder / _OWNER).open("wb")
        if try_lock(owner.fileno()) and (folder / _OWNER).exists():
            return folder, owner
        owner.close()
    raise OSError("others kept taking it for stale")


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            entry.unlink()
