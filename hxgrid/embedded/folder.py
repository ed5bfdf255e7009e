"""A temporary folder that is removed, if not by us then by the next one to come.

Its file `owner` is kept locked; the system lets go of the lock when the process ends, however it
ends. So a folder whose `owner` can be locked is stale. The awkward case is a folder between its
creation and its lock, which another process may take for stale: the creator then finds its lock
refused or its file gone, and makes another.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from hxgrid.errors import StoreError

if sys.platform == "win32":
    from hxgrid.streams.lock_windows import try_lock
else:
    from hxgrid.streams.lock_posix import try_lock

_PREFIX = "hxgrid-embedded-"
_OWNER = "owner"
_CLAIM_ATTEMPTS = 5
_MAX_STALE = 100


class TemporaryFolder:
    """Makes the folder at once; `remove`, or the end of the program, removes it."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent if parent is not None else Path(tempfile.gettempdir())
        try:
            _remove_stale(parent)
            self.path, self._owner = _make_claimed(parent)
        except OSError as error:
            raise StoreError(
                "no folder for the embedded grid can be made", where=str(parent), why=str(error)
            ) from error
        self._process_id = os.getpid()
        atexit.register(self.remove)

    def remove(self) -> None:
        """Remove it and all that is in it. Twice is harmless."""
        if os.getpid() != self._process_id:
            return  # a forked copy of the program; the folder is the original's
        atexit.unregister(self.remove)
        if not self._owner.closed:
            _remove_tree(self.path)
            self._owner.close()


def _make_claimed(parent: Path) -> tuple[Path, BinaryIO]:
    for _ in range(_CLAIM_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        owner = (folder / _OWNER).open("wb")
        if _locks(owner, otherwise=True) and (folder / _OWNER).exists():
            return folder, owner
        owner.close()
    raise OSError("others kept taking it for stale")


def _remove_stale(parent: Path) -> None:
    for folder in itertools.islice(parent.glob(f"{_PREFIX}*"), _MAX_STALE):
        # Somebody else's, just coming into being, or gone in the meantime: none of our business.
        with contextlib.suppress(OSError), (folder / _OWNER).open("r+b") as owner:
            if _locks(owner, otherwise=False):
                _remove_tree(folder)


def _locks(owner: BinaryIO, *, otherwise: bool) -> bool:
    """Tell whether the file could be locked; `otherwise` where the file system knows no locks."""
    try:
        return try_lock(owner.fileno())
    except OSError:
        return otherwise


def _remove_tree(folder: Path) -> None:
    # The file with the lock goes last: what is left over must still be known as stale.
    for entry in list(folder.iterdir()):
        if entry.name != _OWNER:
            shutil.rmtree(entry, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
