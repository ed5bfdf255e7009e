"""Files that are written again: whose they are, how long they are, what is no spare."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hxgrid_agent.execution import spares

SIZE = spares.LEAST_BYTES


def write(path: Path, content: bytes) -> int:
    """Write a file as an input or output is written; returns its number in the file system."""
    descriptor = spares.open_to_write(str(path), len(content))
    assert os.write(descriptor, content) == len(content)
    spares.finish(descriptor, len(content))
    return path.stat().st_ino


def test_a_file_is_written_again_under_another_name(tmp_path: Path) -> None:
    first = write(tmp_path / "input-1-1", b"a" * SIZE)
    assert spares.keep(str(tmp_path / "input-1-1"))
    assert not (tmp_path / "input-1-1").exists()
    assert write(tmp_path / "output-7-1", b"b" * SIZE) == first
    assert (tmp_path / "output-7-1").read_bytes() == b"b" * SIZE
    assert [path.name for path in tmp_path.iterdir()] == ["output-7-1"]


@pytest.mark.parametrize("size", [SIZE, SIZE + 1, 3 * SIZE])
def test_what_was_longer_or_shorter_ends_where_the_new_content_ends(
    tmp_path: Path, size: int
) -> None:
    write(tmp_path / "input-1-1", b"a" * (2 * SIZE))
    spares.keep_or_remove(str(tmp_path / "input-1-1"))
    write(tmp_path / "input-2-1", b"b" * size)
    assert (tmp_path / "input-2-1").read_bytes() == b"b" * size


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, spares.MOST_BYTES + 1])
def test_small_and_huge_files_are_removed(tmp_path: Path, size: int) -> None:
    write(tmp_path / "input-1-1", bytes(size))
    spares.keep_or_remove(str(tmp_path / "input-1-1"))
    assert not list(tmp_path.iterdir())


def test_there_are_only_so_many(tmp_path: Path) -> None:
    paths = [tmp_path / f"input-{number}-1" for number in range(spares.SPARES + 2)]
    for path in paths:
        write(path, bytes(SIZE))
    for path in paths:
        spares.keep_or_remove(str(path))
    assert len(list(tmp_path.iterdir())) == spares.SPARES


def test_what_is_gone_is_no_spare_and_no_error(tmp_path: Path) -> None:
    assert not spares.keep(str(tmp_path / "input-1-1"))
    spares.keep_or_remove(str(tmp_path / "input-1-1"))


def test_a_name_that_is_taken_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "input-1-1").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        spares.open_to_write(str(tmp_path / "input-1-1"), SIZE)
    assert (tmp_path / "input-1-1").read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_task_cannot_lead_us_elsewhere(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"dear")
    planted = tmp_path / "spare-0"
    if kind == "link":
        planted.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(planted)
    else:
        planted.mkdir()
    if kind == "folder":
        with pytest.raises(OSError, match="directory"):
            write(tmp_path / "input-1-1", b"x" * SIZE)
    else:
        write(tmp_path / "input-1-1", b"x" * SIZE)
        assert (tmp_path / "input-1-1").read_bytes() == b"x" * SIZE
    assert victim.read_bytes() == b"dear"


def test_two_never_get_the_same_one(tmp_path: Path) -> None:
    for number in range(spares.SPARES):
        write(tmp_path / f"input-{number}-1", bytes(SIZE))
    for number in range(spares.SPARES):
        assert spares.keep(str(tmp_path / f"input-{number}-1"))
    numbers: list[int] = []

    def take(who: int) -> None:
        names = [f"output-{who}-{turn}" for turn in range(spares.SPARES // 4)]
        numbers.extend(write(tmp_path / name, bytes(SIZE)) for name in names)

    threads = [threading.Thread(target=take, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == spares.SPARES
