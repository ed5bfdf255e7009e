from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.messages import AttemptFlag, Outcome
from hxgrid_agent.execution.events import Died, Ready, Returned
from hxgrid_agent.execution.platform import has_exited
from hxgrid_agent.execution.process import TaskProcess
from tests.harness.wait import wait_until
from tests.unit.agent.execution.conftest import SmallAgent

LINGER = "while agent.test_connection(): pass"


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def child_pid(agent: SmallAgent) -> int:
    """The number that a task has written into the session's cache folder."""
    path = agent.folder / "cache" / "pid"

    def text() -> str:
        return path.read_text(encoding="ascii") if path.exists() else ""

    return int(wait_until(text, 30, "a task's child to start"))


def await_running(agent: SmallAgent, task: int = 1) -> None:
    def key() -> bool:
        running = agent.process.running()
        return running is not None and running[0] == (task, 1)

    wait_until(key, 30, f"task {task} to begin")


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
    agent.run(agent.body("for n in range(200_000): print('line', n)", "return False"))
    output = agent.failure(Outcome.FAILED).output
    assert output.endswith("line 199999\n")
    assert len(output) == 64 * 1024


def test_standard_input_is_empty(agent: SmallAgent) -> None:
    agent.run(agent.body("import sys", "assert sys.stdin.read() == ''"))
    assert agent.result().outcome == Outcome.DONE


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


def test_nothing_can_be_given_beyond_the_room(agent: SmallAgent) -> None:
    room = agent.process.room
    function = agent.body("pass")
    records = [(AttemptRecord(n, 1, 0, function, 0, 0, b""), "") for n in range(room + 1)]
    with pytest.raises(ValueError, match="cannot hold"):
        agent.process.run(records)


def test_closing_twice_and_closing_unstarted_is_harmless(tmp_path: Path) -> None:
    TaskProcess(0, tmp_path).close()
    agent = SmallAgent(tmp_path)
    agent.process.start()
    agent.process.close()
    agent.process.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_attempt_and_says_so(agent: SmallAgent) -> None:
    (agent.folder / "exchange").rmdir()
    agent.run(agent.body("import os", "out_stream.write(os.urandom(200_000))"))
    reason = agent.failure(Outcome.FAILED)
    assert "an output of 200000 bytes cannot be written" in reason.text
