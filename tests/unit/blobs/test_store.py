"""The blob store: quota, order of removal, pins, damage, restarts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxgrid.blobs.store import BlobStore, DamagedBlob
from hxgrid.errors import StoreError
from hxgrid.streams.digests import CHUNK_BYTES, digest_bytes, hash_bytes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path / "store", quota_bytes=1000)
    assert store.open()
    yield store
    store.close()


def put(store: BlobStore, data: bytes, *, pinned: bool = False) -> str:
    digest = digest_bytes(data)
    writer = store.begin(digest, len(data))
    half = len(data) // 2
    writer.write(0, data[:half])
    writer.write(half, data[half:])
    assert writer.finish().read_bytes() == data
    if not pinned:
        store.unpin(digest)
    return digest


def test_a_stored_blob_is_found_by_its_digest(store: BlobStore) -> None:
    digest = put(store, b"geometry" * 10)
    path = store.path_of(digest)
    assert path is not None
    assert path.read_bytes() == b"geometry" * 10
    assert store.used_bytes == 80


def test_an_unknown_blob_is_not_found(store: BlobStore) -> None:
    assert store.path_of("0" * 64) is None
    assert not store.pin("0" * 64)


def test_an_empty_blob_is_stored(store: BlobStore) -> None:
    digest = digest_bytes(b"")
    assert store.begin(digest, 0).finish().read_bytes() == b""


def test_damaged_bytes_are_refused_and_leave_nothing(store: BlobStore) -> None:
    writer = store.begin(digest_bytes(b"right"), 5)
    writer.write(0, b"wrong")
    with pytest.raises(StoreError, match="damaged"):
        writer.finish()
    assert store.used_bytes == 0
    assert not list(store.folder.rglob("*.part"))


def test_a_piece_out_of_order_is_refused(store: BlobStore) -> None:
    writer = store.begin(digest_bytes(b"abcdef"), 6)
    with pytest.raises(StoreError, match="not the next one"):
        writer.write(3, b"def")
    writer.abort()
    assert store.used_bytes == 0


def test_the_least_recently_used_blob_goes_first(store: BlobStore) -> None:
    first, second = put(store, b"1" * 400), put(store, b"2" * 400)
    assert store.path_of(first) is not None
    put(store, b"3" * 400)
    assert store.contains(first)
    assert not store.contains(second)


def test_a_pinned_blob_stays(store: BlobStore) -> None:
    first = put(store, b"1" * 400, pinned=True)
    second = put(store, b"2" * 400)
    put(store, b"3" * 500)
    assert store.contains(first)
    assert not store.contains(second)


def test_pinned_blobs_that_leave_no_room_are_an_error_that_names_the_quota(
    store: BlobStore,
) -> None:
    put(store, b"1" * 600, pinned=True)
    with pytest.raises(StoreError, match="store_quota_bytes"):
        store.begin(digest_bytes(b"2" * 600), 600)


def test_one_blob_of_any_size_fits_an_otherwise_empty_store(store: BlobStore) -> None:
    small = put(store, b"1" * 400)
    large = put(store, b"2" * 5000)
    assert store.contains(large)
    assert not store.contains(small)


def test_blobs_survive_a_restart_and_are_verified_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 1000)
    assert store.open()
    digest = put(store, b"x" * 100)
    store.close()
    again = BlobStore(tmp_path / "store", 1000)
    assert again.open()
    assert again.contains(digest)
    assert not again.is_verified(digest)
    assert again.path_of(digest) is not None
    assert again.is_verified(digest)
    again.close()


def test_a_blob_that_was_damaged_on_disk_is_removed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 1000)
    assert store.open()
    digest = put(store, b"x" * 100)
    path = store.path_of(digest)
    assert path is not None
    store.close()
    path.write_bytes(b"y" * 100)
    again = BlobStore(tmp_path / "store", 1000)
    assert again.open()
    assert again.path_of(digest) is None
    assert not again.contains(digest)
    assert not path.exists()
    again.close()


def test_what_was_half_received_is_gone_after_a_restart(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 1000)
    assert store.open()
    store.close()
    (store.folder / "partial" / "1.part").write_bytes(b"abc")
    again = BlobStore(tmp_path / "store", 1000)
    assert again.open()
    assert not list(again.folder.rglob("*.part"))
    assert again.used_bytes == 0
    again.close()


def test_two_programs_never_share_a_folder(tmp_path: Path) -> None:
    one = BlobStore.open_first_free(tmp_path, 1000)
    two = BlobStore.open_first_free(tmp_path, 1000)
    assert one.folder != two.folder
    one.close()
    three = BlobStore.open_first_free(tmp_path, 1000)
    assert three.folder == one.folder
    two.close()
    three.close()
    three.close()


def test_what_is_not_in_use_can_be_dropped(store: BlobStore) -> None:
    pinned = put(store, b"1" * 100, pinned=True)
    put(store, b"2" * 200)
    assert store.drop_unpinned() == 200
    assert store.contains(pinned)


def test_a_full_disk_is_a_store_error_that_says_what_to_do(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store.begin(digest_bytes(b"abc"), 3)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError, match=r"No space left.*store_folder"):
        writer.write(0, b"abc")
    monkeypatch.undo()
    writer.abort()
    assert store.used_bytes == 0


@pytest.fixture
def large(tmp_path: Path) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path / "large", quota_bytes=10 * CHUNK_BYTES)
    assert store.open()
    yield store
    store.close()


CONTENT = bytes(range(256)) * 4096 + b"2" * CHUNK_BYTES + b"rest"


def test_each_chunk_is_checked_when_it_is_whole(large: BlobStore) -> None:
    found = hash_bytes(CONTENT)
    writer = large.begin(found.digest, len(CONTENT), found.chunks)
    checked = []
    for start in range(0, len(CONTENT), 600_000):
        writer.write(start, CONTENT[start : start + 600_000])
        checked.append(writer.checked_bytes)
    assert checked == [0, CHUNK_BYTES, CHUNK_BYTES, len(CONTENT)]
    assert writer.finish().read_bytes() == CONTENT


@pytest.mark.parametrize("wrong_at", [5, CHUNK_BYTES + 5, len(CONTENT) - 1])
def test_a_wrong_chunk_alone_is_taken_again(large: BlobStore, wrong_at: int) -> None:
    found = hash_bytes(CONTENT)
    writer = large.begin(found.digest, len(CONTENT), found.chunks)
    damaged = bytearray(CONTENT)
    damaged[wrong_at] ^= 1
    with pytest.raises(DamagedBlob) as caught:
        writer.write(0, damaged)
    good = wrong_at - wrong_at % CHUNK_BYTES
    assert (caught.value.good_bytes, writer.written_bytes, caught.value.can_go_on) == (
        good,
        good,
        True,
    )
    assert writer.path.read_bytes()[:good] == CONTENT[:good]
    writer.write(good, CONTENT[good:])
    assert writer.finish().read_bytes() == CONTENT


def test_nobody_else_can_read_it_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = BlobStore(tmp_path / "store", 1 << 20)
        assert store.open()
    finally:
        os.umask(before)
    store.close()
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
