"""Starting a task process, on Windows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

assert sys.platform == "win32"

from hxgrid_agent.execution.inherit_windows import LENGTH  # noqa: E402
from hxgrid_agent.execution.tree_windows import enclose  # noqa: E402


def spawn(
    role: str,
    channel: socket.socket,
    bell: socket.socket,
    output: int,
    folder: Path,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start `hxgrid <role>` in a job object, with these ends of its sockets."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hxgrid", role, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        creationflags=subprocess.IDLE_PRIORITY_CLASS
        | subprocess.CREATE_NO_WINDOW
        | subprocess.CREATE_NEW_PROCESS_GROUP,
        cwd=folder,
        env=environment,
    )
    enclose(process)
    assert process.stdin is not None
    with process.stdin as pipe:
        for end in (channel, bell):
            shared = end.share(process.pid)
            pipe.write(LENGTH.pack(len(shared)) + shared)
    return process


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the agent's end and the process's end of a connection."""
    ends = socket.socketpair()
    for end in ends:
        # A pair is a TCP connection here, which would gather small frames.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ends


def has_dumped_core(process: subprocess.Popen[bytes]) -> bool:
    """Say no: where the system keeps dumps, it does so without telling."""
    del process
    return False


def has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the process has ended."""
    return process.poll() is not None
