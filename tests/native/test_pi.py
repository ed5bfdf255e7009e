"""The pi task in C++ and in Pascal: the same digits as the Python one, at every position."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hxgrid_examples.compiling import CompileError

from examples.picalculator.native import build
from examples.picalculator.pi_task import digits_at
from tests.native.driver import Driver

DONE, FAILED = 0, 1
# The original's task overflowed after 6967 (C++) and 9847 (Pascal).
POSITIONS = [1, 2, 8, 100, 762, 991, 4096, 6967, 6968, 9847, 9848, 10_000]
KINDS = [
    pytest.param("cpp", marks=pytest.mark.system("g++")),
    pytest.param("pascal", marks=pytest.mark.system("fpc")),
]


@pytest.fixture(scope="module")
def expected() -> dict[int, str]:
    return {position: digits_at(position) for position in POSITIONS}


@pytest.fixture(params=KINDS)
def pi(request: pytest.FixtureRequest, crowd: Driver, tmp_path: Path) -> Driver:
    crowd.offer(1, build.build(request.param, tmp_path), build.FUNCTION)
    return crowd


def test_b48_digits_are_right_past_where_the_original_overflowed(
    pi: Driver, expected: dict[int, str]
) -> None:
    for position in POSITIONS:
        pi.run(position, 1, struct.pack("<I", position))
    for ended in pi.wait_for(*POSITIONS):
        assert ended.outcome == DONE
        assert ended.output == struct.pack("<I", ended.serial) + expected[ended.serial].encode()


@pytest.mark.parametrize("data", [b"", b"abc", struct.pack("<I", 0), struct.pack("<I", 480_001)])
def test_an_input_that_makes_no_sense_fails_with_words(
    pi: Driver, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pi.call(1, data=data).outcome == FAILED
    assert "RunTask: " in capfd.readouterr().err


def test_a_cancelled_task_stops(pi: Driver) -> None:
    pi.run(1, 1, struct.pack("<I", 400_000))
    pi.cancel(1)
    assert pi.wait_for(1)[0].outcome == 4


def test_a_compiler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileError, match=r"no Free Pascal compiler was found \(looked for"):
        build.build("pascal", tmp_path / "build")
