"""The host process by itself, at the end of its socket: the page, damaged inputs, its end."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hxgrid.streams.compression import pack, unpack
from hxgrid.tasks import hostpage
from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.messages import AttemptFlag, Outcome
from hxgrid_agent.execution.events import Died, Ended, Ready
from hxgrid_agent.execution.host_process import HostProcess
from tests.harness.wait import wait_until
from tests.native.driver import ffi
from tests.unit.agent.execution.conftest import LIMIT_S, SmallAgent


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SmallAgent]:
    """A host process that works for a session."""
    agent = SmallAgent(tmp_path)
    agent.process = HostProcess(3, tmp_path)
    try:
        agent.process.start()
        agent.await_event(Ready)
        yield agent.assign()
    finally:
        agent.process.close()


def offer(host: SmallAgent, library: Path, entry: str) -> int:
    return host.offer(library.parent, [library.name], kind="native", entry=entry)


def test_python_and_c_describe_one_page(lib: Any) -> None:
    assert hostpage.CRASH_AT == lib.HXG_PAGE_CRASH_AT
    assert hostpage.THREADS_AT == lib.HXG_PAGE_THREADS_AT
    assert hostpage.THREADS == lib.HXG_PAGE_THREADS
    assert hostpage.HOST_PAGE_BYTES == lib.HXG_PAGE_BYTES
    assert ffi.sizeof("hxg_stamp") == hostpage.STAMP_BYTES
    for phase in hostpage.Phase:
        assert phase == getattr(lib, f"HXG_PHASE_{phase.name}")
    for kind in hostpage.CrashKind:
        assert kind == getattr(lib, f"HXG_CRASH_{kind.name}")


def test_what_c_writes_python_reads(lib: Any) -> None:
    page = hostpage.HostPage()
    at = ffi.cast("char *", ffi.from_buffer(page.flags))
    stamp = ffi.cast("hxg_stamp *", at + lib.HXG_PAGE_THREADS_AT + 5 * ffi.sizeof("hxg_stamp"))
    stamp.serial, stamp.started_at, stamp.phase, stamp.function, stamp.finished = 9, 1.5, 3, 7, 4
    assert page.stamps() == [hostpage.Stamp(5, 9, 1.5, 3, 7, 4)]
    assert page.crash() is None
    crash = ffi.cast("hxg_crash *", at + lib.HXG_PAGE_CRASH_AT)
    crash.kind, crash.code, crash.serial, crash.address = 1, 11, 2**40, 2**60
    assert page.crash() == hostpage.Crash(hostpage.CrashKind.SIGNAL, 11, 2**40, 0, 0, 2**60)


def test_b14_a_damaged_compressed_input_fails_its_own_attempt(
    host: SmallAgent, plain: Path
) -> None:
    function = offer(host, plain, "Echo")
    flags = int(AttemptFlag.COMPRESSED)
    damaged = AttemptRecord(1, 1, flags, function, 9, 1000, b"no block!")
    host.process.run([(damaged, "")])
    host.failure(Outcome.FAILED)
    host.run(function, b"goes on", task=2)
    assert host.result(2).payload == b"goes on"


def test_a_crash_names_the_attempt_and_what_it_was_busy_with(host: SmallAgent, plain: Path) -> None:
    key = host.run(offer(host, plain, "Segfault"))
    died = host.await_event(Died)
    assert (died.running, died.ran) == (key, {key: 0})
    assert died.reason.signal == "SIGSEGV"
    assert died.reason.text.startswith("the host process died of SIGSEGV")


def test_the_end_is_told_when_nothing_runs_any_more(host: SmallAgent, plain: Path) -> None:
    host.run(offer(host, plain, "Nothing"))
    assert host.result().outcome == Outcome.DONE
    host.process.end()
    died = host.await_event(Died)
    assert died.reason.text == "the task process ended as it was asked to"
    assert died.running is None


def test_a_file_that_is_no_library_is_unusable(host: SmallAgent, tmp_path: Path) -> None:
    (tmp_path / "bad.so").write_bytes(b"\x7fELF but not really")
    host.run(offer(host, tmp_path / "bad.so", "Run"))
    assert "bad.so" in host.failure(Outcome.UNUSABLE).text


def test_more_results_than_a_frame_holds_arrive(host: SmallAgent, plain: Path) -> None:
    function = offer(host, plain, "Echo")
    data = bytes(range(256)) * 200
    for task in range(1, 60):
        host.run(function, data, task)
    assert all(host.result(task).payload == data for task in range(1, 60))


def finished(host: SmallAgent) -> int:
    """Return how many attempts the only thread has run."""
    (count,) = struct.unpack_from("<Q", host.process._page.flags, hostpage.THREADS_AT + 24)
    return int(count)


@pytest.mark.slow
def test_a_large_output_does_not_hold_up_a_small_one(host: SmallAgent, plain: Path) -> None:
    large, small = (offer(host, plain, name) for name in ("Megabytes", "Echo"))

    def is_small_first(turn: int) -> bool:
        before = finished(host)
        host.run(large, struct.pack("<I", 400), task=2 * turn)
        wait_until(lambda: finished(host) > before, LIMIT_S, "400 megabytes to be made")
        host.run(small, b"small", task=2 * turn + 1)
        seen: list[int] = []
        while len(seen) < 2:
            seen += [record.task for record in host.await_event(Ended).records]
        return seen[0] % 2 == 1

    # If it were held up it would always be second; once it may be so where somebody else computes.
    assert any(is_small_first(turn) for turn in range(1, 6))


def test_large_inputs_and_outputs_survive_the_end(host: SmallAgent, plain: Path) -> None:
    function = offer(host, plain, "Echo")
    data = bytes(range(256)) * 4_000
    packed = bytes(pack(data, 1000)[0])
    assert len(packed) < len(data)
    flags = int(AttemptFlag.COMPRESSED)
    records = [
        AttemptRecord(task, 1, flags, function, len(packed), len(data), packed)
        for task in range(1, 9)
    ]
    host.process.run([(record, "") for record in records])
    host.process.end()
    seen = {task: host.result(task) for task in range(1, 9)}
    outcomes = {record.outcome for record in seen.values()}
    assert outcomes <= {Outcome.DONE, Outcome.NOT_STARTED}
    for record in seen.values():
        if record.outcome == Outcome.DONE:
            assert unpack(record.payload, record.raw_bytes, len(data)) == data
    assert host.await_event(Died).lost == ()


def test_the_process_dies_with_its_socket(host: SmallAgent) -> None:
    host.process.socket.shutdown(2)
    assert host.await_event(Died).running is None
