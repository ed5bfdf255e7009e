"""Full queues, full memory, and what is spilled to disk then."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError
from hxgrid.streams import Stream
from hxgrid.wire.messages import Outcome, Reason
from tests.unit.user.conftest import MakeSession, echo, hold


def test_a_full_queue_makes_submitting_wait_or_give_up(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold, max_queued_tasks=2)
    stream = Stream(b"mine")
    session.run_task(module, "f")
    session.run_task(module, "f")
    assert session.run_task(module, "f", stream, blocking=False) is None
    stream.seek(0, 2)
    stream.write(b" still")
    began_at = time.monotonic()
    assert session.run_task(module, "f", stream, timeout=0.2) is None
    assert time.monotonic() - began_at >= 0.2
    threading.Timer(0.1, lambda: agent.end((1, 1), Outcome.DONE)).start()
    task = session.run_task(module, "f", stream, timeout=20)
    assert task is not None
    assert task.id == 3


def test_h2_a_task_of_any_size_is_accepted_into_an_empty_queue(
    make_session: MakeSession, module: Path
) -> None:
    session, _ = make_session(
        echo, user_max_memory_bytes=1_000_000, allow_spill=False, compress_threshold_bytes=1 << 40
    )
    outputs = []
    for size in (5_000_000, 10, 900_000, 2_000_000):
        task = session.run_task(module, "f", bytes(size), timeout=20)
        assert task is not None
        outputs.append(task)
    assert [len(task.result(20)) for task in outputs] == [5_000_000, 10, 900_000, 2_000_000]


def test_b40_submitting_in_finalize_never_waits(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(echo, max_queued_tasks=1)
    outputs: list[bytes] = []

    def again(out: Stream) -> None:
        outputs.append(out.read())
        if len(outputs) < 4:
            for _ in range(2):
                session.run_task(module, "f", b"more", again)

    session.run_task(module, "f", b"first", again)
    assert session.wait_for_completion(20)
    assert outputs == [b"first", *[b"more"] * 6]


def test_b6_spilled_inputs_are_sent_again_unharmed(make_session: MakeSession, module: Path) -> None:
    seen: list[bytes] = []

    def fail_first(_: str, data: bytes) -> bytes | Reason:
        seen.append(data)
        return Reason(text="once more") if seen.count(data) == 1 else data

    session, _ = make_session(
        fail_first,
        user_max_memory_bytes=100_000,
        compress_threshold_bytes=1 << 40,
        retry_delay_s=0.05,
        cooling_s=0.05,
    )
    inputs = [bytes([n]) * 70_000 for n in range(10)]
    tasks = [session.run_task(module, "f", data) for data in inputs]
    outputs = [task.result(30).read() for task in tasks if task is not None]
    assert outputs == inputs


def test_results_beyond_the_memory_limit_go_to_disk(
    make_session: MakeSession, module: Path
) -> None:
    session, _ = make_session(lambda _name, data: data * 200_000, result_memory_bytes=300_000)
    tasks = [session.run_task(module, "f", bytes([n])) for n in range(6)]
    outputs = [task.result(20) for task in tasks if task is not None]
    assert [out.read() for out in outputs] == [bytes([n]) * 200_000 for n in range(6)]


def test_settings_change_at_once(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(hold, max_queued_tasks=1)
    session.run_task(module, "f")
    assert session.run_task(module, "f", blocking=False) is None
    session.update_settings(max_queued_tasks=2)
    assert session.settings.max_queued_tasks == 2
    assert session.run_task(module, "f", blocking=False) is not None


def test_wrong_and_fixed_settings_are_refused(make_session: MakeSession) -> None:
    session, _ = make_session(echo)
    with pytest.raises(ConfigError):
        session.update_settings(max_queued_tasks=0)
    with pytest.raises(ConfigError, match="beacon_port cannot be changed"):
        session.update_settings(beacon_port=5000)
