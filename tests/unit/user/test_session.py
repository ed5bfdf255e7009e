"""What an application sees of a session, with an agent in this process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hxgrid.errors import HxGridError, TaskFailed
from hxgrid.streams import Stream
from hxgrid.user.session import Session
from hxgrid.user.task import Task
from hxgrid.wire.messages import Outcome, Reason
from tests.harness.wait import wait_until
from tests.unit.user.conftest import MakeSession, echo, hold
from tests.unit.user.fake_agent import FakeAgent


def test_a_result_is_what_the_function_gave(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(lambda name, data: name.encode() + data)
    task = session.run_task(module, "double", b"21")
    assert task is not None
    assert task.result(10).read() == b"double21"
    assert task.exception() is None
    assert task.state == "done"
    assert [(one.agent, one.outcome) for one in task.attempts] == [("fake", "done")]


def test_waiting_for_a_task_inside_its_own_session_is_refused(
    make_session: MakeSession, module: Path
) -> None:
    """As a `__del__` method may, which Python calls in whichever thread it likes."""
    session, _ = make_session(hold)
    task = session.run_task(module, "f", b"x")
    assert task is not None
    with pytest.raises(HxGridError, match="inside its session"):
        session._engine.ask(lambda: task.result(20))


def test_modules_may_be_a_path_a_list_or_a_text(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(echo)
    for modules in (module, [module], str(module)):
        task = session.run_task(modules, "f")
        assert task is not None
        task.result(10)
    assert len(agent.offers) == 1, "equal contents are one function"


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5_000_000])
def test_inputs_of_every_size_come_back(make_session: MakeSession, module: Path, size: int) -> None:
    session, _ = make_session(echo, compress_threshold_bytes=1 << 40)
    data = bytes(range(251)) * (size // 251 + 1)
    task = session.run_task(module, "f", data[:size])
    assert task is not None
    assert task.result(20).read() == data[:size]


def test_every_kind_of_buffer_is_taken(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(echo)
    for given in (b"abc", bytearray(b"abc"), memoryview(b"abc"), Stream(b"abc")):
        task = session.run_task(module, "f", given)
        assert task is not None
        assert task.result(10).read() == b"abc"


def test_large_inputs_that_shrink_travel_compressed(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(lambda _name, data: b"%d" % len(data))
    session.run_task(module, "f", b"a" * 1_000_000)
    assert session.wait_for_completion(10)
    (attempt,) = agent.attempts
    assert attempt.stored_bytes < attempt.raw_bytes == 1_000_000


def test_a_compressed_stream_is_not_compressed_again(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(echo)
    stream = Stream(b"a" * 1_000_000)
    session.compress_stream(stream)
    session.compress_stream(stream)
    stored = len(stream)
    session.run_task(module, "f", stream)
    assert session.wait_for_completion(10)
    assert [(one.stored_bytes, one.raw_bytes) for one in agent.attempts] == [(stored, 1_000_000)]


def test_finalize_gets_the_output_and_the_task_if_it_asks(
    make_session: MakeSession, module: Path
) -> None:
    session, _ = make_session(echo)
    seen: list[tuple[object, ...]] = []
    threads: set[str] = set()

    def with_task(task: Task, out: Stream) -> None:
        seen.append((task.id, task.state, out.read()))
        threads.add(threading.current_thread().name)

    first = session.run_task(module, "f", b"a", with_task)
    session.run_task(module, "f", b"b", lambda out, kept="b": seen.append((kept, out.read())))
    assert session.wait_for_completion(10)
    assert first is not None
    assert sorted(seen, key=str) == [("b", b"b"), (1, "finalizing", b"a")]
    assert first.state == "done"
    assert threading.current_thread().name not in threads


def test_a_renewed_connection_loses_and_repeats_nothing(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold, heartbeat_s=0.1)
    tasks = [session.run_task(module, "f", b"%d" % n) for n in range(3)]
    wait_until(lambda: len(agent.held) == 3, 10, "the attempts to arrive")
    agent.forget_connection()
    wait_until(lambda: len(agent.hellos) == 2, 10, "another Hello")
    for key in list(agent.held):
        agent.end(key, Outcome.DONE, b"out")
    assert [task.result(10).read() for task in tasks if task is not None] == [b"out"] * 3
    assert len(agent.attempts) == 3


def test_many_small_tasks_travel_together(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(echo)
    tasks = [session.run_task(module, "f", b"%d" % n) for n in range(3000)]
    assert session.wait_for_completion(30)
    assert [task.result().read() for task in tasks if task] == [b"%d" % n for n in range(3000)]
    assert len(agent.batch_sizes) < 300


def test_the_connection_status_counts_agents(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(echo, slots=3)
    task = session.run_task(module, "f")
    assert task is not None
    task.result(10)
    status = session.connection_status
    assert (status.connected_agents, status.slots) == (1, 3)


def test_why_and_explain_speak_of_waiting_tasks(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(hold)
    task = session.run_task(module, "f", requires={"platforms": ("plan9",)})
    assert task is not None
    wait_until(lambda: "plan9" in task.why(), 10, "the reason", seen=task.why)
    assert any("plan9" in line.text for line in session.explain())


def test_several_sessions_live_side_by_side(make_session: MakeSession, module: Path) -> None:
    sessions: list[tuple[Session, FakeAgent]] = [make_session(echo) for _ in range(3)]
    tasks = [session.run_task(module, "f", b"%d" % n) for n, (session, _) in enumerate(sessions)]
    assert [task.result(10).read() for task in tasks if task] == [b"0", b"1", b"2"]


def test_an_input_is_no_longer_sent_when_its_attempt_has_ended(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold, compress_threshold_bytes=1 << 40, max_attempts=1)
    agent.takes_chunks = False
    task = session.run_task(module, "f", bytes(20_000_000))
    assert task is not None
    wait_until(lambda: bool(agent.held), 10, "the attempt to arrive")
    agent.end((1, 1), Outcome.FAILED, Reason(text="no room").model_dump_json().encode())
    assert isinstance(task.exception(10), TaskFailed)
    (link,) = session._engine.driver.links.values()
    assert len(link._outbox) == 0
