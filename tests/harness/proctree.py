"""Looking at processes, and doing to them what the world does: ending, freezing, waking them.

A process is named by its pid together with its start time (`psutil.Process` compares both), so
a number that the system has given to another process meanwhile is never mistaken for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


Address = tuple[str, int]
ANY_HOST = ("0.0.0.0", "::")


def descendants(pid: int) -> list[psutil.Process]:
    """All living children of `pid`, their children and so on; empty when `pid` is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def command_line(process: psutil.Process) -> str:
    """The command line as one string, empty for a process that is gone or unreadable."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def descendants_showing(pid: int, words: str) -> list[psutil.Process]:
    """The descendants of `pid` whose command line contains `words`, such as "hxgrid slot"."""
    return [child for child in descendants(pid) if words in command_line(child)]


def is_alive(process: psutil.Process) -> bool:
    """Whether it still exists and is more than an entry that waits to be collected."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_one(pid: int) -> None:
    """End exactly this process at once (SIGKILL), leaving its children to their fate."""
    _send(pid, signal.SIGKILL)


def freeze_one(pid: int) -> None:
    """Stop exactly this process (SIGSTOP): it lives and does nothing."""
    _send(pid, signal.SIGSTOP)


def thaw_one(pid: int) -> None:
    """Let a stopped process go on (SIGCONT)."""
    _send(pid, signal.SIGCONT)


def kill_tree(pid: int) -> None:
    """End this process and everything below it, parents first so that they start nothing new."""
    family = descendants(pid)
    kill_one(pid)
    for child in family:
        kill_one(child.pid)


def freeze_tree(pid: int) -> None:
    """Stop this process and everything below it, as a computer that went to sleep would."""
    for one in (pid, *(child.pid for child in descendants(pid))):
        freeze_one(one)


def thaw_tree(pid: int) -> None:
    """Let this process and everything below it go on."""
    for one in (pid, *(child.pid for child in descendants(pid))):
        thaw_one(one)


def processes_with_environment(name: str, value: str) -> list[psutil.Process]:
    """Every living process that was started with the environment variable `name` = `value`."""
    wanted = f"{name}={value}".encode()
    found: list[psutil.Process] = []
    for pid in psutil.pids():
        try:
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(psutil.Process(pid))
        except (OSError, psutil.NoSuchProcess):
            continue
    return [process for process in found if is_alive(process)]


def resident_bytes(pid: int) -> int:
    """Memory that this process and everything below it hold at this moment."""
    total = 0
    for process in (psutil.Process(pid), *descendants(pid)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def listening_addresses(processes: Iterable[psutil.Process]) -> list[Address]:
    """Every address and port on which one of these processes takes TCP connections."""
    return _bound(processes, "tcp", psutil.CONN_LISTEN)


def datagram_addresses(processes: Iterable[psutil.Process]) -> list[Address]:
    """Every address and port on which one of these processes hears datagrams."""
    return _bound(processes, "udp", psutil.CONN_NONE)


def described(processes: Iterable[psutil.Process]) -> str:
    """One line per process: pid, state and command line, for the text of an assertion."""
    lines: list[str] = []
    for process in processes:
        try:
            state: str = process.status()
        except psutil.NoSuchProcess:
            state = "gone"
        lines.append(f"  {process.pid} {state}: {command_line(process)}")
    return "\n".join(lines)


def _bound(processes: Iterable[psutil.Process], kind: str, status: str) -> list[Address]:
    found: set[Address] = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in process.net_connections(kind):
                if one.status == status and one.laddr:
                    host = one.laddr.ip.removeprefix("::ffff:")  # IPv4 on a socket for both
                    found.add(("127.0.0.1" if host in ANY_HOST else host, one.laddr.port))
    return sorted(found)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
