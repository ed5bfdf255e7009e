"""Module sets: which files, under which names, for which platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.errors import ModuleError
from hxgrid.modules.sets import ModuleSet


def make(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return paths


def test_files_travel_under_their_own_names_in_order(tmp_path: Path) -> None:
    paths = make(tmp_path, "Task.py", "sub/data.bin")
    assert ModuleSet(paths).files() == (("Task.py", paths[0]), ("data.bin", paths[1]))


def test_a_root_keeps_the_folders(tmp_path: Path) -> None:
    paths = make(tmp_path, "task.py", "sub/data.bin")
    names = [name for name, _ in ModuleSet(paths, root=tmp_path).files()]
    assert names == ["task.py", "sub/data.bin"]


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"gone\.py.*does not exist"):
        ModuleSet(tmp_path / "gone.py").files()


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = make(tmp_path, "a/task.py", "b/task.py")
    with pytest.raises(ModuleError, match="root="):
        ModuleSet(paths).files()


def test_a_variant_comes_first_and_only_for_its_platform(tmp_path: Path) -> None:
    linux, windows, data = make(tmp_path, "libt.so", "t.dll", "data.bin")
    modules = ModuleSet(data, variants={"linux": linux, "win32": windows})
    assert modules.platforms == ("linux", "win32")
    assert [name for name, _ in modules.files("win32")] == ["t.dll", "data.bin"]


def test_a_set_without_files_is_refused() -> None:
    with pytest.raises(ModuleError, match="no files"):
        ModuleSet()
