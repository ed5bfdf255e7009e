"""A task process and everything it has started, on POSIX systems other than Linux."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import psutil

MARK = "HXGRID_SLOT"
"""The environment variable that all processes of one task process have in common."""


def kill_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001 - as on Linux
    """Kill a task process and all that belongs to it. It must not have been waited for yet."""
    members = list(_members(process))
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in members:
        with contextlib.suppress(psutil.Error):
            member.kill()


def hasten(pid: int) -> None:
    """Do nothing: what dies here does so without its priority."""
    del pid


def stop_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001
    """Freeze a task process and all that belongs to it."""
    for member in _members(process):
        with contextlib.suppress(psutil.Error):
            member.suspend()


def continue_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001
    """Let a frozen tree go on."""
    for member in _members(process):
        with contextlib.suppress(psutil.Error):
            member.resume()


def cpu_seconds(process: subprocess.Popen[bytes]) -> float | None:
    """Return the processor time of a task process and its descendants; None if it is gone."""
    used_s = 0.0
    is_there = False
    for member in _members(process):
        with contextlib.suppress(psutil.Error):
            times = member.cpu_times()
            used_s += times.user + times.system
            is_there = True
    return used_s if is_there else None


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the system holds the process stopped, whoever stopped it."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    return False


def _members(process: subprocess.Popen[bytes]) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(process.pid)
        yield root
        yield from root.children(recursive=True)
