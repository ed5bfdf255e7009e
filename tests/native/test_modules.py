"""Loading modules: dependents, versions, hooks, and words that help when it fails."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native import building
from tests.native.driver import SESSION, Driver, NativeError

DONE, UNUSABLE = 0, 6


def with_dependent(folder: Path, version: int, name: str) -> list[Path]:
    """Compile a module that needs libNAME.so, and that library, into one folder.

    Each test has a name of its own: this process keeps what was once loaded.
    """
    folder.mkdir()
    library = f"lib{name}.so"
    dependent = building.c_module(
        folder, "dependent.c", f"-DVERSION={version}", f"-Wl,-soname,{library}", name=library
    )
    user = building.c_module(folder, "user.c", f"-L{folder}", f"-l{name}")
    return [user, dependent]


def test_h6_a_dependent_is_found_by_its_bare_name(driver: Driver, tmp_path: Path) -> None:
    driver.offer(1, with_dependent(tmp_path / "one", 1, "bare"), "Version")
    assert driver.call(1).output == struct.pack("<I", 1)


def test_b36_another_library_of_the_same_name_is_refused(driver: Driver, tmp_path: Path) -> None:
    first, second = (
        with_dependent(tmp_path / str(version), version, "clash") for version in (1, 2)
    )
    driver.offer(1, first, "Version")
    with pytest.raises(NativeError, match="same name") as refused:
        driver.offer(2, second, "Version")
    assert refused.value.status == driver.lib.HXG_E_CLASH
    # The module itself is one of the files: a rebuilt one lies elsewhere under its old name.
    driver.offer(3, first, "Version")
    assert driver.call(1, 3).output == struct.pack("<I", 1)


def test_b36_each_process_uses_its_own_version(tmp_path: Path) -> None:
    for version in (1, 2):
        files = with_dependent(tmp_path / str(version), version, "own")
        code = (
            "import pathlib, struct, sys; from tests.native.driver import Driver; d = Driver();"
            "d.offer(1, map(pathlib.Path, sys.argv[1:]), 'Version');"
            "print(struct.unpack('<I', d.call(1).output)[0]); d.close()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, files)],
            capture_output=True,
            text=True,
            check=True,
            cwd=building.ROOT,
            timeout=60,
        )
        assert done.stdout == f"{version}\n"


def test_dependents_are_loaded_in_whatever_order_they_need(driver: Driver, tmp_path: Path) -> None:
    user, dependent = with_dependent(tmp_path / "one", 1, "ordered")
    folder = tmp_path / "one"
    middle = building.c_module(
        folder,
        "user.c",
        "-DVersion=Middle",
        f"-L{folder}",
        "-lordered",
        "-Wl,-soname,libmiddle.so",
        name="libmiddle.so",
    )
    (folder / "notes.txt").write_text("no library")
    driver.offer(1, [user, middle, dependent, folder / "notes.txt"], "Version")
    assert driver.call(1).outcome == DONE


def test_what_cannot_be_loaded_is_named(driver: Driver, tmp_path: Path) -> None:
    user, dependent = with_dependent(tmp_path / "one", 1, "gone")
    dependent.unlink()
    driver.offer(1, user, "Version")
    ended = driver.call(1)
    assert ended.outcome == UNUSABLE
    assert "libgone.so" in ended.text


def test_a_failed_load_is_tried_again(driver: Driver, tmp_path: Path, plain: Path) -> None:
    late = tmp_path / "late.so"
    driver.offer(1, late, "Nothing")
    driver.offer(2, plain, "Nothing")
    assert driver.call(1).outcome == UNUSABLE
    assert driver.call(2, 2).outcome == DONE
    late.write_bytes(plain.read_bytes())
    assert driver.call(3).outcome == DONE


def test_a_missing_function_is_named(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Nowhere, 'at all' ü")
    ended = driver.call(1)
    assert ended.outcome == UNUSABLE
    assert ended.text == (
        'plain.so exports no function "Nowhere, \'at all\' ü" (in C++ it needs extern "C")'
    )


def test_a_function_that_was_never_offered_is_unusable(driver: Driver) -> None:
    ended = driver.call(1, 99)
    assert ended.outcome == UNUSABLE
    assert "function 99" in ended.text


def test_b34_b35_names_of_files_are_kept_as_they_are(driver: Driver, plain: Path) -> None:
    names = ["libTask.so", "LIBTASK.SO", "a b,c 'd\" %s.so", "Größe 大.so"]
    for number, name in enumerate(names, 1):
        path = plain.parent / name
        if not path.exists():
            path.write_bytes(plain.read_bytes())
        driver.offer(number, path, "Nothing")
        assert driver.call(number, number).outcome == DONE


def test_h14_many_first_tasks_load_a_module_once(crowd: Driver, plain: Path) -> None:
    copies = []
    for index in range(3):
        copy = plain.parent / f"copy{index}-{os.getpid()}.so"
        copy.write_bytes(plain.read_bytes())
        copies.append(copy)
        crowd.offer(index, copy, "Starts")
    for serial in range(1, 17):
        crowd.run(serial, serial % 3)
    ended = crowd.wait_for(*range(1, 17))
    assert {(each.outcome, each.output) for each in ended} == {(DONE, struct.pack("<I", 1))}


def test_hooks_are_called_once_before_the_first_and_after_the_last(tmp_path: Path) -> None:
    module = building.c_module(tmp_path, "hooks.c")
    driver = Driver(threads=8, cache_folder=str(tmp_path))
    driver.offer(1, module, "Run")
    driver.offer(2, module, "Run")
    notes = tmp_path / "hooks.txt"
    assert not notes.exists()
    for serial in range(1, 41):
        driver.run(serial, 1 + serial % 2)
    driver.wait_for(*range(1, 41))
    assert notes.read_text() == f"start {SESSION}\n"
    driver.close()
    assert notes.read_text() == f"start {SESSION}\nend {SESSION}\n"


def test_a_function_is_offered_once(driver: Driver, plain: Path) -> None:
    driver.offer(1, plain, "Echo")
    with pytest.raises(NativeError, match="offered before"):
        driver.offer(1, plain, "Echo")
