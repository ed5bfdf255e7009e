"""What a mistake in task code or in the application's callbacks does: one clear error, no more.

Every test runs a healthy task in the same session after the mistake, and the fixture checks that
no process stays.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

import hxgrid
from tests.harness import proctree
from tests.harness.jobs import APPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_S = 120
TASKS = APPS / "tasks.py"


@pytest.fixture
def session(own_process: None) -> Iterator[hxgrid.Session]:
    """An embedded grid with two slots that does not wait long between the attempts of a task."""
    session = hxgrid.connect("local", slots=2, settings={"retry_delay_s": 0.05})
    try:
        yield session
        assert answer(session, TASKS, "echo", b"still fine") == b"still fine"
    finally:
        session.close(cancel=True)


def start(session: hxgrid.Session, path: Path, function: str, data: bytes = b"") -> hxgrid.Task:
    task = session.run_task(path, function, data)
    assert task is not None
    return task


def answer(session: hxgrid.Session, path: Path, function: str, data: bytes = b"") -> bytes:
    return bytes(start(session, path, function, data).result(LIMIT_S).read())


def error_of(
    session: hxgrid.Session, path: Path, function: str, data: bytes = b""
) -> hxgrid.HxGridError:
    """The error that the application gets for this task, at once or with the result."""
    with pytest.raises(hxgrid.TaskError) as caught:
        answer(session, path, function, data)
    return caught.value


def expect_words(error: BaseException, *words: str) -> None:
    text = str(error)
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not in: {text}"


# ------------------------------------------------------------------ modules


def test_a_module_file_that_is_not_there_is_named(session: hxgrid.Session, tmp_path: Path) -> None:
    error = error_of(session, tmp_path / "not_there.py", "echo")
    assert isinstance(error, hxgrid.ModuleError)
    expect_words(error, str(tmp_path / "not_there.py"))


def test_a_function_that_does_not_exist_is_named_with_its_file(session: hxgrid.Session) -> None:
    expect_words(error_of(session, TASKS, "no_such_function"), "no_such_function", "tasks.py")


def test_a_name_that_is_no_function_is_refused(session: hxgrid.Session) -> None:
    expect_words(error_of(session, TASKS, "not_a_function"), "not_a_function")


def test_an_import_error_on_the_agent_comes_back_with_its_cause(session: hxgrid.Session) -> None:
    error = error_of(session, APPS / "tasks_broken_import.py", "echo")
    expect_words(error, "this file never loads", "RuntimeError", "tasks_broken_import.py")


def test_a_package_that_the_agent_lacks_is_named_and_so_is_the_agent(
    session: hxgrid.Session,
) -> None:
    task = start(session, APPS / "tasks_missing_package.py", "echo")
    error = task.exception()
    assert isinstance(error, hxgrid.TaskError)
    expect_words(error, "a_package_that_nobody_has", task.attempts[0].agent)


# ------------------------------------------------------------------ failing tasks


def test_k3_an_exception_comes_back_with_traceback_and_last_words(session: hxgrid.Session) -> None:
    error = error_of(session, TASKS, "fail")
    assert isinstance(error, hxgrid.TaskFailed)
    expect_words(error, "ValueError", "broken on purpose", "last words on stdout", "on stderr")
    assert len(error.attempts) == 3


def test_returning_false_is_a_failure_that_says_so(session: hxgrid.Session) -> None:
    expect_words(error_of(session, TASKS, "say_no"), "say_no", "False")


def test_k7_a_crash_costs_its_own_task_only(session: hxgrid.Session) -> None:
    healthy = [start(session, TASKS, "echo", b"%d" % number) for number in range(20)]
    error = error_of(session, TASKS, "crash")
    expect_words(error, "SIGSEGV")
    assert [task.result(LIMIT_S).read() for task in healthy] == [b"%d" % n for n in range(20)]


def test_a_failure_that_nobody_collected_is_raised_by_waiting(session: hxgrid.Session) -> None:
    start(session, TASKS, "fail")
    start(session, TASKS, "say_no")
    with pytest.raises(hxgrid.TaskFailed) as caught:
        session.wait_for_completion(LIMIT_S)
    assert len(caught.value.failures.exceptions) == 2


# ------------------------------------------------------------------ arguments and results


def test_an_argument_that_cannot_be_pickled_fails_its_own_call_only(own_process: None) -> None:
    with hxgrid.connect("local", slots=1) as session, hxgrid.Executor(session) as executor:
        good = executor.submit(pow, 2, 10)
        with pytest.raises((TypeError, hxgrid.HxGridError), match="lock"):
            executor.submit(repr, threading.Lock()).result(LIMIT_S)
        assert good.result(LIMIT_S) == 1024
        assert executor.submit(pow, 2, 11).result(LIMIT_S) == 2048


def test_a_result_that_cannot_be_pickled_fails_its_own_call_only(own_process: None) -> None:
    with hxgrid.connect("local", slots=1) as session, hxgrid.Executor(session) as executor:
        with pytest.raises((TypeError, hxgrid.HxGridError), match="lock"):
            executor.submit(threading.Lock).result(LIMIT_S)
        assert executor.submit(pow, 2, 11).result(LIMIT_S) == 2048


def test_a_result_of_no_bytes_is_a_result(session: hxgrid.Session) -> None:
    assert answer(session, TASKS, "fill", struct.pack("<Q", 0)) == b""
    finalized: list[int] = []
    session.run_task(TASKS, "fill", struct.pack("<Q", 0), lambda out: finalized.append(len(out)))
    assert session.wait_for_completion(LIMIT_S)
    assert finalized == [0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_result_of_a_gigabyte_arrives_whole(session: hxgrid.Session) -> None:
    size = 1 << 30
    others = [start(session, TASKS, "echo", b"%d" % number) for number in range(50)]
    large = start(session, TASKS, "fill", struct.pack("<Q", size))
    assert [task.result(LIMIT_S).read() for task in others] == [b"%d" % n for n in range(50)]
    with large.result(200).getbuffer() as result:
        assert len(result) == size
        digest = hashlib.sha256(result).digest()
    assert digest == pattern_digest(size)


def pattern_digest(size: int) -> bytes:
    """The digest of what the task `fill` writes."""
    block = bytes(range(251)) * 4177
    digest = hashlib.sha256()
    while size > 0:
        digest.update(block[: min(size, len(block))])
        size -= len(block)
    return digest.digest()


# ------------------------------------------------------------------ callbacks


def test_an_exception_in_finalize_is_raised_by_waiting_and_stops_no_other_task(
    session: hxgrid.Session,
) -> None:
    finalized: list[bytes] = []

    def finalize(out: hxgrid.Stream) -> None:
        data = out.read()
        if data == b"3":
            raise LookupError("finalize is broken for 3")
        finalized.append(data)

    for number in range(10):
        session.run_task(TASKS, "echo", b"%d" % number, finalize)
    with pytest.raises(Exception, match="finalize is broken for 3"):
        session.wait_for_completion(LIMIT_S)
    assert sorted(finalized) == [b"%d" % number for number in range(10) if number != 3]


def broken_callback(name: str) -> bytes:
    raise LookupError(f"the callback has no {name}")


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        pytest.param(broken_callback, ("LookupError", "the callback has no"), id="an exception"),
        pytest.param(lambda _name: None, (), id="None"),
        pytest.param(lambda _name: 42, ("int",), id="a number"),
    ],
)
def test_data_that_the_callback_does_not_give_fails_the_task_with_the_reason(
    session: hxgrid.Session, callback: Any, words: tuple[str, ...]
) -> None:
    session.bind_get_data(callback)
    error = error_of(session, TASKS, "pass_on_data", b"geometry")
    expect_words(error, "geometry", "DataUnavailable", *words)


def test_data_without_any_callback_fails_the_task_with_the_reason(session: hxgrid.Session) -> None:
    expect_words(error_of(session, TASKS, "pass_on_data", b"geometry"), "geometry", "bind_get_data")


def test_a_task_may_go_on_without_the_data(session: hxgrid.Session) -> None:
    session.bind_get_data(broken_callback)
    said = answer(session, TASKS, "tell_of_data", b"geometry").decode()
    assert said.startswith("DataUnavailable"), said
    assert "geometry" in said


def test_h15_a_callback_that_fails_every_second_time_loses_no_task(session: hxgrid.Session) -> None:
    asked: list[str] = []

    def callback(name: str) -> bytes | None:
        asked.append(name)
        return name.encode() if len(asked) % 2 == 0 else None

    session.bind_get_data(callback)
    tasks = [start(session, TASKS, "tell_of_data", b"part %d" % number) for number in range(20)]
    said = [task.result(LIMIT_S).read().decode() for task in tasks]
    fine = [text for text in said if text.startswith("got part")]
    missed = [text for text in said if text.startswith("DataUnavailable")]
    assert len(fine) + len(missed) == 20
    assert fine
    assert missed


# ------------------------------------------------------------------ closing


def test_closing_twice_is_harmless(own_process: None) -> None:
    session = hxgrid.connect("local", slots=1)
    session.close()
    session.close()
    session.close(cancel=True)


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.run_task(TASKS, "echo", b""),
        lambda session: session.wait_for_completion(1),
        lambda session: session.bind_get_data(broken_callback),
        lambda session: session.update_settings(max_attempts=2),
        lambda session: session.cancel_tasks(),
        lambda session: list(session.map(len, ["a"])),
        lambda session: hxgrid.Executor(session).submit(len, "a"),
    ],
    ids=["run_task", "wait", "bind_get_data", "update_settings", "cancel_tasks", "map", "executor"],
)
def test_use_after_close_says_that_the_session_is_closed(own_process: None, use: Any) -> None:
    session = hxgrid.connect("inline")
    session.close()
    with pytest.raises(hxgrid.SessionClosed, match="closed"):
        use(session)


def test_leaving_with_an_exception_cancels_and_lets_it_through(own_process: None) -> None:
    def leave() -> None:
        with hxgrid.connect("local", slots=1) as session:
            session.run_task(TASKS, "hang")
            raise LookupError("the application's own")

    with pytest.raises(LookupError, match="the application's own"):
        leave()


def test_task_processes_that_die_between_tasks_are_replaced(session: hxgrid.Session) -> None:
    assert answer(session, TASKS, "echo", b"first") == b"first"
    slots = proctree.descendants_showing(os.getpid(), "hxgrid slot")
    assert slots
    for slot in slots:
        proctree.kill_one(slot.pid)
    assert answer(session, TASKS, "echo", b"second") == b"second"
