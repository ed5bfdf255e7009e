"""How the end of a process is told to people."""

from __future__ import annotations

import os
import signal

from hxgrid.tasks.reasons import OUTPUT_BYTES

_MEANINGS = {
    "SIGKILL": "killed from outside, perhaps because memory ran out",
    "SIGSEGV": "an access to memory that it does not have",
    "SIGABRT": "an abort, as by an exception that left native code",
    "SIGFPE": "an arithmetic error in native code",
    "SIGILL": "an instruction that this processor does not know",
    "SIGBUS": "a mapped file that became shorter, or a full disk behind it",
}


def describe_exit(status: int) -> tuple[str, str]:
    """Return a sentence about a process that ended by itself, and the name of the signal or ""."""
    if status >= 0:
        # On Windows an exception's number is the exit code.
        code = f"{status:#x}" if status > 0xFFFF else str(status)
        return f"the task process ended in the middle of its work with exit code {code}", ""
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    meaning = _MEANINGS.get(name)
    detail = f" ({meaning})" if meaning else ""
    return f"the task process died of {name}{detail}", name


def read_tail(descriptor: int, start: int) -> str:
    """Return the end of what a dead process has written to a file, from `start` on, as text."""
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        os.lseek(descriptor, max(min(start, size), size - OUTPUT_BYTES), os.SEEK_SET)
        return os.read(descriptor, OUTPUT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
