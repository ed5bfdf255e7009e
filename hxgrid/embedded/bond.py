"""The other end of the bond: how a process learns that its parent has ended, or wants it to.

The sign is a byte, or the end, of the line that the parent holds. A parent that is killed sends no
byte, and where it had forked (a pool of processes, say) the copies hold the line open for as long
as they live. So it is also looked, once a second, whether the parent is still the parent.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

LOOK_EVERY_S = 1.0


def when_parent_ends(
    descriptor: int,
    act: Callable[[], None],
    parent: int | None = None,
    *,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Call `act` once, on a thread of its own, when the parent says so or is gone.

    `parent` is the number of its process, where it has told; otherwise the parent of now counts.
    """
    is_over = threading.Event()
    parent = os.getppid() if parent is None else parent

    def read() -> None:
        # Not through a buffered file: the interpreter's end would wait for its lock.
        os.read(descriptor, 1)
        is_over.set()

    def wait() -> None:
        while not is_over.wait(look_every_s):
            # Elsewhere a process keeps the number of its parent for ever, and nothing forks.
            if sys.platform != "win32" and os.getppid() != parent:
                break
        act()

    threading.Thread(target=read, name="hxgrid-parent-line", daemon=True).start()
    threading.Thread(target=wait, name="hxgrid-parent", daemon=True).start()
