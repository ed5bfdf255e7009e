"""One run at a time on a computer: a second one waits its turn, as with the original."""

from __future__ import annotations

import getpass
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    from .turns_windows import lock, try_lock
else:
    from .turns_posix import lock, try_lock

WAITING = "NormalMapper runs on this computer already; waiting for its turn."


@contextmanager
def own_turn(say: Callable[[str], None], folder: Path | None = None) -> Iterator[None]:
    """Hold the computer's turn; `say` is called if it has to be waited for."""
    name = f"hxgrid-normalmapper-{getpass.getuser()}.lock"
    with ((folder or Path(tempfile.gettempdir())) / name).open("ab") as file:
        if not try_lock(file):
            say(WAITING)
            lock(file)
        yield
