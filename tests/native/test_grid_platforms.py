"""Modules for other computers, agents without the task library, disks that fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import hxgrid
from hxgrid.modules.sets import ModuleSet
from tests.harness import images
from tests.harness.wait import wait_until
from tests.native import grid
from tests.native.grid import number_of, output_of, submit

PYTHON_TASK = "def run(agent, session_id, i, o):\n    o.write(i.read())\n"


def test_a_module_for_another_computer_is_never_sent(tmp_path: Path) -> None:
    windows = tmp_path / "task.dll"
    windows.write_bytes(images.pe("KERNEL32.dll"))
    python = tmp_path / "task.py"
    python.write_text(PYTHON_TASK)
    with hxgrid.connect("local", slots=1) as session:
        task = submit(session, windows, "RunTask")
        assert output_of(submit(session, python, "run", b"goes on")) == b"goes on"
        wait_until(lambda: "needs win32-x86_64" in task.why(), 10, "the reason", seen=task.why)
        assert task.attempts == ()
        task.cancel()


def test_the_variant_for_the_agent_is_taken(tmp_path: Path) -> None:
    windows = tmp_path / "task.dll"
    windows.write_bytes(images.pe("KERNEL32.dll"))
    fitting = grid.modules(tmp_path)
    variants = {"win32": windows, sys.platform: fitting}
    with hxgrid.connect("local", slots=1) as session:
        task = session.run_task(ModuleSet(variants=variants), "Version")
        assert task is not None
        assert number_of(task) == 1


def test_an_agent_without_the_task_library_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import hxgrid._native as native\nnative.library_path = lambda: None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    python = tmp_path / "task.py"
    python.write_text(PYTHON_TASK)
    module = grid.modules(tmp_path)
    with hxgrid.connect("local", slots=1) as session:
        task = submit(session, module, "Version")
        assert output_of(submit(session, python, "run", b"goes on")) == b"goes on"
        wait_until(lambda: "without its task library" in task.why(), 10, "why", seen=task.why)
        task.cancel()


def test_b18_a_disk_that_fails_once_does_not_stop_the_next_task(tmp_path: Path) -> None:
    finder = tmp_path / "finder.py"
    finder.write_text(
        "import pathlib\n"
        "def run(agent, session_id, i, o):\n"
        "    native = pathlib.Path(agent.session_cache_directory).parent / 'native'\n"
        "    native.write_text('in the way')\n"
        "    o.write(str(native).encode())\n"
    )
    module = grid.modules(tmp_path)
    with hxgrid.connect("local", slots=1) as session:
        in_the_way = Path(output_of(submit(session, finder, "run")).decode())
        with pytest.raises(hxgrid.TaskFailed, match="laid out"):
            submit(session, module, "Version").result(grid.LIMIT_S)
        in_the_way.unlink()
        assert number_of(submit(session, module, "Linger")) > 0
