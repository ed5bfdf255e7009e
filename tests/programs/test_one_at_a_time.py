"""Tasks run one at a time: the application's own thread turns the session's loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.jobs import APPS

if TYPE_CHECKING:
    from tests.harness.processes import Programs

LIMIT_S = 120

PROGRAM = """
import json, os, random, signal, sys, threading, time
import hxgrid

TASKS, SECONDS, MODULE = 600, 6.0, sys.argv[1]
turners, interrupts, results, broken = set(), 0, 0, 0
is_waiting, is_over, gate = threading.Event(), threading.Event(), threading.Lock()

def interrupt():
    chance = random.Random(1)
    while not is_over.is_set():
        is_waiting.wait(1.0)
        time.sleep(chance.uniform(0.0, 0.005))
        with gate:
            if is_waiting.is_set():
                os.kill(os.getpid(), signal.SIGINT)

def wait_no_longer():
    global interrupts
    while True:
        try:
            with gate:
                is_waiting.clear()
            return
        except KeyboardInterrupt:
            interrupts += 1

with hxgrid.connect("local", slots=1) as session:
    session.run_task(MODULE, "echo", b"first").result(60)
    driver = session._engine.driver
    flush = driver.flush
    def told_flush():
        turners.add(threading.get_ident())
        flush()
    session._engine.driver.flush = told_flush
    thread = threading.Thread(target=interrupt)
    thread.start()
    number, task, began = 0, None, time.monotonic()
    while number < TASKS and (time.monotonic() - began < SECONDS or interrupts < 20):
        task = task or session.run_task(MODULE, "echo", b"%d" % number)
        out = None
        try:
            is_waiting.set()
            out = task.result(60)
        except KeyboardInterrupt:
            interrupts += 1
        wait_no_longer()
        if out is not None:
            broken += out.read() != b"%d" % number
            number, task = number + 1, None
    is_over.set()
    thread.join()
    is_complete = session.wait_for_completion(60)
    last = session.run_task(MODULE, "echo", b"last").result(60).read().decode()
    errors = driver.error_count + session._engine.loop.error_count
print(json.dumps({
    "turned_here": threading.get_ident() in turners, "interrupts": interrupts, "number": number,
    "broken": broken, "is_complete": is_complete, "last": last, "errors": errors,
}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_ctrl_c_at_any_moment_leaves_the_session_whole(
    programs: Programs, write_script: Callable[[str, str], Path]
) -> None:
    script = write_script("one_at_a_time.py", PROGRAM)
    done = programs.python(script, str(APPS / "tasks.py")).wait(LIMIT_S).expect(0)
    found = json.loads(done.stdout)
    assert found["interrupts"] >= 20, found
    assert found["number"] > 0, found
    wanted = {
        "turned_here": True,
        "broken": 0,
        "is_complete": True,
        "last": "last",
        "errors": 0,
    }
    assert {key: found[key] for key in wanted} == wanted
    programs.expect_no_process_left()
