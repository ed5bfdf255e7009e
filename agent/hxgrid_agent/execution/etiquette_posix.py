"""How a task process makes itself unobtrusive, on systems that are neither Linux nor Windows."""

from __future__ import annotations

import os
import resource


def end_with_parent(parent: int) -> bool:
    """Tell whether the agent still lives; its later death shows as the end of the socket."""
    return os.getppid() == parent


def be_unobtrusive(*, keeps_core_dumps: bool = False) -> list[str]:
    """Take the lowest priority; return what could not be done."""
    notes = []
    try:
        os.setpriority(os.PRIO_PROCESS, 0, 20)
        if not keeps_core_dumps:
            _, hard = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    except OSError as error:
        notes.append(f"nice 20: {error}")
    return notes


def flush_native() -> None:
    """Leave the C library's buffers alone: reaching it is not worth loading ctypes for."""
