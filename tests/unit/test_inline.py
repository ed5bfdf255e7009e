"""`connect("inline")`: tasks run in the calling thread, by the same rules as on an agent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import hxgrid
from hxgrid.inline import InlineSession

MODULE = """
import threading
import helper

def run_task(agent, session_id, in_stream, out_stream):
    out_stream.write(helper.turn(in_stream.read()))

def thread(agent, session_id, in_stream, out_stream):
    out_stream.write(str(threading.get_ident()).encode())

def data(agent, session_id, in_stream, out_stream):
    out_stream.write(agent.get_data("geometry").read())

def fails(agent, session_id, in_stream, out_stream):
    raise ValueError("no such thing")

def refuses(agent, session_id, in_stream, out_stream):
    return False

"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "task.py").write_text(MODULE)
    (tmp_path / "helper.py").write_text("def turn(data):\n    return data[::-1]\n")
    return [tmp_path / "task.py", tmp_path / "helper.py"]


@pytest.fixture
def session() -> Iterator[InlineSession]:
    session = hxgrid.connect("inline")
    yield session
    session.close(cancel=True)


def test_a_task_has_run_when_it_is_submitted(session: InlineSession, files: list[Path]) -> None:
    got: list[bytes] = []
    task = session.run_task(files, "run_task", b"abc", lambda out: got.append(out.read()))
    assert got == [b"cba"]
    assert task.result().getvalue() == b"cba"
    assert [attempt.outcome for attempt in task.attempts] == ["done"]
    assert session.is_complete
    assert session.wait_for_completion()


def test_it_runs_in_the_calling_thread(session: InlineSession, files: list[Path]) -> None:
    task = session.run_task(files, "thread")
    assert int(task.result().getvalue()) == threading.get_ident()


def test_a_failure_is_raised_with_its_traceback(session: InlineSession, files: list[Path]) -> None:
    task = session.run_task(files, "fails")
    with pytest.raises(hxgrid.TaskFailed, match="no such thing") as caught:
        task.result()
    assert "task.py" in caught.value.remote_traceback
    assert session.wait_for_completion()


def test_a_failure_that_nobody_collects_is_raised_at_the_end(
    session: InlineSession, files: list[Path]
) -> None:
    session.run_task(files, "refuses")
    with pytest.raises(hxgrid.TaskFailed, match="returned False"):
        session.wait_for_completion()


def test_an_exception_in_finalize_is_raised_at_the_end(
    session: InlineSession, files: list[Path]
) -> None:
    def finalize(out: hxgrid.Stream) -> None:
        raise KeyError(out.read())

    session.run_task(files, "run_task", b"x", finalize)
    with pytest.raises(KeyError):
        session.wait_for_completion()


def test_global_data_is_asked_once(session: InlineSession, files: list[Path]) -> None:
    asked: list[str] = []

    def answer(name: str) -> bytes:
        asked.append(name)
        return b"mesh"

    session.bind_get_data(answer)
    for _ in range(3):
        assert session.run_task(files, "data").result().getvalue() == b"mesh"
    assert asked == ["geometry"]
    session.forget_data("geometry")
    session.run_task(files, "data").result()
    assert asked == ["geometry", "geometry"]


def test_forgotten_data_leaves_no_file_behind(session: InlineSession, files: list[Path]) -> None:
    contents = iter([b"one", b"two", b"three"])
    session.bind_get_data(lambda _name: next(contents))
    for expected in (b"one", b"two", b"three"):
        assert session.run_task(files, "data").result().getvalue() == expected
        session.forget_data(None if expected == b"two" else "geometry")
    assert list((session._folder / "data").iterdir()) == []
    session.close()
    with pytest.raises(hxgrid.SessionClosed):
        session.forget_data()


def test_without_an_answer_the_task_fails_and_says_why(
    session: InlineSession, files: list[Path]
) -> None:
    with pytest.raises(hxgrid.TaskFailed, match="bind_get_data"):
        session.run_task(files, "data").result()


def test_a_map_is_lazy_and_runs_the_very_function(session: InlineSession) -> None:
    seen: list[int] = []

    def note(x: int) -> int:
        seen.append(x)
        return x * x

    results = session.map(note, range(1000))
    assert [next(results), next(results)] == [0, 1]
    assert len(seen) <= 3


def test_an_executor_works_on_it(session: InlineSession) -> None:
    with hxgrid.Executor(session) as executor:
        assert executor.submit(pow, 2, 10).result() == 1024
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
    with hxgrid.Executor(address="inline") as executor:
        assert executor.submit(len, "four").result() == 4


def test_a_closed_session_says_so_and_leaves_nothing(files: list[Path]) -> None:
    session = hxgrid.connect("inline")
    session.run_task(files, "run_task").result()
    folder = session._folder
    session.close()
    session.close()
    assert not folder.exists()
    with pytest.raises(hxgrid.SessionClosed):
        session.run_task(files, "run_task")


def test_an_executor_is_not_given_an_address_for_a_session() -> None:
    with pytest.raises(TypeError, match="give address='inline'"):
        hxgrid.Executor("inline")  # type: ignore[arg-type]
