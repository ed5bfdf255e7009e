"""Tasks that only some agents may run, among real programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hxgrid
from tests.harness.local_grid import LocalGrid
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from tests.harness.processes import Programs

LIMIT_S = 60
LABELS = {"plain": "", "card": "gpu", "studio": "gpu, maya"}
WORK = "def run(agent, session_id, in_stream, out_stream): pass\n"


@pytest.fixture
def grid(programs: Programs) -> LocalGrid:
    """Three agents, with labels from their environment."""
    grid = LocalGrid(programs, trust_network=True)
    grid.coordinator()
    for name, labels in LABELS.items():
        settings = {"HXGRID_AGENT_AGENT_NAME": name, "HXGRID_AGENT_LABELS": labels}
        grid.agent(environment=settings)
    grid.wait_for_agents(len(LABELS), LIMIT_S)
    return grid


class Jobs:
    """Submits tasks that say what they need."""

    def __init__(self, session: hxgrid.Session, folder: Path) -> None:
        self.session = session
        self.module = folder / "work.py"
        self.module.write_text(WORK)

    def submit(self, **requires: Any) -> hxgrid.Task:
        task = self.session.run_task(self.module, "run", requires=requires)
        assert task is not None
        return task

    def places(self, **requires: Any) -> set[str]:
        """Run some tasks; return the agents that got any of their attempts."""
        tasks = [self.submit(**requires) for _ in range(30)]
        for task in tasks:
            task.result(LIMIT_S)
        return {attempt.agent for task in tasks for attempt in task.attempts}


@pytest.mark.usefixtures("own_process")
def test_labelled_tasks_go_only_where_all_their_labels_are_and_hold_up_nobody(
    grid: LocalGrid, tmp_path: Path
) -> None:
    with grid.connect() as session:
        jobs = Jobs(session, tmp_path)
        wait_until(
            lambda: session.connection_status.connected_agents == len(LABELS),
            LIMIT_S,
            "all agents to be connected",
        )
        assert jobs.places(labels=["gpu"]) <= {"card", "studio"}
        assert jobs.places(labels=["gpu", "maya"]) == {"studio"}

        waiting = jobs.submit(labels=["mocap"])
        assert jobs.places() <= set(LABELS)
        assert not waiting.attempts
        assert "mocap" in waiting.why()
        assert any("mocap" in each.text for each in session.explain())

        config = tmp_path / "stage.toml"
        config.write_text('[agent]\nagent_name = "stage"\nlabels = ["mocap", "gpu"]\n')
        grid.agent("--config", str(config))
        waiting.result(LIMIT_S)
        assert [attempt.agent for attempt in waiting.attempts] == ["stage"]


@pytest.mark.usefixtures("own_process")
def test_what_no_agent_has_is_named_and_can_be_cancelled(grid: LocalGrid, tmp_path: Path) -> None:
    with grid.connect() as session:
        jobs = Jobs(session, tmp_path)
        assert jobs.places(platforms=[sys.platform], memory_bytes=1, processors=1)
        needs: dict[str, dict[str, Any]] = {
            "sunos": {"platforms": ["sunos"]},
            "memory": {"memory_bytes": 1 << 60},
            "processors": {"processors": 100_000},
            "Python 2.7": {"python_version": "2.7"},
        }
        for word, requires in needs.items():
            task = jobs.submit(**requires)
            wait_until(lambda t=task, w=word: w in t.why(), LIMIT_S, word, seen=task.why)  # type: ignore[misc]
            task.cancel()
            with pytest.raises(hxgrid.TaskCancelled):
                task.result(LIMIT_S)
