"""A journal on disk: kept over runs, locked, compacted, and no danger to anything else."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from hxgrid.errors import ConfigError, StoreError
from hxgrid.user import journal_file, journal_index
from hxgrid.user import journal_format as fmt
from hxgrid.user.journal_file import JournalFile
from hxgrid.user.journal_format import Kind, Node


def _key(number: int) -> bytes:
    return b"%016d" % number


def _opened(path: Path) -> JournalFile:
    journal = JournalFile(path)
    journal.open()
    return journal


def _write(journal: JournalFile, number: int, body: bytes, node: int = 0) -> None:
    record = fmt.pack_record(Kind.RESULT, body, key=_key(number), raw_bytes=len(body), node=node)
    assert journal.append([record]) is not None


def _read(journal: JournalFile, number: int) -> bytes:
    place = journal.index.places[_key(number)]
    head = journal.head_at(place.at)
    assert head is not None
    return b"".join(journal.pieces_of(head))


def test_what_was_written_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "journal"
    first = _opened(path)
    _write(first, 1, b"one")
    _write(first, 2, bytes(3 << 20))
    _write(first, 1, b"newer")
    first.close()

    second = _opened(path)

    assert _read(second, 1) == b"newer"
    assert _read(second, 2) == bytes(3 << 20)
    assert second.small_result(*_place(second, 1), _key(1))[1] == b"newer"  # type: ignore[index]
    second.close()
    second.close()


def _place(journal: JournalFile, number: int) -> tuple[int, int]:
    place = journal.index.places[_key(number)]
    return place.at, place.size_bytes


def test_an_unfinished_end_is_cut_off_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = _opened(path)
    _write(first, 1, b"one")
    first.close()
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + fmt.pack_record(Kind.RESULT, b"two", key=_key(2))[:-1])

    second = _opened(path)
    _write(second, 3, b"three")
    second.close()
    third = _opened(path)

    assert list(third.index.places) == [_key(1), _key(3)]
    assert third.index.places[_key(3)].at >= size
    third.close()


def test_a_second_program_is_told_who_has_it(tmp_path: Path) -> None:
    first = _opened(tmp_path / "journal")
    with pytest.raises(ConfigError, match=rf"is in use by process {os.getpid()} \(.+\)"):
        _opened(tmp_path / "journal")
    first.close()
    _opened(tmp_path / "journal").close()


def test_another_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    data = bytearray(fmt.pack_file_head())
    data[8:10] = (77).to_bytes(2, "little")
    import zlib

    data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "little")
    path.write_bytes(data)

    with pytest.raises(ConfigError, match=r"its format is 77.*this version .* format 1"):
        _opened(path)
    assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"a text file", b"x" * 1000])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thesis.txt"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match="is no journal"):
        _opened(path)
    assert path.read_bytes() == content


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened: Is a directory"):
        _opened(tmp_path)


def test_a_full_disk_leaves_what_is_there_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    journal = _opened(path)
    _write(journal, 1, b"one")
    size = path.stat().st_size
    write_all = journal_file._write_all

    def half_written(file: Any, piece: Any) -> int:
        write_all(file, piece[: len(piece) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_file, "_write_all", half_written)
    assert journal.append([fmt.pack_record(Kind.RESULT, b"two", key=_key(2))]) is None
    monkeypatch.undo()

    assert journal.problem == "No space left on device"
    assert path.stat().st_size == size
    assert journal.append([b"more"]) is None
    journal.close()
    again = _opened(path)
    assert list(again.index.places) == [_key(1)]
    again.close()


def test_a_large_result_that_is_damaged_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = _opened(path)
    _write(journal, 1, bytes(2 << 20))
    _write(journal, 2, b"behind it")
    journal.close()
    data = bytearray(path.read_bytes())
    data[1 << 20] ^= 1
    path.write_bytes(data)

    journal = _opened(path)

    with pytest.raises(StoreError, match="damaged"):
        _read(journal, 1)
    assert _read(journal, 2) == b"behind it"
    journal.close()


def test_compaction_keeps_the_newest_of_each_key_and_what_it_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_index, "SMALL_BYTES", 0)
    path = tmp_path / "journal"
    journal = _opened(path)
    for node in (Node(1, 0, "mesh", ""), Node(2, 1, "light", ""), Node(3, 0, "unused", "")):
        journal.append([fmt.pack_node(node)])
    for turn in range(10):
        _write(journal, 1, b"%d" % turn + bytes(1000), node=2)
    _write(journal, 2, b"two")
    journal.close()
    size = path.stat().st_size

    journal = _opened(path)

    assert path.stat().st_size < size / 4
    assert _read(journal, 1) == b"9" + bytes(1000)
    assert _read(journal, 2) == b"two"
    chain = journal.index.chain(2)
    assert chain is not None
    assert [node.name for node in chain] == ["mesh", "light"]
    assert 3 not in journal.index.nodes
    _write(journal, 3, b"three")
    journal.close()
    journal = _opened(path)
    assert _read(journal, 3) == b"three"
    journal.close()


def test_results_that_nobody_used_for_many_runs_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_index, "SMALL_BYTES", 0)
    path = tmp_path / "journal"
    journal = _opened(path)
    _write(journal, 1, bytes(1000))
    _write(journal, 2, bytes(10))
    journal.close()
    for _ in range(journal_index.KEPT_RUNS):
        journal = _opened(path)
        assert _key(1) in journal.index.places
        journal.append([fmt.pack_record(Kind.USED, _key(2))])
        journal.close()

    journal = _opened(path)

    assert list(journal.index.places) == [_key(2)]
    journal.close()


def test_a_compaction_that_fails_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    journal = _opened(path)
    for turn in range(10):
        _write(journal, 1, b"%d" % turn)
    journal.close()
    monkeypatch.setattr(journal_index, "SMALL_BYTES", 0)
    (tmp_path / "journal.new").mkdir()

    journal = _opened(path)

    assert _read(journal, 1) == b"9"
    journal.close()
