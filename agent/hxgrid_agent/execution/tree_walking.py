"""A task process and everything it has started, where one must look for it: all but Linux."""

from __future__ import annotations

import contextlib
import subprocess

import psutil

MARK = "HXGRID_SLOT"
"""The environment variable that all processes of one task process have in common."""


def members(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the process and its descendants; none if it is gone."""
    try:
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def hasten(pid: int) -> None:
    """Do nothing: what dies here does so without its priority."""
    del pid


def stop_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001 - as on Linux
    """Freeze a task process and all that belongs to it."""
    for member in members(process):
        with contextlib.suppress(psutil.Error):
            member.suspend()


def continue_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001
    """Let a frozen tree go on."""
    for member in members(process):
        with contextlib.suppress(psutil.Error):
            member.resume()


def cpu_seconds(process: subprocess.Popen[bytes]) -> float | None:
    """Return the processor time of a task process and its descendants; None if it is gone."""
    used_s = 0.0
    is_there = False
    for member in members(process):
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
