"""What an application hears of tasks and callbacks that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hxgrid
from hxgrid.errors import HxGridError, ModuleError, TaskFailed
from hxgrid.streams import Stream
from hxgrid.wire.messages import Outcome, Reason
from tests.harness.wait import wait_until
from tests.unit.user.conftest import MakeSession, echo, hold


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


def test_waiting_in_a_callback_is_refused(make_session: MakeSession, module: Path) -> None:
    session, _ = make_session(echo)
    session.run_task(module, "f", b"", lambda _out: session.wait_for_completion())
    with pytest.raises(HxGridError, match="was called in a callback"):
        session.wait_for_completion(10)


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


def test_a_missing_module_is_told_at_once(make_session: MakeSession, tmp_path: Path) -> None:
    session, _ = make_session(echo)
    with pytest.raises(ModuleError, match=r"nowhere\.py"):
        session.run_task(tmp_path / "nowhere.py", "f")


def test_what_cannot_be_called_is_told_at_once(make_session: MakeSession) -> None:
    session, _ = make_session(echo)
    not_a_function: Any = 5
    with pytest.raises(ModuleError, match="5 cannot be called"):
        next(iter(session.map(not_a_function, [1])))
    with hxgrid.Executor(session) as executor:
        future = executor.submit(not_a_function)
        assert isinstance(future.exception(10), ModuleError)


def test_names_of_global_data_are_texts(make_session: MakeSession) -> None:
    session, _ = make_session(echo)
    not_a_name: Any = 5
    with pytest.raises(TypeError, match="name of global data is a text, not 5"):
        session.forget_data(not_a_name)
    with hxgrid.connect("inline") as inline, pytest.raises(TypeError, match="not 5"):
        inline.forget_data(not_a_name)
