"""The temporary folder of an embedded grid: removed by its program, or by the next one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hxgrid.embedded.folder import TemporaryFolder
from hxgrid.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = TemporaryFolder(tmp_path)
    (folder.path / "below").mkdir()
    (folder.path / "below" / "file").write_bytes(b"1")
    folder.remove()
    folder.remove()
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    first, second = TemporaryFolder(tmp_path), TemporaryFolder(tmp_path)
    assert first.path.exists()
    assert second.path.exists()
    first.remove()
    second.remove()


def test_the_folder_of_a_killed_program_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = (
        "import os, pathlib, sys; from hxgrid.embedded.folder import TemporaryFolder\n"
        "folder = TemporaryFolder(pathlib.Path(sys.argv[1]))\n"
        "(folder.path / 'file').write_bytes(b'1'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed, tmp_path], check=False)
    (stale,) = tmp_path.iterdir()
    folder = TemporaryFolder(tmp_path)
    assert not stale.exists()
    folder.remove()


def test_a_program_that_forgets_it_removes_it_at_its_end(tmp_path: Path) -> None:
    forgetful = (
        "import pathlib, sys; from hxgrid.embedded.folder import TemporaryFolder\n"
        "TemporaryFolder(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", forgetful, tmp_path], check=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "hxgrid-embedded-without-owner"
    other.mkdir()
    folder = TemporaryFolder(tmp_path)
    folder.remove()
    assert other.exists()


def test_no_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        TemporaryFolder(tmp_path / "missing")
