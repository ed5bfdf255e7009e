"""What functions a session offers, and when their files are looked at again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hxgrid.errors import ModuleError
from hxgrid.modules.sets import ModuleSet
from hxgrid.user import offers
from hxgrid.user.blobs import BlobShelf
from hxgrid.user.offers import OfferBook


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


def test_a_changed_file_is_noticed(
    book: OfferBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "LOOK_AGAIN_S", 0.0)
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
    linux, windows = (_write(tmp_path / name, name, 1) for name in ("a.so", "a.dll"))
    offered = book.find(ModuleSet(variants={"linux": linux, "win32": windows}), "f", None)
    assert offered.platforms == ("linux", "win32")
    document = book.document(offered.id, "win32")
    assert document is not None
    assert document.files[0].path == "a.dll"
    assert book.document(offered.id, "darwin") is None


def test_missing_files_and_empty_names_are_told(book: OfferBook, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=r"gone\.py"):
        book.find(tmp_path / "gone.py", "f", None)
    with pytest.raises(ModuleError, match="named by a text"):
        book.find(_write(tmp_path / "a.py", "x", 1), "", None)
