"""Memory for large results: counted while anybody looks, and used again when nobody does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hxgrid.user import results
from hxgrid.user.results import ResultBuffer, ResultFile, ResultMemory

SIZE = 100_000


@pytest.fixture
def memory(tmp_path: Path) -> ResultMemory:
    return ResultMemory(tmp_path, 4 * SIZE)


def placed(memory: ResultMemory, content: bytes) -> memoryview:
    """Return the bytes of a result that has arrived in two pieces."""
    place = memory.place(len(content))
    assert isinstance(place, ResultBuffer)
    half = len(content) // 2
    place.write(0, content[:half])
    place.write(half, content[half:])
    return place.payload()


def test_it_counts_until_the_last_view_has_gone(memory: ResultMemory) -> None:
    whole = placed(memory, b"ab" * (SIZE // 2))
    part = whole[2:4]
    del whole
    assert memory.used_bytes == SIZE
    assert bytes(part) == b"ab"
    del part
    assert memory.used_bytes == 0


def test_what_one_result_has_left_is_the_next_ones(memory: ResultMemory) -> None:
    for turn in range(10):
        assert bytes(placed(memory, bytes([turn]) * SIZE)) == bytes([turn]) * SIZE
        assert memory.spare_bytes == SIZE, "one piece of memory serves all"
    assert len(placed(memory, bytes(SIZE * 3 // 4))) == SIZE * 3 // 4
    assert memory.spare_bytes == SIZE, "a smaller one takes it too"
    assert len(placed(memory, bytes(SIZE // 4))) == SIZE // 4
    assert memory.spare_bytes == SIZE + SIZE // 4, "but not one that would waste most of it"


def test_what_somebody_looks_at_is_not_used_again(memory: ResultMemory) -> None:
    kept = placed(memory, b"k" * SIZE)
    for turn in range(10):
        placed(memory, bytes([turn]) * SIZE)
    assert bytes(kept) == b"k" * SIZE


def test_a_result_cannot_be_changed(memory: ResultMemory) -> None:
    with pytest.raises(TypeError, match="read-only"):
        placed(memory, bytes(SIZE))[0] = 1


def test_little_is_kept(memory: ResultMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "SPARE_BYTES", 2 * SIZE + 1)
    views = [placed(memory, bytes(SIZE)) for _ in range(4)]
    assert isinstance(memory.place(SIZE), ResultFile), "memory for results is full"
    views.clear()
    assert memory.used_bytes == 0
    assert memory.spare_bytes == 2 * SIZE


def test_results_go_on_any_thread(memory: ResultMemory) -> None:
    views = [placed(memory, bytes(SIZE)) for _ in range(4)]

    def let_go() -> None:
        views.pop()

    threads = [threading.Thread(target=let_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.used_bytes == 0
