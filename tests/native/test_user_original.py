"""The original's interface against a real grid, by two compilers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native import calling

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "compiler",
    [pytest.param(name, marks=pytest.mark.system(name)) for name in ("g++", "clang++")],
)
def test_every_method_does_what_the_original_promised(tmp_path: Path, compiler: str) -> None:
    caller = calling.compile_caller(tmp_path, "grid_user.cpp", compiler, "-std=c++11")
    out = calling.run_caller(caller)
    seconds = float(out.split()[-2])
    assert out.startswith("released in")
    assert seconds < 1.0


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
