"""What module names mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.bridge.modules import find_modules
from hxgrid.errors import ModuleError
from hxgrid.modules.sets import ModuleSet


def touch(folder: Path, *names: str) -> None:
    for name in names:
        folder.joinpath(name).write_bytes(b"x")


def test_a_list_with_commas_is_found_beside_the_program(tmp_path: Path) -> None:
    touch(tmp_path, "a.py", "b.txt")
    found = find_modules("a.py, b.txt", str(tmp_path))
    assert found == [tmp_path / "a.py", tmp_path / "b.txt"]


def test_the_working_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        touch(folder, "a.py")
    monkeypatch.chdir(here)
    assert find_modules("a.py", str(there)) == [here / "a.py"]


def test_one_name_serves_many_systems(tmp_path: Path) -> None:
    touch(tmp_path, "pi.dll", "libpi.so", "data.bin")
    for name in ("pi.dll", "pi", "libpi.so"):
        found = find_modules(f"{name},data.bin", str(tmp_path))
        assert isinstance(found, ModuleSet)
        assert set(found.platforms) == {"linux", "win32"}
        assert [path.name for _, path in found.files("linux")] == ["libpi.so", "data.bin"]
        assert [path.name for _, path in found.files("win32")] == ["pi.dll", "data.bin"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.py")
    with pytest.raises(ModuleError, match=r"gone\.dll"):
        find_modules("a.py,gone.dll", str(tmp_path))
    with pytest.raises(ModuleError, match="name"):
        find_modules(" , ", str(tmp_path))


def test_folders_may_be_separated_as_on_windows(tmp_path: Path) -> None:
    tmp_path.joinpath("sub").mkdir()
    touch(tmp_path / "sub", "a.py")
    assert find_modules(r"sub\a.py", str(tmp_path)) == [tmp_path / "sub" / "a.py"]
