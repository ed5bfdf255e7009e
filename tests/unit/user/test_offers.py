"""What functions a session offers, and when their files are looked at again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError, ModuleError
from hxgrid.modules.sets import ModuleSet
from hxgrid.user.blobs import BlobShelf
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.offers import OfferBook
from tests.harness import images


@pytest.fixture
def book() -> OfferBook:
    return OfferBook(BlobShelf("0" * 32))


def _write(path: Path, text: str, modified_at: int) -> Path:
    path.write_text(text)
    os.utime(path, (modified_at, modified_at))
    return path


def test_equal_contents_have_one_number_and_others_another(book: OfferBook, tmp_path: Path) -> None:
    first = _write(tmp_path / "a.py", "x", 1)
    copied = tmp_path / "other"
    copied.mkdir()
    same = _write(copied / "a.py", "x", 2)
    assert book.find(first, "f", None) == book.find(same, "f", None)
    assert book.find(first, "f", None) == book.find(str(first), "f", None)
    assert book.find(first, "f", None) != book.find(first, "g", None)
    assert book.find(first, "f", None) != book.find(first, "f", 5.0)


def test_b37_a_changed_file_is_noticed(tmp_path: Path) -> None:
    book = OfferBook(BlobShelf("0" * 32), look_again_s=0.0)
    path = _write(tmp_path / "a.py", "old", 1)
    before = book.find(path, "f", None)
    assert book.find(path, "f", None) == before
    _write(path, "new", 2)
    assert book.find(path, "f", None) != before
    _write(path, "old", 3)
    assert book.find(path, "f", None) == before, "the old contents are known"


def test_a_file_is_not_looked_at_for_each_task(book: OfferBook, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.py", "x", 1)
    before = book.find(path, "f", None)
    path.unlink()
    assert book.find(path, "f", None) == before


def test_the_first_file_holds_the_function_and_all_travel(book: OfferBook, tmp_path: Path) -> None:
    paths = [_write(tmp_path / name, name, 1) for name in ("main.py", "b.py", "a.py")]
    document = book.document(book.find(paths, "f", 2.5).id, "linux")
    assert document is not None
    assert [file.path for file in document.files] == ["main.py", "b.py", "a.py"]
    assert (document.kind, document.entry, document.time_limit_s) == ("module", "f", 2.5)


def test_a_module_set_has_a_document_for_each_of_its_platforms(
    book: OfferBook, tmp_path: Path
) -> None:
    linux, windows = (_write(tmp_path / name, name, 1) for name in ("a.py", "b.py"))
    offered = book.find(ModuleSet(variants={"linux": linux, "win32": windows}), "f", None)
    assert offered.requires == Requirements(platforms=("linux", "win32"))
    document = book.document(offered.id, "win32-x86_64")
    assert document is not None
    assert document.files[0].path == "b.py"
    assert book.document(offered.id, "darwin-aarch64") is None


def test_a_shared_library_is_offered_where_it_fits(book: OfferBook, tmp_path: Path) -> None:
    library = _write_bytes(tmp_path / "libTask.so", images.elf("libc.so.6"))
    offered = book.find(library, "RunTask", None)
    assert offered.requires == Requirements(platforms=("linux-x86_64",))
    document = book.document(offered.id, "linux-x86_64")
    assert document is not None
    assert (document.kind, document.files[0].path) == ("native", "libTask.so")
    assert book.document(offered.id, "linux-aarch64") is None
    assert book.document(offered.id, "win32-x86_64") is None


def test_variants_for_several_processors_are_told_apart(book: OfferBook, tmp_path: Path) -> None:
    intel = _write_bytes(tmp_path / "intel" / "a.so", images.elf())
    arm = _write_bytes(tmp_path / "arm" / "a.so", images.elf(machine="aarch64"))
    windows = _write_bytes(tmp_path / "a.dll", images.pe())
    variants = {"linux-x86_64": intel, "linux-aarch64": arm, "win32": windows}
    offered = book.find(ModuleSet(variants=variants), "f", None)
    assert offered.requires == Requirements(
        platforms=("linux-x86_64", "linux-aarch64", "win32-x86_64")
    )
    with pytest.raises(ModuleError, match="is for linux-x86_64, not for win32"):
        book.find(ModuleSet(variants={"win32": intel}), "f", None)
    with pytest.raises(ModuleError, match="two variants"):
        book.find(ModuleSet(variants={"linux": intel, "linux-x86_64": intel}), "f", None)


def test_what_is_called_a_library_and_is_none_is_refused(book: OfferBook, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="no shared library"):
        book.find(_write(tmp_path / "a.so", "print()", 1), "f", None)


def test_a_library_that_will_be_missing_is_warned_about(
    book: OfferBook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = _write_bytes(tmp_path / "a.so", images.elf("libc.so.6", "libb.so", "libzmq.so.5"))
    other = _write_bytes(tmp_path / "libb.so", images.elf("libm.so.6"))
    book.find([user, other], "f", None)
    assert "libzmq.so.5" in caplog.text
    assert "libb.so" not in caplog.text


def _write_bytes(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_missing_files_and_empty_names_are_told(book: OfferBook, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"gone\.py"):
        book.find(tmp_path / "gone.py", "f", None)
    with pytest.raises(ModuleError, match="named by a text"):
        book.find(_write(tmp_path / "a.py", "x", 1), "", None)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "soon"])
def test_a_time_limit_that_is_none_is_said_at_once(
    book: OfferBook, tmp_path: Path, limit: float
) -> None:
    file = _write(tmp_path / "a.py", "x", 1)
    with pytest.raises(ConfigError, match="time_limit_s must be a positive number"):
        book.find(file, "f", limit)
