"""What is left of a process that a task has ended: who it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.native import building
from tests.native.crash_one import CULPRIT
from tests.native.driver import ffi, open_library


@dataclass
class Crash:
    """The end of a process: its status, its words, and what its page says."""

    status: int
    errors: str
    record: Any
    phases: dict[int, int]
    """What was running, by serial."""


def crash(folder: Path, module: Path, function: str, *bystanders: str) -> Crash:
    path = folder / "page"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.native.crash_one"),
            *(str(path), str(module), function, *bystanders),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=building.ROOT,
        timeout=60,
    )
    lib = open_library()
    page = ffi.from_buffer(path.read_bytes())
    record = ffi.new("hxg_crash *")
    ffi.memmove(record, page + lib.HXG_PAGE_CRASH_AT, ffi.sizeof("hxg_crash"))
    stamps = ffi.cast("hxg_stamp *", page + lib.HXG_PAGE_THREADS_AT)
    running = {stamps[each].serial: stamps[each].phase for each in range(lib.HXG_PAGE_THREADS)}
    running.pop(0, None)
    return Crash(done.returncode, done.stderr, record, running)


@pytest.mark.parametrize(
    ("function", "number"),
    [
        ("Segfault", signal.SIGSEGV),
        ("Abort", signal.SIGABRT),
        ("Overflow", signal.SIGSEGV),
    ],
)
def test_a_signal_names_the_attempt_and_ends_the_process_as_ever(
    tmp_path: Path, plain: Path, function: str, number: int
) -> None:
    end = crash(tmp_path, plain, function, "RunUntilStopped", "RunUntilStopped")
    lib = open_library()
    assert end.status == -number, end.errors
    assert (end.record.kind, end.record.code) == (lib.HXG_CRASH_SIGNAL, number)
    assert (end.record.serial, end.record.function) == (CULPRIT, 1)
    assert end.record.phase == lib.HXG_PHASE_TASK
    assert end.phases == dict.fromkeys((2, 3, CULPRIT), lib.HXG_PHASE_TASK)


def test_the_address_of_a_fault_is_kept(tmp_path: Path, plain: Path) -> None:
    assert crash(tmp_path, plain, "Segfault").record.address == 8


def test_exit_names_the_attempt(tmp_path: Path, plain: Path) -> None:
    end = crash(tmp_path, plain, "Exit", "RunUntilStopped")
    assert end.status == 3
    assert (end.record.kind, end.record.serial) == (open_library().HXG_CRASH_EXIT, CULPRIT)


@pytest.mark.system("g++")
def test_an_exception_that_leaves_a_cpp_task_names_the_attempt(tmp_path: Path) -> None:
    module = building.cpp_module(tmp_path, building.MODULES / "throwing.cpp")
    end = crash(tmp_path, module, "LetsOneOut", "RunsUntilStopped")
    assert end.status == -signal.SIGABRT
    assert (end.record.code, end.record.serial) == (signal.SIGABRT, CULPRIT)
    assert "nobody catches this" in end.errors


@pytest.mark.system("fpc")
def test_an_exception_that_leaves_a_pascal_task_ends_the_process(tmp_path: Path) -> None:
    module = building.pascal_module(tmp_path, building.MODULES / "pascaltask.pas")
    end = crash(tmp_path, module, "RaiseIt", "RunUntilStopped")
    assert end.status == 217
    # Its run-time library leaves by the shortest way; who was running is what is known.
    assert CULPRIT in end.phases
    assert "nobody catches this" in end.errors


def test_a_process_that_ends_in_peace_leaves_no_crash(tmp_path: Path, plain: Path) -> None:
    end = crash(tmp_path, plain, "Nothing")
    assert end.status == 0, end.errors
    assert end.record.kind == open_library().HXG_CRASH_NONE
