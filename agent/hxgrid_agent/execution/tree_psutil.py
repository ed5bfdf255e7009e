"""Killing a task process and everything it has started, on POSIX systems other than Linux."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import psutil

from hxgrid_agent.execution.tree_walking import members


def kill_tree(process: subprocess.Popen[bytes], mark: str) -> None:  # noqa: ARG001 - as on Linux
    """Kill a task process and all that belongs to it. It must not have been waited for yet."""
    found = members(process)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in found:
        with contextlib.suppress(psutil.Error):
            member.kill()
