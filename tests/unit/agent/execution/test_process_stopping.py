"""Cancelling, taking back, suspending, killing and ending a task process."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from hxgrid.wire.messages import Outcome
from hxgrid_agent.execution.events import Died, Returned
from hxgrid_agent.execution.process import TaskProcess
from tests.harness.wait import wait_until
from tests.unit.agent.execution.conftest import SmallAgent
from tests.unit.agent.execution.watching import LINGER, await_running, child_pid, is_gone


def test_cancelling_ends_a_task_that_asks(agent: SmallAgent) -> None:
    key = agent.run(agent.body(LINGER, "return False"))
    await_running(agent)
    agent.process.cancel([key])
    assert agent.result().outcome == Outcome.CANCELLED


def test_cancelling_one_attempt_does_not_touch_the_next(agent: SmallAgent) -> None:
    first = agent.body(LINGER, "return False")
    second = agent.body("return agent.test_connection()")
    key = agent.run(first, task=1)
    agent.run(second, task=2)
    await_running(agent)
    agent.process.cancel([key])
    assert agent.result(1).outcome == Outcome.CANCELLED
    assert agent.result(2).outcome == Outcome.DONE


def test_a_cancelled_attempt_that_has_not_begun_never_does(agent: SmallAgent) -> None:
    blocker = agent.run(agent.body(LINGER, "return False"), task=1)
    victim = agent.run(agent.body("open('/nonexistent/file')"), task=2)
    await_running(agent)
    agent.process.cancel([victim, blocker])
    assert agent.result(2).outcome == Outcome.CANCELLED


def test_b19_a_task_that_ignores_cancelling_is_killed(agent: SmallAgent) -> None:
    key = agent.run(agent.body("while True: pass"))
    await_running(agent)
    agent.process.cancel([key])
    agent.process.kill("ignored its cancellation")
    died = agent.await_event(Died)
    assert died.reason.text == "ignored its cancellation"
    assert died.running == key
    assert is_gone(agent.process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only there priority belongs to groups")
def test_what_is_killed_gets_the_processor_to_die(idle: SmallAgent) -> None:
    from hxgrid_agent.execution.tree_linux import hasten

    group = Path(f"/proc/{idle.process.pid}/autogroup")
    assert not group.exists() or group.read_text().split()[-1] == "19"
    hasten(idle.process.pid)
    assert not group.exists() or group.read_text().split()[-1] == "0"


def test_queued_attempts_are_given_back_in_the_midst_of_a_long_one(agent: SmallAgent) -> None:
    function = agent.body("while agent.test_connection(): pass", "return False")
    keys = [agent.run(function, task=task) for task in (1, 2, 3)]
    await_running(agent)
    agent.process.take_back(keys)
    assert agent.await_event(Returned).keys == keys[1:]
    assert agent.process.held == keys[:1]
    agent.process.cancel(keys)
    assert agent.result(1).outcome == Outcome.CANCELLED


def test_a_result_does_not_wait_for_a_long_attempt_behind_it(agent: SmallAgent) -> None:
    short = agent.body("pass")
    long = agent.run(agent.body(LINGER, "return False"), task=100)
    await_running(agent, 100)
    for task in (1, 2, 3):
        agent.run(short, task=task)
    agent.run(agent.body(LINGER), task=4)
    agent.process.cancel([long])
    for task in (100, 1, 2, 3):
        agent.result(task)
    agent.process.cancel([(4, 1)])


@pytest.mark.parametrize("session", [False, True], ids=["same session", "own session"])
def test_k7_what_a_task_has_forked_is_gone_with_its_process(
    agent: SmallAgent, session: bool
) -> None:
    agent.run(
        agent.body(
            "import subprocess",
            f"child = subprocess.Popen(['sleep', '1000'], start_new_session={session})",
            "path = agent.session_cache_directory / 'pid'",
            "path.write_text(str(child.pid))",
            "while True: pass",
        )
    )
    pid = child_pid(agent)
    agent.process.kill("test")
    agent.await_event(Died)
    wait_until(lambda: is_gone(pid), 10, "the grandchild to be gone")


def test_a_suspended_tree_uses_no_processor_and_goes_on_later(agent: SmallAgent) -> None:
    key = agent.run(
        agent.body(
            "import subprocess, sys",
            "child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])",
            "(agent.session_cache_directory / 'pid').write_text(str(child.pid))",
            "while agent.test_connection(): pass",
            "child.kill()",
            "child.wait()",
            "return False",
        )
    )
    child = psutil.Process(child_pid(agent))
    process = agent.process
    process.suspend()
    wait_until(process.is_stopped, 10, "the process to stop")
    wait_until(lambda: child.status() == psutil.STATUS_STOPPED, 10, "its child to stop")
    before_s = process.cpu_seconds()
    beats = process.last_beat(1.0)
    agent.pump()
    assert process.cpu_seconds() == before_s
    assert process.last_beat(2.0) == beats
    process.resume()
    assert before_s is not None
    wait_until(lambda: (process.cpu_seconds() or 0) > before_s, 10, "the process to go on")
    process.cancel([key])
    assert agent.result().outcome == Outcome.CANCELLED


def test_a_suspended_process_can_be_killed(agent: SmallAgent) -> None:
    agent.run(agent.body("while True: pass"))
    await_running(agent)
    agent.process.suspend()
    agent.process.kill("the session has ended")
    assert agent.await_event(Died).reason.text == "the session has ended"


def test_a_process_that_is_asked_to_end_runs_its_last_hooks(agent: SmallAgent) -> None:
    function = agent.module(
        "def start_session(agent, session_id):\n"
        "    (agent.session_cache_directory / 'began').write_text(str(session_id))\n"
        "def end_session(agent, session_id):\n"
        "    (agent.session_cache_directory / 'ended').write_text(str(session_id))\n"
        "def run_task(agent, session_id, in_stream, out_stream): pass\n"
    )
    agent.run(function, task=1)
    agent.run(function, task=2)
    agent.result(2)
    agent.process.end()
    died = agent.await_event(Died)
    assert died.lost == ()
    assert (agent.folder / "cache" / "began").read_text(encoding="ascii") == "77"
    assert (agent.folder / "cache" / "ended").read_text(encoding="ascii") == "77"


def test_closing_twice_and_closing_unstarted_is_harmless(tmp_path: Path) -> None:
    TaskProcess(0, tmp_path).close()
    agent = SmallAgent(tmp_path)
    agent.process.start()
    agent.process.close()
    agent.process.close()
    assert list(tmp_path.iterdir()) == []
