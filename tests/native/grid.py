"""Helps tests that run compiled modules on a real grid."""

from __future__ import annotations

import struct
from pathlib import Path

import psutil

import hxgrid
from tests.harness.wait import wait_until
from tests.native import building

LIMIT_S = 20.0


def modules(folder: Path, version: int = 1, name: str = "libgrid.so") -> Path:
    """Compile `modules/gridtasks.c`."""
    folder.mkdir(exist_ok=True)
    return building.c_module(
        folder, "gridtasks.c", f"-DVERSION={version}", "-Wno-pedantic", name=name
    )


def milliseconds(count: int, mark: Path | None = None) -> bytes:
    """Return the input of a task that takes a time, and makes this file when it begins."""
    return struct.pack("<I", count) + (str(mark).encode() if mark is not None else b"")


def begun(session: hxgrid.Session, module: Path, function: str, mark: Path, ms: int) -> hxgrid.Task:
    """Submit a task that takes so many milliseconds, and wait until it runs."""
    task = submit(session, module, function, milliseconds(ms, mark))
    wait_until(mark.exists, LIMIT_S, f"{function} to begin", seen=task.why)
    return task


def output_of(task: hxgrid.Task) -> bytes:
    """Wait for the output of a task."""
    return bytes(task.result(LIMIT_S).getbuffer())


def number_of(task: hxgrid.Task) -> int:
    """Wait for the output of a task that is one number."""
    (number,) = struct.unpack("<I", output_of(task))
    return int(number)


def submit(
    session: hxgrid.Session,
    module: Path | list[Path],
    function: str,
    data: bytes = b"",
    **options: float,
) -> hxgrid.Task:
    """Submit a task."""
    task = session.run_task(module, function, data, **options)  # type: ignore[arg-type]
    assert task is not None
    return task


def processes(role: str) -> list[psutil.Process]:
    """Return this program's living processes of a role: `host` or `slot`."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[3:5] == ["hxgrid", role]:
                found.append(process)
        except psutil.Error:
            continue
    return found
