"""Large results while they arrive, in memory and on disk."""

from __future__ import annotations

import errno
import mmap
import tempfile
from pathlib import Path
from typing import Any

import pytest

from hxgrid.errors import StoreError
from hxgrid.user import results
from hxgrid.user.arrivals import Arrivals
from hxgrid.user.results import ResultFile, ResultMemory
from hxgrid.wire.batches import Chunk, ResultRecord
from hxgrid.wire.documents import read_reason
from hxgrid.wire.messages import AttemptFlag, ChunkOf, Outcome

CHUNKED = int(AttemptFlag.CHUNKED)
SIZE = 200_000


def _record(task: int, *, chunked: bool = True, payload: bytes = b"") -> ResultRecord:
    size = SIZE if chunked else len(payload)
    flags = CHUNKED if chunked else 0
    return ResultRecord(task, 1, int(Outcome.DONE), flags, 0, size, size, 1.0, 2.0, payload)


def _chunk(task: int, offset: int, payload: bytes) -> Chunk:
    return Chunk(int(ChunkOf.RESULT), 1, 7, task, offset, SIZE, payload)


@pytest.fixture
def memory(tmp_path: Path) -> ResultMemory:
    return ResultMemory(tmp_path, 300_000)


def test_small_results_pass_and_large_ones_wait_for_their_last_chunk(memory: ResultMemory) -> None:
    arrivals = Arrivals(memory)
    small = _record(1, chunked=False, payload=b"abc")
    assert arrivals.whole([small]) == [small]
    assert arrivals.whole([_record(2), small]) == [small]
    assert arrivals.take(_chunk(2, 0, b"a" * 150_000)) is None
    whole = arrivals.take(_chunk(2, 150_000, b"b" * 50_000))
    assert whole is not None
    assert (whole.task, whole.flags) == (2, 0)
    assert bytes(whole.payload) == b"a" * 150_000 + b"b" * 50_000
    assert arrivals.credit_due() == SIZE


def test_an_abandoned_result_ends_as_cancelled_and_its_chunks_are_dropped(
    memory: ResultMemory,
) -> None:
    arrivals = Arrivals(memory)
    arrivals.whole([_record(2)])
    ended = arrivals.abandon((2, 1))
    assert ended is not None
    assert (ended.outcome, ended.stored_bytes, ended.payload) == (Outcome.CANCELLED, 0, b"")
    assert arrivals.abandon((2, 1)) is None
    assert arrivals.take(_chunk(2, 0, bytes(SIZE))) is None
    assert arrivals.credit_due() == SIZE, "the agent's window must not shrink by what is dropped"


def test_memory_counts_until_nobody_refers_to_it(memory: ResultMemory) -> None:
    arrivals = Arrivals(memory)
    arrivals.whole([_record(1), _record(2)])
    first = arrivals.take(_chunk(1, 0, bytes(SIZE)))
    second = arrivals.take(_chunk(2, 0, b"x" * SIZE))
    assert first is not None
    assert second is not None
    assert memory.used_bytes == SIZE, "the second did not fit and is on disk"
    assert bytes(second.payload) == b"x" * SIZE
    del first
    assert memory.used_bytes == 0


def test_a_full_disk_ends_the_attempt_with_the_reason(
    memory: ResultMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.limit_bytes = 0
    arrivals = Arrivals(memory)

    def refuse(_file: ResultFile, _offset: int, _data: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(ResultFile, "write", refuse)
    arrivals.whole([_record(2)])
    ended = arrivals.take(_chunk(2, 0, bytes(1000)))
    assert ended is not None
    assert ended.outcome == Outcome.FAILED
    assert "disk full" in read_reason(ended.payload).text
    assert arrivals.take(_chunk(2, 1000, bytes(1000))) is None, "it has ended already"


def test_a_folder_that_cannot_be_made_ends_the_attempt_at_once(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    arrivals = Arrivals(ResultMemory(blocked / "below", 0))
    (ended,) = arrivals.whole([_record(1)])
    assert ended.outcome == Outcome.FAILED
    assert "could not be kept" in read_reason(ended.payload).text


@pytest.mark.parametrize("at", ["file", "mapping"])
def test_a_result_survives_when_file_handles_run_out(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    asked: list[int] = []
    monkeypatch.setattr(results, "raise_handle_limit", asked.append)
    if at == "file":
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    else:
        monkeypatch.setattr(mmap, "mmap", refuse)
    arrivals = Arrivals(ResultMemory(tmp_path, 0))
    for task in (1, 2):
        arrivals.whole([_record(task)])
        whole = arrivals.take(_chunk(task, 0, b"a" * SIZE))
        assert whole is not None
        assert whole.outcome == Outcome.DONE
        assert bytes(whole.payload) == b"a" * SIZE
    assert asked == [results.HANDLES], "once is enough"
