"""Programs that end, fork or are interrupted with a session open; each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

PRELUDE = """
import os, sys, threading, time
import hxgrid
from hxgrid.settings import UserSettings
from hxgrid.transport.security import Security
from hxgrid.user.session import Session
from tests.unit.user.fake_agent import FakeAgent

module = os.path.abspath(__file__)
agent = FakeAgent(lambda name, data: data if name == "echo" else None).__enter__()
session = Session(UserSettings(), Security(trust_network=True))
session.open([agent.entry], 10)
"""


def _start(tmp_path: Path, body: str) -> subprocess.Popen[str]:
    script = tmp_path / "program.py"
    script.write_text(PRELUDE + textwrap.dedent(body))
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def _run(tmp_path: Path, body: str) -> str:
    return _both(tmp_path, body)[0]


def _both(tmp_path: Path, body: str) -> tuple[str, str]:
    """Return what it wrote to standard output and to standard error."""
    with _start(tmp_path, body) as program:
        out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    return out, err


def test_a_program_that_never_closes_its_session_ends_all_the_same(tmp_path: Path) -> None:
    began_at = time.monotonic()
    out, err = _both(
        tmp_path,
        """
        session.run_task(module, "never")
        session.run_task(module, "echo", b"x", lambda out: time.sleep(100)).result(10)
        print("end", flush=True)
        """,
    )
    assert out == "end\n"
    assert err.count("RuntimeWarning: the program has ended with tasks of hxGrid unfinished") == 1
    assert "Traceback" not in err
    assert time.monotonic() - began_at < 20


def test_a_program_that_never_closes_a_session_without_work_is_not_scolded(tmp_path: Path) -> None:
    out, err = _both(
        tmp_path,
        """
        print(session.run_task(module, "echo", b"x").result(10).read())
        session.wait_for_completion()
        """,
    )
    assert (out, err) == ("b'x'\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks on Windows")
def test_a_forked_child_is_told_what_is_wrong(tmp_path: Path) -> None:
    out = _run(
        tmp_path,
        """
        task = session.run_task(module, "never")
        child = os.fork()
        if child == 0:
            for use in (
                lambda: session.run_task(module, "echo"),
                session.wait_for_completion,
                lambda: task.result(5),
                session.cancel_tasks,
            ):
                try:
                    use()
                except hxgrid.SessionClosed as error:
                    print(error, flush=True)
            session.close()
            sys.exit(0)
        os.waitpid(child, 0)
        print(session.run_task(module, "echo", b"parent").result(10).read(), flush=True)
        session.close(cancel=True)
        """,
    )
    lines = out.splitlines()
    assert len(lines) == 5, out
    assert all("Call hxgrid.connect() in the child" in line for line in lines[:4])
    assert lines[4] == "b'parent'"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize(
    "wait",
    [
        "session.wait_for_completion()",
        "task.result()",
        "session.wait_for_completion_event()",
        "session.run_task(module, 'never')",
        "session.close()",
    ],
)
def test_ctrl_c_ends_every_wait(tmp_path: Path, wait: str) -> None:
    body = f"""
    session.update_settings(max_queued_tasks=1)
    task = session.run_task(module, "never")
    try:
        with session:
            print("waiting", flush=True)
            {wait}
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    with _start(tmp_path, body) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "waiting\n"
        began_at = time.monotonic()
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert out == "interrupted\n", err
    assert program.returncode == 0
    assert time.monotonic() - began_at < 5
