"""NormalMapper on real grids: what is lost leaves no trace, and runs take turns."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hxgrid_examples.normalmapper import app, flags, generate, nm_task, nmf, turns

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.processes import Programs

LINE = "-1r @low.nmf @high.nmf 48 48 @{}.tga"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    low = generate.sheet(generate.sphere, 6, 4)
    high = generate.sheet(generate.sphere, 64, 64, generate.waves(64, 64, 1))
    nmf.write_nmf(tmp_path / "low.nmf", low)
    nmf.write_nmf(tmp_path / "high.nmf", high)
    return tmp_path


def draw(
    folder: Path,
    name: str,
    session: Any,
    on_progress: Callable[[float], None] | None = None,
) -> bytes:
    words = LINE.format(name).replace("@", f"{folder}/").split()
    app.run(flags.parse_positions(words), lambda: session, on_progress=on_progress)
    return (folder / f"{name}.tga").read_bytes()


class Killer:
    """Kills one process of the grid when so much of the work is done."""

    def __init__(self, *orders: tuple[float, str]) -> None:
        self._orders = list(orders)
        self.killed: list[str] = []

    def __call__(self, share: float) -> None:
        while self._orders and share >= self._orders[0][0]:
            self._kill(self._orders.pop(0)[1])

    def _kill(self, kind: str) -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[3:5] == ["hxgrid", kind] and self._is_used(process):
                    process.kill()
                    self.killed.append(kind)
                    return

    def _is_used(self, process: psutil.Process) -> bool:
        """Not a host that only waits for a session: that would be no fault."""
        return process.name() != "" and sum(process.cpu_times()[:2]) > 0


@pytest.mark.slow
def test_b46_killed_hosts_and_agents_leave_no_trace_in_the_picture(files: Path) -> None:
    with hxgrid.connect("inline") as session:
        expected = draw(files, "alone", session)
    killer = Killer((0.05, "host"), (0.2, "agent"), (0.4, "host"))
    drawn = draw(files, "killed", hxgrid.connect("local", agents=3, slots=2), killer)
    assert drawn == expected
    assert killer.killed == ["host", "agent", "host"]


@pytest.mark.slow
def test_a_second_run_waits_its_turn_and_says_so(files: Path) -> None:
    words = [str(files / "low.nmf"), str(files / "high.nmf"), "16", "16", str(files / "out.tga")]
    command = [sys.executable, "-m", "hxgrid", "example", "normalmapper", "--local", *words]
    said: list[str] = []
    with turns.own_turn(said.append, files):
        second = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(files)}
        )
        assert second.stderr is not None
        line = second.stderr.readline()
        assert turns.WAITING in line
        assert second.poll() is None
        assert not (files / "out.tga").exists()
    _, rest = second.communicate(timeout=60)
    assert second.returncode == 0, rest
    assert (files / "out.tga").exists()
    assert said == []


@pytest.mark.slow
def test_a_scene_is_asked_for_once_however_many_tasks_and_slots_there_are(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    bind = hxgrid.Session.bind_get_data

    def counted(session: hxgrid.Session, callback: Callable[[str], Any]) -> None:
        def answer(name: str) -> Any:
            asked.append(name)
            return callback(name)

        bind(session, answer)

    monkeypatch.setattr(hxgrid.Session, "bind_get_data", counted)
    session = hxgrid.connect("local", agents=1, slots=2)
    draw(files, "once", session)
    assert asked == [nm_task.SCENE]


class Counted:
    """A session that notes what its application is asked for, and stays open after a picture."""

    def __init__(self, session: hxgrid.Session) -> None:
        self.asked: list[str] = []
        self._session = session
        bind = session.bind_get_data

        def counted(callback: Callable[[str], Any]) -> None:
            def answer(name: str) -> Any:
                self.asked.append(name)
                return callback(name)

            bind(answer)

        session.bind_get_data = counted  # type: ignore[method-assign, assignment]

    def __enter__(self) -> hxgrid.Session:
        return self._session

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_two_sessions_of_one_agent_have_a_scene_each(files: Path, programs: Programs) -> None:
    folders = [files, files / "other"]
    folders[1].mkdir()
    shutil.copy(files / "low.nmf", folders[1])
    nmf.write_nmf(
        folders[1] / "high.nmf", generate.sheet(generate.sphere, 64, 64, generate.waves(64, 64, 2))
    )
    expected = [draw(folder, "alone", hxgrid.connect("inline")) for folder in folders]
    assert expected[0] != expected[1]
    grid = LocalGrid(programs, trust_network=True)
    grid.coordinator()
    grid.agent(slots=2)
    with grid.connect() as first, grid.connect() as second:
        both = [Counted(first), Counted(second)]
        for turn in range(2):
            drawn = [
                draw(folder, f"turn{turn}", session)
                for folder, session in zip(folders, both, strict=True)
            ]
            assert drawn == expected
            assert [one.asked for one in both] == [[nm_task.SCENE]] * 2
