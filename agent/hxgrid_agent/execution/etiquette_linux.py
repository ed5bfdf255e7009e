"""How a task process makes itself unobtrusive, on Linux. Runs in the task process, once.

Nice and SCHED_IDLE alone do not help: with autogroups the kernel weighs sessions first, and this
process has one of its own. All three together leave an owner's program 98 % of a shared core. Going
back is not possible without rights; that is why nothing of this is done in the agent.

Each step may be refused by the system; then the others still help, and the refusal is told once.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_IDLE = 3 << 13
_LINE_BUFFERED = 1
_OOM_SCORE_ADJ = "900"
"""Of 1000: when memory runs out, tasks go before anything of the owner's."""

_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent(parent: int) -> bool:
    """Have the system kill this process when its agent dies; False if that has happened already."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def be_unobtrusive(*, keeps_core_dumps: bool = False) -> list[str]:
    """Take the lowest priorities there are; return what could not be done."""
    steps: dict[str, Callable[[], object]] = {
        "nice 19": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
        "SCHED_IDLE": lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
        "autogroup 19": lambda: _write("/proc/self/autogroup", "19"),
        "idle input and output": _idle_io,
        "first to go when memory runs out": lambda: _write(
            "/proc/self/oom_score_adj", _OOM_SCORE_ADJ
        ),
        "no core dumps": _no_core_dumps,
        "keeping orphaned grandchildren": _adopt_orphans,
        "line by line output": _line_buffered,
    }
    if keeps_core_dumps:
        del steps["no core dumps"]
    notes = []
    for name, step in steps.items():
        try:
            step()
        except (OSError, ValueError, AttributeError) as error:
            notes.append(f"{name}: {error}")
    return notes


def flush_native() -> None:
    """Write out what C code has printed and the C library still holds."""
    _libc.fflush(None)


def _write(path: str, text: str) -> None:
    # Absent where the kernel was built without it; then there is nothing to do.
    if Path(path).exists():
        Path(path).write_text(text, encoding="ascii")


def _idle_io() -> None:
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None and _libc.syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_IDLE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _no_core_dumps() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _adopt_orphans() -> None:
    # A grandchild whose parent ends stays below this process, where the agent finds it.
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _line_buffered() -> None:
    stdout = ctypes.c_void_p.in_dll(_libc, "stdout")
    _libc.setvbuf(stdout, None, _LINE_BUFFERED, 0)
