from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.errors import StoreError
from hxgrid_agent.folders import WorkFolder, remove_stale


def test_the_work_folder_is_gone_after_close(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path)
    folder.open()
    session = folder.session(7)
    session.make()
    (session.cache / "left.txt").write_text("by a task")
    folder.close()
    folder.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_dead_agents_are_removed_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    dead, living = WorkFolder(tmp_path), WorkFolder(tmp_path)
    dead.open()
    living.open()
    assert dead._owner is not None
    dead._owner.close()  # what the end of a process does to its lock
    assert remove_stale(tmp_path) == 1
    assert not dead.path.exists()
    assert living.processes.is_dir()
    living.close()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "hxgrid-agent-without-owner"
    other.mkdir()
    assert remove_stale(tmp_path) == 0
    assert other.is_dir()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    with pytest.raises(StoreError, match="work_folder"):
        WorkFolder(occupied).open()
