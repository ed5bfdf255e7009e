"""What an application sees of a session, with an agent in this process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError, HxGridError, ModuleError, SessionClosed, TaskFailed
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


def test_b1_completion_is_told_after_the_last_finalize(
    make_session: MakeSession, module: Path
) -> None:
    session, _ = make_session(echo)
    may_return = threading.Event()
    session.run_task(module, "f", b"", lambda _out: may_return.wait(20))
    assert not session.wait_for_completion(0.2)
    assert not session.is_complete
    may_return.set()
    assert session.wait_for_completion(10)
    assert session.is_complete


def test_h10_an_idle_session_is_complete(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(echo)
    assert session.is_complete
    assert session.wait_for_completion(0)
    for _ in range(3):
        session.run_task(module, "f")
        assert session.wait_for_completion(10)
        assert session.is_complete


def test_b2_all_waiters_wake(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(hold)
    session.run_task(module, "f")
    woken: list[bool] = []
    waiters = [
        threading.Thread(target=lambda: woken.append(session.wait_for_completion(20)))
        for _ in range(3)
    ]
    for waiter in waiters:
        waiter.start()
    wait_until(lambda: bool(agent.held), 10, "the attempt to arrive")
    agent.end((1, 1), Outcome.DONE)
    for waiter in waiters:
        waiter.join(10)
    assert woken == [True] * 3


def test_b3_cancelling_wakes_who_waits_for_completion(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold)
    task = session.run_task(module, "f")
    woken: list[bool] = []
    waiter = threading.Thread(target=lambda: woken.append(session.wait_for_completion(20)))
    waiter.start()
    wait_until(lambda: bool(agent.held), 10, "the attempt to arrive")
    assert session.cancel_tasks() == []
    waiter.join(10)
    assert woken == [True]
    assert task is not None
    assert task.state == "cancelled"
    assert not agent.held


def test_an_unreachable_agent_is_named_by_cancel_tasks(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold, cancel_grace_s=0.1)
    session.run_task(module, "f")
    wait_until(lambda: bool(agent.held), 10, "the attempt to arrive")
    agent.is_mute = True
    began_at = time.monotonic()
    assert session.cancel_tasks() == ["fake"]
    assert time.monotonic() - began_at < 0.1 + 0.5 + 0.3
    assert session.is_complete


def test_one_task_can_be_cancelled(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(hold)
    first, second = session.run_task(module, "f"), session.run_task(module, "f")
    assert first is not None
    assert second is not None
    wait_until(lambda: len(agent.held) == 2, 10, "the attempts to arrive")
    assert first.cancel()
    wait_until(lambda: first.state == "cancelled", 10, "the task to be cancelled")
    wait_until(lambda: (1, 1) in agent.cancelled, 10, "the agent to be told")
    assert not first.cancel()
    assert second.state == "running"


def test_b41_an_exception_of_finalize_is_raised_by_waiting(
    make_session: MakeSession, module: Path
) -> None:
    session, _ = make_session(echo)
    ran: list[int] = []

    def fail(_out: Stream) -> None:
        raise LookupError("no such texel")

    session.run_task(module, "f", b"", fail)
    session.run_task(module, "f", b"", lambda _out: ran.append(1))
    with pytest.raises(LookupError, match="no such texel"):
        session.wait_for_completion(10)
    assert ran == [1]
    assert session.wait_for_completion(10), "told once"


def test_k3_a_failure_says_where_why_and_how_often(make_session: MakeSession, module: Path) -> None:
    reason = Reason(text="bad luck", exception="ValueError", traceback="tb", output="said")
    session, _ = make_session(lambda *_: reason, max_attempts=2, retry_delay_s=0)
    task = session.run_task(module, "f")
    assert task is not None
    with pytest.raises(TaskFailed) as caught:
        task.result(20)
    error = caught.value
    assert [one.outcome for one in error.attempts] == ["failed", "failed"]
    assert "ValueError: bad luck" in str(error)
    assert (error.remote_traceback, error.output) == ("tb", "said")
    assert task.state == "failed"
    assert session.wait_for_completion(10), "collected, so not raised again"


def test_failures_that_nobody_collected_are_raised_together(
    make_session: MakeSession, module: Path
) -> None:
    session, _ = make_session(lambda *_: Reason(text="no"), max_attempts=1)
    for _ in range(3):
        session.run_task(module, "f", b"", lambda _out: None)
    with pytest.raises(TaskFailed) as caught:
        session.__exit__(None, None, None)
    assert len(caught.value.failures.exceptions) == 3


def test_a_function_that_cannot_be_used_is_a_module_error_at_heart(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold, max_attempts=1)
    task = session.run_task(module, "f")
    assert task is not None
    wait_until(lambda: bool(agent.held), 10, "the attempt to arrive")
    agent.end((1, 1), Outcome.UNUSABLE, Reason(text="no function f").model_dump_json().encode())
    error = task.exception(10)
    assert isinstance(error, TaskFailed)
    assert isinstance(error.__cause__, ModuleError)
    assert "no function f" in str(error)


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


def test_waiting_in_a_callback_is_refused(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(echo)
    session.run_task(module, "f", b"", lambda _out: session.wait_for_completion())
    with pytest.raises(HxGridError, match="was called in a callback"):
        session.wait_for_completion(10)


def test_the_event_tells_of_ends_that_were_missed(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(hold)
    assert session.wait_for_completion_event(0), "nothing is queued"
    tasks = [session.run_task(module, "f") for _ in range(2)]
    wait_until(lambda: len(agent.held) == 2, 10, "the attempts to arrive")
    assert not session.wait_for_completion_event(0.05)
    agent.end((1, 1), Outcome.DONE)
    assert session.wait_for_completion_event(10)
    assert not session.wait_for_completion_event(0.05)
    assert [task.state for task in tasks if task is not None] == ["done", "running"]


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


def test_a_missing_module_is_told_at_once(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(echo)
    with pytest.raises(ModuleError, match=r"nowhere\.py"):
        session.run_task(tmp_path / "nowhere.py", "f")


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


def test_a_closed_session_refuses_everything_and_closing_again_is_harmless(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(echo)
    task = session.run_task(module, "f", b"kept")
    session.close()
    session.close()
    session.close(cancel=True)
    assert task is not None
    assert task.result().read() == b"kept"
    assert agent.documents, "the agent was told"
    for use in (
        lambda: session.run_task(module, "f"),
        session.wait_for_completion,
        session.cancel_tasks,
        session.explain,
        lambda: session.is_complete,
        lambda: session.bind_get_data(None),
        session.__enter__,
    ):
        with pytest.raises(SessionClosed):
            use()


def test_k1_closing_with_cancel_is_quick(make_session: MakeSession, module: Path) -> None:
    session, agent = make_session(hold)
    tasks = [session.run_task(module, "f") for _ in range(100)]
    wait_until(lambda: bool(agent.held), 10, "attempts to arrive")
    began_at = time.monotonic()
    session.close(cancel=True)
    assert time.monotonic() - began_at < 1.0
    assert {task.state for task in tasks if task is not None} == {"cancelled"}


def test_k1_closing_is_quick_while_a_callback_hangs_and_an_agent_is_mute(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(echo)
    may_end = threading.Event()
    session.run_task(module, "f", b"", lambda _out: may_end.wait(30))
    session.run_task(module, "f", b"", lambda _out: None)
    wait_until(lambda: len(agent.acknowledged) == 2, 10, "both results")
    agent.is_mute = True
    began_at = time.monotonic()
    session.close(cancel=True)
    assert time.monotonic() - began_at < 1.3
    may_end.set()


def test_leaving_with_by_an_exception_cancels(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(hold)
    tasks = []

    def leave() -> None:
        with session:
            tasks.append(session.run_task(module, "f"))
            raise KeyError("mine")

    with pytest.raises(KeyError):
        leave()
    assert [task.state for task in tasks if task is not None] == ["cancelled"]


def test_a_second_close_with_cancel_ends_the_waiting_of_the_first(
    make_session: MakeSession, module: Path
) -> None:
    session, agent = make_session(hold)
    session.run_task(module, "f")
    wait_until(lambda: bool(agent.held), 10, "the attempt to arrive")
    closer = threading.Thread(target=session.close)
    closer.start()
    session.close(cancel=True)
    closer.join(10)
    assert not closer.is_alive()


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
