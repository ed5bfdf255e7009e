"""Laying out the files of a module set, whatever their names claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.errors import ModuleError
from hxgrid.modules.unpack import check_path, check_set, lay_out
from hxgrid.wire.messages import FileEntry

BAD_NAMES = [
    "../up.py",
    "a/../../up.py",
    "/etc/passwd",
    "a//b.py",
    "./a.py",
    "c:evil.py",
    "a\\b.py",
    "file.py:stream",
    "NUL",
    "sub/com1.txt",
    "end./a.py",
    "blank ",
    "line\nbreak",
    "/".join(["deep"] * 40),
    "x" * 300,
]
GOOD_NAMES = ["task.py", "libTask.so", "a b/c,d.py", "größe.py", 'say "hi".py'.replace('"', "'")]


def entry(path: str, digest: str = "a" * 64) -> FileEntry:
    return FileEntry(path=path, digest=digest, bytes=1)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ModuleError, match="refused"):
        check_path(name)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_b34_blanks_commas_quotes_and_letters_of_any_language_are_kept(name: str) -> None:
    assert str(check_path(name)) == name


def test_names_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(ModuleError, match="cannot tell"):
        check_set([entry("Task.py"), entry("task.py")])


def test_files_are_laid_out_as_copies_in_the_sets_order(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"code")
    folder = tmp_path / "modules"
    paths = lay_out([entry("pkg/task.py"), entry("data.bin")], lambda _: blob, folder)
    assert paths == [folder / "pkg" / "task.py", folder / "data.bin"]
    paths[0].write_bytes(b"changed by a task")
    assert blob.read_bytes() == b"code"


def test_b37_a_rebuilt_file_replaces_the_old_one(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(b"old")
    (path,) = lay_out([entry("task.py")], lambda _: blob, tmp_path / "modules")
    blob.write_bytes(b"new")
    lay_out([entry("task.py")], lambda _: blob, tmp_path / "modules")
    assert path.read_bytes() == b"new"


def test_a_missing_blob_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"task\.py"):
        lay_out([entry("task.py")], lambda _: None, tmp_path)
