"""The library for applications under sanitizers: every scene, with the library compiled in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.native import building, calling

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.system("gcc")]

SCENES = ("many", "cancel", "data", "failure", "threads", "full", "settings")


def compile_with_library(folder: Path, *options: str) -> Path:
    program = folder / "sanitized"
    shared = ["-std=gnu99", "-O1", "-g", *options, f"-I{building.INCLUDE}"]
    sources = [str(calling.CALLERS / "flat.c"), *calling.user_sources()]
    building.run(["gcc", *shared, *sources, "-pthread", "-ldl", "-lm", "-o", str(program)])
    return program


def test_no_error_and_no_leak_under_address_and_undefined_behaviour_sanitizer(
    tmp_path: Path,
) -> None:
    program = compile_with_library(
        tmp_path, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    )
    for scene in SCENES:
        calling.run_caller(program, scene, ASAN_OPTIONS="detect_leaks=1")


@pytest.mark.system("gcc", "setarch")
def test_no_race_under_thread_sanitizer(tmp_path: Path) -> None:
    program = compile_with_library(tmp_path, "-fsanitize=thread")
    # It wants its shadow memory where random addresses may be.
    setarch = Path(shutil.which("setarch") or "setarch")
    for scene in SCENES:
        calling.run_caller(
            setarch, "--addr-no-randomize", str(program), scene, TSAN_OPTIONS="halt_on_error=1"
        )
