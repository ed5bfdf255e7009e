"""The pi application in C++, Pascal and C#, built by its one command and run against real grids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from mpmath import mp

from examples.picalculator.native import build
from tests.harness.wait import wait_until
from tests.native import building, calling

pytestmark = pytest.mark.slow

LIMIT_S = 60.0
COMPILERS = {"cpp-app": ("g++",), "pascal-app": ("fpc",), "csharp-app": ("mcs", "mono")}
KINDS = [
    pytest.param(kind, marks=pytest.mark.system(*programs)) for kind, programs in COMPILERS.items()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that there are compilers for, built as the README says."""
    folder = tmp_path_factory.mktemp("picalculator")
    script = building.ROOT / "examples" / "picalculator" / "native" / "build.py"
    building.run([sys.executable, str(script), "--output", str(folder)])
    return folder


def command(folder: Path, kind: str, *arguments: str) -> list[str]:
    program = folder / build.file_name(kind)
    runner = ["mono"] if program.suffix == ".exe" else []
    return [*runner, str(program), *arguments]


def run(folder: Path, kind: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, kind, *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env=calling.environment(**more),
        cwd=os.sep,  # nothing depends on where it is started
    )


def expected(digits: int) -> str:
    with mp.workdps(digits + 20):
        return str(mp.nstr(+mp.pi, digits + 10))[2 : digits + 2]


@pytest.mark.parametrize("way", [[], ["--progress"]], ids=["blocking", "awake"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_prints_digits_rounded_up_to_a_multiple_of_nine(
    folder: Path, kind: str, way: list[str]
) -> None:
    done = run(folder, kind, "295", *way)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "PI=3." + expected(297)
    assert second.endswith(" ms")
    assert ("297 of 297 digits, 1 agents" in done.stderr) == bool(way)


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_full_queue_it_stays_awake_and_loses_nothing(folder: Path, kind: str) -> None:
    done = run(folder, kind, "295", "--progress", HXGRID_USER_MAX_QUEUED_TASKS="2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PI=3." + expected(297))


@pytest.mark.system("setsid")
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_cancels_and_leaves_nothing_behind(folder: Path, kind: str) -> None:
    # A terminal of its own: the key is what a person presses, and C# listens to nothing else.
    ours, theirs = os.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", *command(folder, kind, "400000", "--progress")],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=calling.environment(TERM="xterm"),
    ) as process:
        os.close(theirs)
        assert process.stderr is not None
        os.set_blocking(process.stderr.fileno(), False)
        seen = bytearray()

        def is_under_way() -> bool:
            assert process.stderr is not None
            seen.extend(process.stderr.read() or b"")
            return b" digits, 1 agents" in seen

        wait_until(is_under_way, LIMIT_S, "the application to compute", seen=lambda: seen)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        os.write(ours, b"\x03")
        assert process.wait(LIMIT_S) == 1
        assert b"cancelled" in process.stderr.read()
    os.close(ours)
    wait_until(
        lambda: not any(one.is_running() for one in family), LIMIT_S, "bridge and grid to end"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_computed_is_told(folder: Path, kind: str) -> None:
    done = run(folder, kind, "9", "--task", "gone.dll")
    assert done.returncode == 1
    assert "gone.dll" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [[], ["none"], ["0"], ["480000"], ["9", "9"]])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_command_line_says_how_it_is_used(
    folder: Path, kind: str, arguments: list[str]
) -> None:
    done = run(folder, kind, *arguments)
    assert done.returncode == 2
    assert "picalculator DIGITS" in done.stderr
