"""The flat C API against a real grid, and against things that are no bridge."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.harness.wait import wait_until
from tests.native import building, calling

pytestmark = pytest.mark.slow

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flat")
    return calling.compile_caller(folder, "flat.c", building.cc(), "-std=gnu99")


@pytest.mark.parametrize(
    "scene", ["many", "failure", "cancel", "data", "settings", "full", "threads"]
)
def test_a_scene_plays(caller: Path, scene: str) -> None:
    calling.run_caller(caller, scene)


def start(caller: Path, scene: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(caller), scene],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=calling.CALLERS,
        env=calling.environment(),
    )


def test_the_application_survives_the_death_of_the_bridge(caller: Path) -> None:
    process = start(caller, "death")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (bridge,) = psutil.Process(process.pid).children()
    out, errors = process.communicate(f"{bridge.pid}\n", timeout=60)
    assert process.returncode == 0, out + errors


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGUSR1])
def test_the_bridge_goes_when_the_application_goes(caller: Path, sign: signal.Signals) -> None:
    process = start(caller, "abandon")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.send_signal(sign)
    process.communicate(timeout=LIMIT_S)
    wait_until(
        lambda: not any(one.is_running() and one.status() != "zombie" for one in family),
        LIMIT_S,
        "the bridge and its grid to end",
        retry_on=(psutil.NoSuchProcess,),
    )


def fake_bridge(folder: Path, body: str, name: str = "bridge") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


READ_ON = "; cat >/dev/null"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("exit 3", 30),
        ("printf '\\100\\0\\0\\0\\0'", 30),  # the end within a header
        ("printf 'garbage garbage garbage'" + READ_ON, 31),
        ("printf '\\100\\0\\0\\0\\0\\0\\0\\0\\377\\377\\377\\377\\0\\0\\0\\0'" + READ_ON, 31),
        ("printf '\\100\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\377\\377\\377\\377'" + READ_ON, 31),
        ("printf '\\100\\0\\0\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0x'" + READ_ON, 31),
        (
            "printf '\\100\\0\\0\\0\\0\\0\\0\\0\\4\\0\\0\\0\\0\\0\\0\\0\\7\\0\\0\\0'" + READ_ON,
            31,
        ),
        ("head -c 100000 /dev/urandom" + READ_ON, 31),
    ],
)
def test_what_is_no_bridge_is_told_and_nothing_hangs(
    caller: Path, tmp_path: Path, body: str, status: int
) -> None:
    out = calling.run_caller(caller, "nonsense", HXGRID_BRIDGE=fake_bridge(tmp_path, body))
    assert out.startswith(f"{status} ")


@pytest.mark.parametrize("place", ["lib/python/site/hxgrid/_native", "bin", "elsewhere"])
def test_the_bridge_is_found_beside_the_library_in_its_environment_and_on_the_path(
    caller: Path, tmp_path: Path, place: str
) -> None:
    library = tmp_path / "lib/python/site/hxgrid/_native"
    library.mkdir(parents=True)
    shutil.copy(calling.LIBRARY_FOLDER / "libhxgriduser.so", library)
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)

    def told() -> str:
        return calling.run_caller(
            caller,
            "nonsense",
            HXGRID_BRIDGE="",
            PATH=str(tmp_path / "elsewhere"),
            LD_LIBRARY_PATH=str(library),
        )

    assert told().startswith("20 "), "there is none yet"
    fake_bridge(folder, "exit 3", "hxgrid-bridge")
    assert told().startswith("30 "), "it was started, and ended"


def test_a_missing_bridge_says_what_to_install(caller: Path, tmp_path: Path) -> None:
    out = calling.run_caller(caller, "nonsense", HXGRID_BRIDGE="", PATH=str(tmp_path))
    assert out.startswith("20 ")
    assert "pip install hxgrid" in out
    out = calling.run_caller(caller, "nonsense", HXGRID_BRIDGE="/nowhere/bridge")
    assert "HXGRID_BRIDGE names /nowhere/bridge" in out


def test_a_wrong_setting_is_told_when_opening(caller: Path) -> None:
    out = calling.run_caller(caller, "nonsense", HXGRID_USER_MAX_ATTEMPTS="many")
    assert out.startswith("22 ")
    assert "max_attempts" in out.lower()


COUNTED = """
def RunTask(agent, session_id, in_stream, out_stream):
    with open({runs!r}, "a") as runs:
        runs.write("x")
    out_stream.write(b"x" * 13)
"""


def test_a_native_application_gets_the_results_of_its_earlier_run(
    caller: Path, tmp_path: Path
) -> None:
    module, runs, journal = (tmp_path / name for name in ("counted.py", "runs", "journal"))
    module.write_text(COUNTED.format(runs=str(runs)))
    for _ in range(2):
        calling.run_caller(
            caller, "numbered", CALLER_MODULE=str(module), HXGRID_USER_JOURNAL=str(journal)
        )
    assert runs.read_text() == "x" * 10, "each of its tasks has run once"
    module.write_text(module.read_text() + "# another one\n")
    calling.run_caller(
        caller, "numbered", CALLER_MODULE=str(module), HXGRID_USER_JOURNAL=str(journal)
    )
    assert runs.read_text() == "x" * 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_h5_two_hundred_times_open_and_close_under_traffic(caller: Path) -> None:
    calling.run_caller(caller, "traffic", limit_s=850)
