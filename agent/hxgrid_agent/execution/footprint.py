"""How much memory a task process holds, of which nobody else would keep a part if it went."""

from __future__ import annotations

import contextlib
import subprocess

import psutil

from hxgrid_agent.execution.tree_walking import members


def private_bytes(process: subprocess.Popen[bytes]) -> int:
    """Return the private memory of a task process and its descendants, as the system tells it.

    What is shared does not count: a mapped blob belongs to all who read it. Looks at all processes
    of the computer, so it is nothing to ask often.
    """
    total = 0
    for member in members(process):
        with contextlib.suppress(psutil.Error):
            memory = member.memory_info()
            # Windows counts private memory itself; macOS does not tell what is shared.
            total += getattr(memory, "private", memory.rss - getattr(memory, "shared", 0))
    return total
