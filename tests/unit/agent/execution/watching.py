"""What tests wait for in a task process and in what it has started."""

from __future__ import annotations

import psutil

from tests.harness.wait import wait_until
from tests.unit.agent.execution.conftest import SmallAgent

LINGER = "while agent.test_connection(): pass"


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def child_pid(agent: SmallAgent) -> int:
    """The number that a task has written into the session's cache folder."""
    path = agent.folder / "cache" / "pid"

    def text() -> str:
        return path.read_text(encoding="ascii") if path.exists() else ""

    return int(wait_until(text, 30, "a task's child to start"))


def await_running(agent: SmallAgent, task: int = 1) -> None:
    def key() -> bool:
        running = agent.process.running()
        return running is not None and running[0] == (task, 1)

    wait_until(key, 30, f"task {task} to begin")
