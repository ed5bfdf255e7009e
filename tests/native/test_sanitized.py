"""H4: the library under sanitizers and valgrind, with a hundred thousand small tasks.

A C program does what the host process does; there is no Python in it to hide or blame anything.
Likewise a C++ program shares things between threads as tasks do by `hxgrid::PerSession`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.native import building

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TASKS = 100_000
SANITIZED = Path(__file__).parent / "sanitized"
PROGRAM = SANITIZED / "many_tasks.c"
ADDRESS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
THREAD = ("-fsanitize=thread",)
# The thread sanitizer wants its shadow memory where random addresses may be.
NOT_RANDOM = ("setarch", "--addr-no-randomize")
VALGRIND = ("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--fair-sched=yes")


def compile_all(folder: Path, *options: str) -> tuple[Path, Path]:
    """Compile the program with the library in it, and the module with the tasks."""
    program, module = folder / "many_tasks", folder / "plain.so"
    sources = building.library_sources()
    shared = ["-std=c99", "-O1", "-g", *building.WARNINGS, *options, f"-I{building.INCLUDE}"]
    building.run(
        ["gcc", *shared, str(PROGRAM), *sources, "-pthread", "-ldl", "-lm", "-o", str(program)]
    )
    plain = str(building.MODULES / "plain.c")
    building.run(["gcc", *shared, "-fPIC", "-shared", plain, "-pthread", "-o", str(module)])
    return program, module


def compile_sharing(folder: Path, *options: str) -> Path:
    """Compile the program that shares things."""
    program = folder / "sharing"
    shared = ["-std=c++11", "-O1", "-g", *building.WARNINGS, *options, f"-I{building.INCLUDE}"]
    building.run(["g++", *shared, str(SANITIZED / "sharing.cpp"), "-pthread", "-o", str(program)])
    return program


def run(folder: Path, command: list[str], module: Path, tasks: int) -> str:
    data = folder / "data"
    data.write_bytes(b"geometry" * 600)
    return finish([*command, str(module), str(data), str(folder)], tasks)


def finish(command: list[str], tasks: int) -> str:
    environment = os.environ | {
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1",
    }
    done = subprocess.run(
        [*command, str(tasks)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-8000:]
    assert done.stdout.startswith(f"{tasks} tasks")
    return done.stderr


@pytest.mark.system("gcc")
def test_h4_no_error_and_no_leak_under_address_and_undefined_behaviour_sanitizer(
    tmp_path: Path,
) -> None:
    program, module = compile_all(tmp_path, *ADDRESS)
    assert run(tmp_path, [str(program)], module, TASKS) == ""


@pytest.mark.system("gcc", "setarch")
def test_h4_no_race_under_thread_sanitizer(tmp_path: Path) -> None:
    program, module = compile_all(tmp_path, *THREAD)
    assert run(tmp_path, [*NOT_RANDOM, str(program)], module, TASKS) == ""


@pytest.mark.system("gcc", "valgrind")
def test_h4_no_error_and_no_leak_under_valgrind(tmp_path: Path) -> None:
    program, module = compile_all(tmp_path)
    # Still reachable is what the loader keeps of the module, which stays loaded.
    kinds = "definite,indirect,possible"
    kept = [f"--show-leak-kinds={kinds}", f"--errors-for-leak-kinds={kinds}"]
    assert run(tmp_path, [*VALGRIND, *kept, str(program)], module, TASKS) == ""


@pytest.mark.system("g++")
def test_what_tasks_share_under_address_and_undefined_behaviour_sanitizer(tmp_path: Path) -> None:
    assert finish([str(compile_sharing(tmp_path, *ADDRESS))], TASKS) == ""


@pytest.mark.system("g++", "setarch")
def test_what_tasks_share_under_thread_sanitizer(tmp_path: Path) -> None:
    assert finish([*NOT_RANDOM, str(compile_sharing(tmp_path, *THREAD))], TASKS) == ""


@pytest.mark.system("g++", "valgrind")
def test_what_tasks_share_under_valgrind(tmp_path: Path) -> None:
    assert finish([*VALGRIND, str(compile_sharing(tmp_path))], TASKS // 10) == ""
