"""Large results on their way out, with the connection and the user played by the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from hxgrid.testing import VirtualClock
from hxgrid.wire.batches import AttemptRecord, Buffer, ResultRecord, unpack_chunk
from hxgrid.wire.messages import AttemptFlag, Hello, Outcome
from hxgrid_agent import transfers
from hxgrid_agent.core.attempt import Attempt
from hxgrid_agent.core.session import Session
from hxgrid_agent.transfers import MAX_MAPPED_RESULTS, Transfers

SIZE = 100_000


class Line:
    """A connection that keeps what is sent, and tells the sender that all was taken in."""

    def __init__(self) -> None:
        self.session = Session(1, Hello(session="a" * 32, ticket="a" * 32), b"peer", 0.0)
        self.transfers = Transfers(VirtualClock(), lambda _: None)
        disk = SimpleNamespace(lag_bytes=0)
        self.transfers.connect(cast(Any, self), cast(Any, disk), cast(Any, None))
        self.transfers.open(self.session)
        self.taken: dict[int, int] = {}

    def send(self, _: bytes, frames: Sequence[Buffer]) -> bool:
        chunk = unpack_chunk(*frames)
        self.taken[chunk.id] = self.taken.get(chunk.id, 0) + len(chunk.payload)
        return True

    def turn(self) -> None:
        self.transfers.flush()
        self.transfers.credit(b"peer", sum(self.taken.values()))

    @property
    def whole(self) -> int:
        return sum(1 for size in self.taken.values() if size == SIZE)


def ended(folder: Path, task: int) -> Attempt:
    attempt = Attempt((task, 1), AttemptRecord(task, 1, 0, 1, 0, 0, b""), None)
    flags = int(AttemptFlag.CHUNKED)
    attempt.result = ResultRecord(task, 1, Outcome.DONE, flags, 0, SIZE, SIZE, 0.0, 0.0, b"")
    path = folder / f"result-{task}"
    path.write_bytes(b"r" * SIZE)
    attempt.file = str(path)
    return attempt


@pytest.mark.replaces
def test_many_large_results_do_not_use_up_the_file_handles(tmp_path: Path) -> None:
    line = Line()
    before = psutil.Process().num_fds()
    attempts = [ended(tmp_path, task) for task in range(3 * MAX_MAPPED_RESULTS)]
    line.transfers.send_results(line.session, attempts)
    line.transfers.flush()
    assert psutil.Process().num_fds() <= before + MAX_MAPPED_RESULTS
    for _ in range(1000):
        line.turn()
    assert line.whole == len(attempts)


@pytest.mark.replaces
def test_a_result_that_cannot_be_opened_now_is_sent_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_handle_left(_: str) -> Buffer:
        raise OSError(24, "Too many open files")

    line = Line()
    with monkeypatch.context() as patch:
        patch.setattr(transfers, "_map", no_handle_left)
        line.transfers.send_results(line.session, [ended(tmp_path, 1)])
        line.turn()
        assert line.whole == 0
    line.turn()
    assert line.whole == 1


@pytest.mark.replaces
def test_a_result_that_is_dropped_before_its_turn_is_not_sent(tmp_path: Path) -> None:
    line = Line()
    attempt = ended(tmp_path, 1)
    line.transfers.send_results(line.session, [attempt])
    line.transfers.drop_result(line.session, attempt.key, attempt.file)
    line.turn()
    assert line.taken == {}
