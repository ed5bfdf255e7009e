"""Attempts that take too long, or do not get on, in real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import hxgrid

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 120

WORK = """
import time

def stands_still(agent, session_id, in_stream, out_stream):
    agent.report(0.5, "half way")
    while agent.test_connection():
        agent.report(0.5, "half way")
        time.sleep(0.05)

def gets_on(agent, session_id, in_stream, out_stream):
    for step in range(60):
        agent.report(step / 60)
        time.sleep(0.05)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("own_process")
def test_an_attempt_without_progress_is_ended_and_counts(tmp_path: Path) -> None:
    module = tmp_path / "work.py"
    module.write_text(WORK)
    settings = {"max_attempts": 2, "retry_delay_s": 0.1}
    with hxgrid.connect("local", slots=2, settings=settings) as session:
        moving = session.run_task(module, "gets_on", no_progress_limit_s=1.5)
        stuck = session.run_task(module, "stands_still", no_progress_limit_s=0.5)
        assert moving is not None
        assert stuck is not None
        error = stuck.exception(LIMIT_S)
        assert moving.exception(LIMIT_S) is None
    assert [each.outcome for each in stuck.attempts] == ["crashed", "crashed"]
    assert all("nothing new" in each.reason for each in stuck.attempts)
    assert "no-progress limit of 0.5 s" in str(error)
