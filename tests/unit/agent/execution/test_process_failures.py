"""How a task process tells what went wrong, up to its own death."""

from __future__ import annotations

import os
import signal

from hxgrid.wire.messages import Outcome
from hxgrid_agent.execution.events import Died
from hxgrid_agent.execution.platform import has_exited
from tests.harness.wait import wait_until
from tests.unit.agent.execution.conftest import SmallAgent
from tests.unit.agent.execution.watching import child_pid, is_gone


def test_false_is_a_failure_that_says_so(agent: SmallAgent) -> None:
    agent.run(agent.body("return False"))
    assert agent.failure(Outcome.FAILED).text == "run_task returned False"


def test_an_exception_brings_its_traceback_and_the_output(agent: SmallAgent) -> None:
    agent.run(agent.body("print('almost there')", "raise LookupError('no such thing')"))
    reason = agent.failure(Outcome.FAILED)
    assert reason.text == "LookupError: no such thing"
    assert reason.exception == "LookupError"
    assert "raise LookupError('no such thing')" in reason.traceback
    assert "hxgrid_agent" not in reason.traceback
    assert reason.output == "almost there\n"


def test_output_of_native_code_and_of_programs_is_caught(agent: SmallAgent) -> None:
    agent.run(
        agent.body(
            "import ctypes, subprocess",
            "ctypes.CDLL(None).printf(b'from C')",
            "subprocess.run(['echo', 'from a program'], check=True)",
            "return False",
        )
    )
    output = agent.failure(Outcome.FAILED).output
    assert "from C" in output
    assert "from a program" in output


def test_a_failure_shows_the_output_of_its_own_attempt_only(agent: SmallAgent) -> None:
    function = agent.body("text = in_stream.read().decode()", "print(text)", "return text == 'a'")
    agent.run(function, b"a", task=1)
    assert agent.result(1).outcome == Outcome.DONE
    agent.run(function, b"b", task=2)
    assert agent.failure(Outcome.FAILED, 2).output == "b\n"


def test_of_very_much_output_the_end_is_kept(agent: SmallAgent) -> None:
    thousand = "print(chr(10).join(f'line {k}' for k in range(n, n + 1000)))"
    agent.run(agent.body(f"for n in range(0, 200_000, 1000): {thousand}", "return False"))
    output = agent.failure(Outcome.FAILED).output
    assert output.endswith("line 199999\n")
    assert len(output) == 64 * 1024


def test_sys_exit_is_a_failure_and_costs_nothing_else(agent: SmallAgent) -> None:
    agent.run(agent.body("import sys", "sys.exit('enough')"))
    assert agent.failure(Outcome.FAILED).text == "the task called sys.exit('enough')"
    agent.run(agent.body("pass"), task=2)
    assert agent.result(2).outcome == Outcome.DONE


def test_an_exit_of_the_process_is_told_with_its_code_and_output(agent: SmallAgent) -> None:
    agent.run(agent.body("import os", "print('last words')", "os._exit(3)"))
    agent.run(agent.body("pass"), task=2)
    died = agent.await_event(Died)
    assert "exit code 3" in died.reason.text
    assert died.reason.output == "last words\n"
    assert (died.running, died.lost) == ((1, 1), ((2, 1),))


def test_a_crash_is_told_with_its_signal_and_where_it_was(agent: SmallAgent) -> None:
    agent.run(agent.body("import ctypes", "ctypes.string_at(0)"))
    died = agent.await_event(Died)
    assert died.reason.signal == "SIGSEGV"
    assert "SIGSEGV" in died.reason.text
    assert "in run_task" in died.reason.output  # faulthandler's own words
    assert died.running == (1, 1)


def test_results_sent_before_an_end_are_not_lost(agent: SmallAgent) -> None:
    agent.run(agent.body("out_stream.write(b'last')"), task=1)
    agent.process.end()
    wait_until(lambda: has_exited(agent.process._process), 30, "the process to end")
    assert agent.process.poll() is None
    assert agent.result(1).payload == b"last"
    assert agent.await_event(Died).lost == ()


def test_a_half_written_output_goes_with_its_process(agent: SmallAgent) -> None:
    agent.run(
        agent.body(
            "import os, pathlib",
            f"folder = pathlib.Path({str(agent.folder / 'exchange')!r})",
            "(folder / f'output-{os.getpid()}-1').write_bytes(b'half')",
            "os._exit(1)",
        )
    )
    agent.await_event(Died)
    assert list((agent.folder / "exchange").iterdir()) == []


def test_a_kill_from_outside_while_idle_costs_no_attempt(agent: SmallAgent) -> None:
    agent.run(agent.body("pass"))
    agent.result()
    os.kill(agent.process.pid, signal.SIGKILL)
    died = agent.await_event(Died)
    assert (died.reason.signal, died.running, died.lost) == ("SIGKILL", None, ())


def test_k7_an_orphan_of_a_crashed_process_is_gone_too(agent: SmallAgent) -> None:
    # A daemon: a session of its own, and its parent has ended, before the task process crashes.
    agent.run(
        agent.body(
            "import os, subprocess, sys",
            "path = agent.session_cache_directory / 'pid'",
            'code = (\'import os, subprocess, sys; p = subprocess.Popen(["sleep", "1000"], \'',
            "  'start_new_session=True); open(sys.argv[1], \"w\").write(str(p.pid)); os._exit(0)')",
            "subprocess.run([sys.executable, '-c', code, str(path)], start_new_session=True)",
            "os._exit(1)",
        )
    )
    agent.await_event(Died)
    pid = child_pid(agent)
    wait_until(lambda: is_gone(pid), 10, "the orphan to be gone")


def test_a_forked_copy_of_the_process_does_not_hide_its_death(agent: SmallAgent) -> None:
    agent.run(
        agent.body(
            "import os, signal",
            "path = agent.session_cache_directory / 'pid'",
            "pid = os.fork()",
            "if pid == 0:",
            "    while True: signal.pause()",
            "path.write_text(str(pid))",
            "os._exit(1)",
        )
    )
    assert "exit code 1" in agent.await_event(Died).reason.text
    pid = child_pid(agent)
    wait_until(lambda: is_gone(pid), 10, "the forked copy to be gone")


def test_a_task_that_closes_its_sockets_is_killed(agent: SmallAgent) -> None:
    agent.run(agent.body("import os", "os.closerange(3, 50)", "while True: pass"))
    died = agent.await_event(Died)
    assert is_gone(agent.process.pid)
    assert died.running == (1, 1)


def test_a_full_disk_costs_the_attempt_and_says_so(agent: SmallAgent) -> None:
    (agent.folder / "exchange").rmdir()
    agent.run(agent.body("import os", "out_stream.write(os.urandom(200_000))"))
    reason = agent.failure(Outcome.FAILED)
    assert "an output of 200000 bytes cannot be written" in reason.text
