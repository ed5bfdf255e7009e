"""The original's interface against a real grid, by two compilers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.native import calling

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "compiler",
    [pytest.param(name, marks=pytest.mark.system(name)) for name in ("g++", "clang++")],
)
def test_k1_every_method_does_what_the_original_promised(tmp_path: Path, compiler: str) -> None:
    caller = calling.compile_caller(tmp_path, "grid_user.cpp", compiler, "-std=c++11")
    out = calling.run_caller(caller)
    idle, busy = out.splitlines()
    assert idle.startswith("released in")
    assert float(idle.split()[-2]) < 1.0
    assert float(busy.split()[-2]) < 1.0


@pytest.mark.parametrize(
    ("compiler", "standard"),
    [
        pytest.param(compiler, standard, marks=pytest.mark.system(compiler))
        for compiler, standard in (("g++", "c++11"), ("g++", "c++20"), ("clang++", "c++17"))
    ],
)
def test_the_comfortable_header_does_what_it_says(
    tmp_path: Path, compiler: str, standard: str
) -> None:
    caller = calling.compile_caller(tmp_path, "modern.cpp", compiler, f"-std={standard}")
    calling.run_caller(caller)


@pytest.mark.system("g++")
@pytest.mark.parametrize("address", ["local", "127.0.0.1:9"])
def test_a_user_that_is_released_at_once_leaves_no_word_behind(
    tmp_path: Path, address: str
) -> None:
    caller = calling.compile_caller(tmp_path, "grid_user.cpp", "g++", "-std=c++11")
    done = subprocess.run(
        [str(caller), "12"],
        capture_output=True,
        text=True,
        check=False,
        env=calling.environment(HXGRID_BRIDGE_ADDRESS=address),
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.system("g++")
def test_a_bridge_works_for_an_application_without_standard_error(tmp_path: Path) -> None:
    caller = calling.compile_caller(tmp_path, "modern.cpp", "g++", "-std=c++11")
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" 2>&-', str(caller)],
        capture_output=True,
        text=True,
        check=False,
        cwd=calling.CALLERS,
        env=calling.environment(),
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
