"""Starting a task process, on Linux, macOS and the BSDs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def spawn(
    role: str,
    channel: socket.socket,
    bell: socket.socket,
    output: int,
    folder: Path,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start `hxgrid <role>` in a session of its own, with these ends of its sockets.

    On Linux the process dies with the *thread* that calls this.
    """
    descriptors = (channel.fileno(), bell.fileno())
    arguments = [os.getpid(), *descriptors]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hxgrid", role, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=descriptors,
        start_new_session=True,
        cwd=folder,
        env=environment,
    )


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the agent's end and the process's end of a connection."""
    return socket.socketpair()


def has_dumped_core(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the system has kept the memory of a dead process that was not waited for yet."""
    try:
        status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return status is not None and status.si_code == os.CLD_DUMPED


def has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the process has ended, and leave it to be waited for.

    Until then nobody else can get its number, and what it has started can be found by it.
    """
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
