"""The coordinator of the last time."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.transport.remembered import RememberedCoordinators


def test_an_address_is_kept_by_the_name_that_was_wanted(tmp_path: Path) -> None:
    RememberedCoordinators(tmp_path / "new").keep("", "192.0.2.1", 4100)
    RememberedCoordinators(tmp_path / "new").keep("studio", "192.0.2.2", 4101)
    found = RememberedCoordinators(tmp_path / "new")
    assert found.read("") == ("192.0.2.1", 4100)
    assert found.read("studio") == ("192.0.2.2", 4101)
    assert found.read("other") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"": 1}', '{"": ["h", "x"]}', '{"": ["h", 0]}', '{"": ["h"]}', "\xff"]
)
def test_a_broken_file_means_nothing_and_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "coordinators.json").write_text(text, encoding="latin-1")
    remembered = RememberedCoordinators(tmp_path)
    assert remembered.read("") is None
    remembered.keep("", "192.0.2.1", 4100)
    assert remembered.read("") == ("192.0.2.1", 4100)


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    RememberedCoordinators(tmp_path / "file").keep("", "192.0.2.1", 4100)


def test_the_file_is_bounded(tmp_path: Path) -> None:
    remembered = RememberedCoordinators(tmp_path)
    for number in range(150):
        remembered.keep(f"grid {number}", "192.0.2.1", 4100)
    assert remembered.read("grid 0") is None
    assert remembered.read("grid 149") == ("192.0.2.1", 4100)
    assert [path.name for path in tmp_path.iterdir()] == ["coordinators.json"]
