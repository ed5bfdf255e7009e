"""Tasks in C++, through `hxgrid/task.hpp` and through the original's names."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.harness.wait import wait_until
from tests.native import building
from tests.native.driver import SESSION, Driver

pytestmark = pytest.mark.system("g++")

DONE, FAILED, CANCELLED = 0, 1, 4


@pytest.fixture(scope="module")
def throwing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cpp")
    return building.cpp_module(folder, building.MODULES / "throwing.cpp")


def test_values_texts_and_vectors_come_and_go(
    driver: Driver, throwing: Path, tmp_path: Path
) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(struct.pack("<I", 1000))
    driver.data = lambda _: str(blob)
    driver.offer(1, throwing, "Everything")
    values = struct.pack("<I3d", 3, 1.5, 2.5, -1.0)
    ended = driver.call(1, data=struct.pack("<II5s", 7, 5, b"Hallo") + values)
    text = f"Hallo|{tmp_path}/".encode()
    expected = struct.pack("<II", 1007, len(text)) + text + struct.pack("<d", 3.0) + values
    assert (ended.outcome, ended.output) == (DONE, expected)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("Throws", "Throws: something went wrong"),
        ("ThrowsOddly", "ThrowsOddly: threw something that is no std::exception"),
        ("ReadsTooMuch", "ReadsTooMuch: a stream ends before what was to be read"),
        ("WantsWhatIsNotThere", "WantsWhatIsNotThere: there is no global data named 'nothing'"),
    ],
)
def test_what_a_task_throws_fails_it_with_its_text(
    driver: Driver, throwing: Path, capfd: pytest.CaptureFixture[str], function: str, words: str
) -> None:
    driver.data = lambda _: None
    driver.offer(1, throwing, function)
    assert driver.call(1).outcome == FAILED
    assert words in capfd.readouterr().err


def test_a_cancelled_task_leaves_without_a_word(
    driver: Driver, throwing: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    driver.offer(1, throwing, "RunsUntilStopped")
    driver.run(1)
    wait_until(driver.running, 10, "the task to run")
    driver.cancel(1)
    assert driver.wait_for(1)[0].outcome == CANCELLED
    assert capfd.readouterr().err == ""


def test_thread_local_data_work_in_every_thread(crowd: Driver, throwing: Path) -> None:
    crowd.offer(1, throwing, "UsesThreadLocals")
    for serial in range(1, 101):
        crowd.run(serial)
    outputs = [struct.unpack("<i", each.output)[0] for each in crowd.wait_for(*range(1, 101))]
    # Each thread counts its own uses from one.
    assert min(outputs) == 42
    assert max(outputs) <= 141


def test_a_task_written_for_the_original_compiles_and_runs(driver: Driver, tmp_path: Path) -> None:
    compat = building.INCLUDE / "hxgrid-compat"
    module = building.cpp_module(
        tmp_path, building.MODULES / "original.cpp", f"-I{compat}", standard="c++98"
    )
    driver.offer(1, module, "RunTask")
    assert driver.call(1, data=struct.pack("<I", 5)).output == struct.pack("<I", 6)
    # Sources that leave exporting to a .def file have no other name for it here.
    driver.offer(2, module, "NamedByDef")
    assert driver.call(2, 2, data=b"12345").output == struct.pack("<I", 5)


def test_hooks_that_only_a_def_file_exports_are_called(driver: Driver, tmp_path: Path) -> None:
    source = tmp_path / "hooks.cpp"
    source.write_text(
        "#include <hxgrid/hxGridInterface.h>\n"
        "static DWORD started;\n"
        "void __cdecl StartSession(IAgent *, DWORD sessionId) { started = sessionId; }\n"
        "void __cdecl EndSession(IAgent *agent, DWORD) { agent->AddRef(); }\n"
        "bool __cdecl Started(IAgent *, DWORD, IGenericStream *, IGenericStream *out) {\n"
        "    out->Write(&started, sizeof started);\n"
        "    return true;\n"
        "}\n",
        encoding="utf-8",
    )
    driver.offer(1, building.cpp_module(tmp_path, source, "-D__cdecl="), "Started")
    assert driver.call(1).output == struct.pack("<I", SESSION)
