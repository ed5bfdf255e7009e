"""Attempts through a task process: inputs, outputs, order, and what the process may see."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.messages import AttemptFlag, Outcome
from hxgrid_agent.execution.events import Ready
from tests.harness.wait import wait_until
from tests.unit.agent.execution.conftest import SmallAgent
from tests.unit.agent.execution.watching import await_running


def test_a_task_reads_its_input_and_writes_its_output(agent: SmallAgent) -> None:
    agent.run(agent.body("out_stream.write(in_stream.read()[::-1])"), b"abc")
    record = agent.result()
    assert (record.outcome, record.payload, record.slot) == (Outcome.DONE, b"cba", 5)
    assert 0 < record.started_at <= record.ended_at


def test_many_tasks_come_back_in_order(agent: SmallAgent) -> None:
    function = agent.body("out_stream.write(in_stream.read())")
    records = [
        AttemptRecord(task, 1, 0, function, 4, 4, task.to_bytes(4, "big")) for task in range(500)
    ]
    agent.process.run([(record, "") for record in records])
    answers = [agent.result(task) for task in range(500)]
    assert [int.from_bytes(answer.payload, "big") for answer in answers] == list(range(500))
    assert agent.process.held == []


def test_an_empty_output_is_an_output(agent: SmallAgent) -> None:
    agent.run(agent.body("pass"))
    record = agent.result()
    assert (record.outcome, record.payload, record.flags) == (Outcome.DONE, b"", 0)


def test_a_large_input_and_output_go_through_files(agent: SmallAgent) -> None:
    data = os.urandom(1_000_000)
    path = agent.folder / "input"
    path.write_bytes(data)
    function = agent.body("out_stream.write(in_stream.getbuffer())")
    record = AttemptRecord(1, 1, AttemptFlag.CHUNKED, function, len(data), len(data), b"")
    agent.process.run([(record, str(path))])
    answer = agent.result()
    assert (answer.outcome, answer.flags) == (Outcome.DONE, AttemptFlag.CHUNKED)
    assert answer.payload == data


def test_the_memory_that_it_holds_alone_can_be_seen(agent: SmallAgent, tmp_path: Path) -> None:
    before = agent.process.private_bytes()
    shared = tmp_path / "shared"
    shared.write_bytes(bytes(100 << 20))
    agent.run(
        agent.body(
            "global kept",
            "import mmap",
            f"file = open({str(shared)!r}, 'rb')",
            "mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)",
            "kept = b'x' * (40 << 20), mapped, sum(mapped[::4096])",
        )
    )
    assert agent.result().outcome == Outcome.DONE
    assert 40 << 20 <= agent.process.private_bytes() - before < 80 << 20


def test_outputs_are_compressed_by_the_rule_for_inputs(agent: SmallAgent) -> None:
    from hxgrid.streams.compression import pack, unpack

    data = b"again and again " * 50_000
    packed, is_packed = pack(data, 1000)
    assert is_packed
    function = agent.body("out_stream.write(in_stream.read())")
    flags = int(AttemptFlag.COMPRESSED)
    record = AttemptRecord(1, 1, flags, function, len(bytes(packed)), len(data), bytes(packed))
    agent.process.run([(record, "")])
    answer = agent.result()
    assert answer.flags == AttemptFlag.COMPRESSED
    assert (answer.raw_bytes, unpack(answer.payload, len(data), len(data))) == (len(data), data)


def test_the_command_line_says_slot_and_not_agent(idle: SmallAgent) -> None:
    words = psutil.Process(idle.process.pid).cmdline()
    assert "hxgrid slot" in " ".join(words)
    assert not any("agent" in word for word in words[1:])


def test_a_started_process_leaves_no_named_files(idle: SmallAgent) -> None:
    assert list(idle.folder.iterdir()) == []


def test_k8_a_process_is_as_unobtrusive_as_the_system_allows(idle: SmallAgent) -> None:
    process = psutil.Process(idle.process.pid)
    assert process.nice() == 19
    if hasattr(os, "SCHED_IDLE"):
        assert os.sched_getscheduler(idle.process.pid) == os.SCHED_IDLE
        assert process.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
    assert os.getsid(idle.process.pid) == idle.process.pid


def test_a_process_loads_nothing_heavy(agent: SmallAgent) -> None:
    agent.run(agent.body("import sys", "out_stream.write(' '.join(sys.modules).encode())"))
    loaded = set(bytes(agent.result().payload).decode().split())
    assert not loaded & {"zmq", "pydantic", "psutil", "click", "rich", "numpy"}


def test_standard_input_is_empty(agent: SmallAgent) -> None:
    agent.run(agent.body("import sys", "assert sys.stdin.read() == ''"))
    assert agent.result().outcome == Outcome.DONE


def test_a_task_does_not_see_the_agents_settings(tmp_path: Path) -> None:
    agent = SmallAgent(tmp_path)
    agent.process.start({**os.environ, "HXGRID_AGENT_SECRET_KEY": "secret", "OTHER": "seen"})
    try:
        agent.await_event(Ready)
        agent.assign().run(agent.body("import os", "out_stream.write(repr(os.environ).encode())"))
        environment = bytes(agent.result().payload)
    finally:
        agent.process.close()
    assert b"OTHER" in environment
    assert b"SECRET_KEY" not in environment
    assert b"OMP_NUM_THREADS" in environment


def test_a_busy_process_beats(agent: SmallAgent) -> None:
    agent.run(agent.body("while True: pass"))
    await_running(agent)
    first = agent.process.last_beat(1.0)
    wait_until(lambda: agent.process.last_beat(2.0) > first, 10, "a beat")


def test_a_report_is_seen_without_asking(agent: SmallAgent) -> None:
    key = agent.run(
        agent.body("agent.report(0.25, 'a quarter')", "while agent.test_connection(): pass")
    )
    assert wait_until(agent.process.new_report, 10, "a report") == (key, 0.25, "a quarter")
    assert agent.process.new_report() is None
    agent.process.cancel([key])


def test_nothing_can_be_given_beyond_the_room(agent: SmallAgent) -> None:
    room = agent.process.room
    function = agent.body("pass")
    records = [(AttemptRecord(n, 1, 0, function, 0, 0, b""), "") for n in range(room + 1)]
    with pytest.raises(ValueError, match="cannot hold"):
        agent.process.run(records)
