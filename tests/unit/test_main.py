"""`python -m hxgrid` and the script `hxgrid`: what happens before anything is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType

import pytest

from hxgrid import __main__ as program

ENDING = """
import atexit, sys, time, types
from hxgrid import __main__ as program

command_line = types.ModuleType("hxgrid.cli.main")
command_line.main = lambda: {status}
sys.modules["hxgrid.cli.main"] = command_line
sys.argv = ["hxgrid", "agents"]
atexit.register(lambda: (print("ending", flush=True), {ends}))
sys.exit(program.main())
"""


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    """The program changes what Ctrl-C does; the next test must not inherit that."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


class InterruptedModule(ModuleType):
    """A module during whose import Ctrl-C was pressed."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


def test_ctrl_c_during_imports_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hxgrid.cli.main", InterruptedModule("hxgrid.cli.main"))
    monkeypatch.setattr(sys, "argv", ["hxgrid", "agents"])
    assert program.main() == 130


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")
@pytest.mark.parametrize(("status", "ends"), [(130, "sys.stdin.read()"), (0, "time.sleep(60)")])
def test_one_more_ctrl_c_at_the_very_end_is_quiet_and_its_status_is_130(
    status: int, ends: str
) -> None:
    script = ENDING.format(status=status, ends=ends)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ending:
        assert ending.stdout is not None
        assert ending.stdout.readline() == "ending\n"
        ending.send_signal(signal.SIGINT)
        _, said = ending.communicate(timeout=30)
    assert (ending.returncode, said) == (130, "")


def test_the_script_begins_there_too() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="hxgrid")
    assert script.value == "hxgrid.__main__:main"
