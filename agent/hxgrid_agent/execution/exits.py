"""How the end of a process is told to people."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hxgrid.tasks.hostpage import Crash, CrashKind, Phase
from hxgrid.tasks.reasons import OUTPUT_BYTES

_MEANINGS = {
    "SIGKILL": "killed from outside, perhaps because memory ran out",
    "SIGSEGV": "an access to memory that it does not have",
    "SIGABRT": "an abort, as by an exception that left native code",
    "SIGFPE": "an arithmetic error in native code",
    "SIGILL": "an instruction that this processor does not know",
    "SIGBUS": "a mapped file that became shorter, or a full disk behind it",
}


_DURING: dict[int, str] = {
    Phase.LOADING: " while the module was loaded",
    Phase.START_SESSION: " in StartSession",
    Phase.END_SESSION: " in EndSession",
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


def describe_host_exit(status: int, crash: Crash | None) -> tuple[str, str]:
    """Return the same for a host process, whose dying thread may have said more."""
    if crash is None:
        sentence, name = describe_exit(status)
        return sentence.replace("the task process", "the host process"), name
    if crash.kind is CrashKind.EXIT:
        sentence, name = f"task code called exit(), with exit code {status}", ""
    elif crash.kind is CrashKind.EXCEPTION:
        sentence, name = f"the host process died of exception {crash.code:#x}", f"{crash.code:#x}"
    else:
        sentence, name = describe_exit(-crash.code)
        sentence = sentence.replace("the task process", "the host process")
    return f"{sentence}{_DURING.get(crash.phase, '')}", name


def core_dump(pid: int, folder: Path, pattern: Path = Path("/proc/sys/kernel/core_pattern")) -> str:
    """Say where the system has put the memory image of a process that ran in `folder`."""
    try:
        wanted = pattern.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        wanted = "core"
    if wanted.startswith("|"):
        return f"its memory image went to {Path(wanted[1:].split()[0]).name}"
    name = wanted.replace("%%", "%").replace("%p", str(pid))
    candidates = [folder / name, folder / f"{name}.{pid}"]
    found = [path for path in candidates if path.is_file()]
    return f"its memory image is {found[0]}" if found else "its memory image was kept"


def read_tail(descriptor: int, start: int) -> str:
    """Return the end of what a dead process has written to a file, from `start` on, as text."""
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        os.lseek(descriptor, max(min(start, size), size - OUTPUT_BYTES), os.SEEK_SET)
        return os.read(descriptor, OUTPUT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
