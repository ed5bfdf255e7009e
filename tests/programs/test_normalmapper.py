"""NormalMapper on a grid that loses processes: the picture must not show it (B46)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hxgrid_examples.normalmapper import app, flags, generate, nmf

import hxgrid

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
