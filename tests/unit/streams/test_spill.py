"""Queued inputs on disk: written, read, removed, and never those of somebody else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxgrid.errors import StoreError
from hxgrid.streams import spill
from hxgrid.streams.lock_posix import try_lock
from hxgrid.streams.spill import SpillFolder, remove_stale

# Makes a folder with one input, says so, and waits to be killed.
HOLDER = """
import sys
from pathlib import Path
from hxgrid.streams.spill import SpillFolder
folder = SpillFolder(Path(sys.argv[1])).open()
print(folder.write(b"theirs").path, flush=True)
sys.stdin.read()
"""

# A process whose files may not grow beyond 1 MB tries to spill 3 MB, and then a few bytes.
LIMITED = """
import resource, sys
from pathlib import Path
from hxgrid.errors import StoreError
from hxgrid.streams.spill import SpillFolder
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
with SpillFolder(Path(sys.argv[1])) as folder:
    try:
        folder.write(bytes(3_000_000))
    except StoreError as error:
        print(error.why)
    print([path.name for path in Path(sys.argv[1]).glob("*/*")])
    print(bytes(folder.write(b"small").read()).decode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SpillFolder]:
    with SpillFolder(tmp_path / "spill") as opened:
        yield opened


def entries(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.exists() else []


def test_what_is_written_is_read_back(folder: SpillFolder) -> None:
    inputs = [b"", b"a", os.urandom(3_000_000)]
    spilled = [folder.write(data) for data in inputs]
    assert [bytes(one.read()) for one in spilled] == inputs
    assert folder.used_bytes == sum(map(len, inputs))


def test_inputs_stay_valid_after_their_removal(folder: SpillFolder) -> None:
    spilled = folder.write(b"abc")
    view = spilled.read()
    spilled.remove()
    spilled.remove()
    assert bytes(view) == b"abc"
    assert not spilled.path.exists()
    assert folder.used_bytes == 0


def test_any_buffer_can_be_written(folder: SpillFolder) -> None:
    assert bytes(folder.write(memoryview(bytearray(b"abcd"))[1:]).read()) == b"bcd"


def test_nothing_is_made_before_the_first_input(tmp_path: Path) -> None:
    with SpillFolder(tmp_path / "spill"):
        assert not (tmp_path / "spill").exists()


def test_files_are_for_their_owner_only(folder: SpillFolder) -> None:
    path = folder.write(b"abc").path
    assert path.parent.stat().st_mode & 0o077 == 0


def test_closing_removes_everything(tmp_path: Path) -> None:
    folder = SpillFolder(tmp_path).open()
    for data in (b"a", b"b"):
        folder.write(data)
    folder.close()
    folder.close()
    assert entries(tmp_path) == []
    with pytest.raises(StoreError, match="closed"):
        folder.write(b"c")


def test_an_input_over_the_limit_is_refused_and_the_rest_stays(tmp_path: Path) -> None:
    with SpillFolder(tmp_path, limit_bytes=10) as folder:
        first = folder.write(b"12345678")
        with pytest.raises(StoreError, match="limit is 10 bytes"):
            folder.write(b"123")
        assert bytes(first.read()) == b"12345678"
        first.remove()
        folder.write(b"123")


def test_a_file_that_was_cut_is_not_taken_for_the_input(folder: SpillFolder) -> None:
    spilled = folder.write(b"abcdef")
    os.truncate(spilled.path, 3)
    with pytest.raises(StoreError, match="3 bytes instead of 6"):
        spilled.read()


def test_a_file_that_is_gone_is_named(folder: SpillFolder) -> None:
    spilled = folder.write(b"abcdef")
    spilled.path.unlink()
    with pytest.raises(StoreError, match=r"1\.input"):
        spilled.read()


def test_b7_a_full_disk_leaves_nothing_behind(
    folder: SpillFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = folder.write(b"kept")
    real_write = spill._write_file

    def write_half(path: Path, view: memoryview) -> None:
        real_write(path, view[: len(view) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spill, "_write_file", write_half)
    with pytest.raises(StoreError, match="No space left on device"):
        folder.write(b"abcdef")
    assert folder.used_bytes == 4
    assert [path.name for path in entries(kept.path.parent)] == ["1.input", "owner"]
    monkeypatch.undo()
    assert bytes(folder.write(b"abcdef").read()) == b"abcdef"


def test_b7_a_write_that_the_system_cuts_short_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["File too large", "['owner']", "small"]


def test_b7_a_parent_that_is_no_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        SpillFolder(tmp_path / "file" / "spill") as folder,
        pytest.raises(StoreError, match="file"),
    ):
        folder.write(b"abc")


def test_b7_a_folder_that_vanishes_is_an_error_of_ours(folder: SpillFolder) -> None:
    first = folder.write(b"abc")
    for path in entries(first.path.parent):
        path.unlink()
    first.path.parent.rmdir()
    with pytest.raises(StoreError, match="No such file"):
        folder.write(b"def")


def test_b8_folders_of_dead_processes_go_and_those_of_living_ones_stay(
    tmp_path: Path,
) -> None:
    def start() -> tuple[subprocess.Popen[str], Path]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout is not None
        return holder, Path(holder.stdout.readline().strip())

    dead, stale = start()
    dead.kill()
    dead.communicate()
    assert stale.read_bytes() == b"theirs"
    living, kept = start()
    try:
        assert not stale.parent.exists()
        with SpillFolder(tmp_path) as folder:
            assert bytes(folder.write(b"ours").read()) == b"ours"
            assert kept.read_bytes() == b"theirs"
    finally:
        living.kill()
        living.communicate()
    assert remove_stale(tmp_path) == 1
    assert entries(tmp_path) == []


def test_b8_the_folder_of_this_process_is_never_stale(tmp_path: Path) -> None:
    with SpillFolder(tmp_path) as first, SpillFolder(tmp_path) as second:
        spilled = first.write(b"abc"), second.write(b"def")
        assert remove_stale(tmp_path) == 0
        assert [bytes(one.read()) for one in spilled] == [b"abc", b"def"]
        assert spilled[0].path.parent != spilled[1].path.parent


def test_what_others_keep_beside_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "hxgrid-spill-notes").mkdir()
    (tmp_path / "hxgrid-spill-4711-0123456789abcdef.txt").touch()
    assert remove_stale(tmp_path) == 0
    assert len(entries(tmp_path)) == 2


def test_a_folder_left_between_creation_and_lock_goes(tmp_path: Path) -> None:
    (tmp_path / "hxgrid-spill-4711-0123456789abcdef").mkdir()
    remove_stale(tmp_path)
    assert entries(tmp_path) == []


def test_a_claim_that_another_process_swept_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Path] = []

    def sweep_first(descriptor: int) -> bool:
        if not swept:
            swept.extend(tmp_path.iterdir())
            for path in entries(swept[0]):
                path.unlink()
            swept[0].rmdir()
        return try_lock(descriptor)

    monkeypatch.setattr(spill, "try_lock", sweep_first)
    with SpillFolder(tmp_path) as folder:
        spilled = folder.write(b"abc")
        assert bytes(spilled.read()) == b"abc"
        assert spilled.path.parent != swept[0]


def test_b7_a_disk_without_locks_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with SpillFolder(tmp_path / "lockable") as folder:
        kept = folder.write(b"abc")
        monkeypatch.setattr(spill, "try_lock", no_locks)
        assert remove_stale(tmp_path / "lockable") == 0
        assert bytes(kept.read()) == b"abc"
        with SpillFolder(tmp_path / "other") as other, pytest.raises(StoreError, match="No locks"):
            other.write(b"abc")
    assert entries(tmp_path / "other") == []


def test_several_threads_may_write_at_once(folder: SpillFolder) -> None:
    results: dict[int, bytes] = {}

    def work(number: int) -> None:
        for _round in range(20):
            spilled = folder.write(bytes([number]) * 1000)
            results[number] = bytes(spilled.read())
            spilled.remove()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: bytes([number]) * 1000 for number in range(8)}
    assert folder.used_bytes == 0


def test_several_people_share_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with SpillFolder(tmp_path) as theirs:
        folder = theirs.write(b"theirs").path.parent
        assert folder.parent == tmp_path, "a folder between would belong to who came first"

        def is_not_ours(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", is_not_ours)
        assert remove_stale(tmp_path) == 0
        monkeypatch.undo()
    assert caplog.records == []
