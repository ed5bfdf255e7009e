"""A task process and everything it has started, on Linux.

What belongs to a task process: every process of its session and group, every descendant, and every
process that carries its mark in the environment. Descendants alone are not enough: a grandchild
that has made a session of its own and whose parent has died is nobody's descendant any more. (The
task process adopts such orphans while it lives; the mark finds those that outlive it.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MARK = "HXGRID_SLOT"
"""The environment variable that all processes of one task process have in common."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_GONE = "ZX"
_MAX_ROUNDS = 8
_PROC = Path("/proc")


class ProcessLine(NamedTuple):
    """What `/proc/<pid>/stat` says of one process."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    ticks: int
    """Processor time, with that of children that it has waited for."""
    started_at: int


def kill_tree(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a task process and all that belongs to it. It must not have been waited for yet."""
    hasten(process.pid)
    _signal_tree(process, mark, signal.SIGKILL)


def hasten(pid: int) -> None:
    """Give a process that is about to die its share of the processor.

    Also dying is done by the process itself: beside three busy programs one with the priorities of
    a task needs half a second for it, and its memory is in use for so long.
    """
    # This one priority may be raised by everybody, and it is the one that counts. Where the kernel
    # has no such thing, or no time for it now (ten times a second it has), it takes longer.
    with contextlib.suppress(OSError):
        (_PROC / str(pid) / "autogroup").write_text("0", encoding="ascii")


def stop_tree(process: subprocess.Popen[bytes], mark: str) -> None:
    """Freeze a task process and all that belongs to it."""
    _signal_tree(process, mark, signal.SIGSTOP)


def continue_tree(process: subprocess.Popen[bytes], mark: str) -> None:
    """Let a frozen tree go on."""
    for line in _members(process.pid, mark):
        _signal(line.pid, signal.SIGCONT)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float | None:
    """Return the processor time of a task process and its descendants; None if it is gone."""
    ticks = 0
    waiting = [process.pid]
    while waiting:
        pid = waiting.pop()
        line = _read(pid)
        if line is not None:
            ticks += line.ticks
            waiting += _children(pid)
        elif pid == process.pid:
            return None
    return ticks / _TICKS_PER_S


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the system holds the process stopped, whoever stopped it."""
    line = _read(process.pid)
    return line is not None and line.state in "Tt"


def _signal_tree(process: subprocess.Popen[bytes], mark: str, number: int) -> None:
    """Signal everything, again and again until nobody new turns up: a process may be forking."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
    reached: set[tuple[int, int]] = set()
    for _ in range(_MAX_ROUNDS):
        # Reading what all processes of the computer are is what costs here; mostly once is enough.
        members = _members(process.pid, mark)
        new = [
            line
            for line in members
            if line.group != process.pid and (line.pid, line.started_at) not in reached
        ]
        if not new:
            return
        for line in new:
            _signal(line.pid, number)
            reached.add((line.pid, line.started_at))


def _members(root: int, mark: str) -> list[ProcessLine]:
    lines = [line for line in _all() if line.state not in _GONE]
    known = {line.pid for line in lines if root in (line.pid, line.group, line.session)}
    known.add(root)
    own = os.getpid()
    strangers = [line for line in lines if line.pid not in known and line.pid != own]
    while True:
        found = {line.pid for line in strangers if line.parent in known}
        if not found:
            break
        known |= found
        strangers = [line for line in strangers if line.pid not in known]
    # An orphan's parent is now the first process of all, or whoever adopts here.
    adopters = {1, own, os.getppid()}
    known |= {
        line.pid for line in strangers if line.parent in adopters and _has_mark(line.pid, mark)
    }
    return [line for line in lines if line.pid in known]


def _has_mark(pid: int, mark: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environment.split(b"\0")


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _all() -> Iterator[ProcessLine]:
    for name in os.listdir(_PROC):  # noqa: PTH208 - a hundred paths that nobody needs
        if name.isdigit():
            line = _read(int(name))
            if line is not None:
                yield line


def _read(pid: int) -> ProcessLine | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - often
            text = file.read(1024)
    except OSError:
        return None
    # The name in parentheses may contain anything, parentheses and spaces too.
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return None
    return ProcessLine(
        pid,
        fields[0].decode("ascii"),
        int(fields[1]),
        int(fields[2]),
        int(fields[3]),
        sum(map(int, fields[11:15])),
        int(fields[19]),
    )


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            path = f"/proc/{pid}/task/{thread}/children"
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                children += map(int, file.read().split())
    return children
