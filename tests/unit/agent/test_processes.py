"""Processes that cannot be started."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hxgrid.clock import MonotonicClock
from hxgrid.transport.loop import Loop
from hxgrid_agent import processes
from hxgrid_agent.core import events as ev
from hxgrid_agent.processes import Processes


@pytest.mark.replaces
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(11, "Resource temporarily unavailable"), "Resource temporarily unavailable"),
        (TypeError("ours"), "TypeError: ours"),
    ],
    ids=["the system refuses", "our own fault"],
)
def test_whoever_waits_for_a_process_that_cannot_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fail(_number: int, _folder: Path) -> None:
        raise error

    monkeypatch.setattr(processes, "TaskProcess", fail)
    events: list[Any] = []
    clock = MonotonicClock()
    loop = Loop(clock, "test")
    Processes(loop, clock, tmp_path, events.append).start(
        SimpleNamespace(number=7, is_host=False)  # type: ignore[arg-type]
    )
    loop.close()
    (died,) = events
    assert isinstance(died, ev.ProcessDied)
    assert (died.process, died.reason.text) == (7, told)
