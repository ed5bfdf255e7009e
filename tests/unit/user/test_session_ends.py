"""Completion, cancelling and closing, as an application sees them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hxgrid.errors import SessionClosed
from hxgrid.wire.messages import Outcome
from tests.harness.wait import wait_until
from tests.unit.user.conftest import MakeSession, echo, hold


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
        lambda: session.forget_data("map"),
        lambda: session.update_settings(max_attempts=2),
        lambda: session.wait_for_completion_event(0.1),
        lambda: session.connection_status,
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
