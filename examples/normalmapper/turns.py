"""One run at a time on a computer: a second one waits its turn, as with the original."""

from __future__ import annotations

import getpass
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import JobError

if sys.platform == "win32":
    from .turns_windows import lock, try_lock
else:
    from .turns_posix import lock, try_lock

WAITING = "NormalMapper runs on this computer already; waiting for its turn."


@contextmanager
def own_turn(say: Callable[[str], None], folder: Path | None = None) -> Iterator[None]:
    """Hold the computer's turn; `say` is called if it has to be waited for.

    Raises `JobError` if the file that stands for it cannot be written.
    """
    name = f"hxgrid-normalmapper-{getpass.getuser()}.lock"
    path = (folder or Path(tempfile.gettempdir())) / name
    try:
        opened = path.open("ab")
    except OSError as error:
        raise JobError(f"{path}, which says whose turn it is: {error.strerror}") from error
    with opened as file:
        if not try_lock(file):
            say(WAITING)
            lock(file)
        yield
