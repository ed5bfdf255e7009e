"""`hxgrid why`: one sentence each, from the coordinator and from what sessions have written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from hxgrid.errors import NoGridFound
from hxgrid.user import diary
from hxgrid.wire.messages import AgentState, RosterEntry

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

Entry = Callable[..., RosterEntry]
GridOf = Callable[..., None]
Diaries = list[dict[str, Any]]

WAITS = {"task": "5", "state": "waiting", "text": "Task 5 waits: no agent is known yet."}
FAILED = {"task": 3, "state": "failed", "text": "task 3 failed (on pc7): ValueError: no"}


@pytest.fixture
def diaries(monkeypatch: pytest.MonkeyPatch) -> Diaries:
    pages: Diaries = []
    monkeypatch.setattr(diary, "read_diaries", lambda: pages)
    return pages


def page(*tasks: dict[str, Any], ended_at: float | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "session": "a" * 32,
        "program": "app.py",
        "process_id": os.getpid(),
        "ended_at": ended_at,
        "counts": {"accepted": 9, "done": 3, "failed": 1},
        "tasks": list(tasks),
        "agents": [{"agent": "pc7", "text": "Agent pc7 gets no work: it cools down."}],
        **changes,
    }


def test_a_task_that_waits(run: Run, diaries: Diaries) -> None:
    diaries.append(page(WAITS, FAILED))
    assert run("why", "5").stdout == "Task 5 waits: no agent is known yet.\n"


def test_a_task_that_failed_after_the_program_has_ended(run: Run, diaries: Diaries) -> None:
    diaries.append(page(FAILED, ended_at=1.0))
    assert run("why", "3").stdout == "task 3 failed (on pc7): ValueError: no\n"


def test_nothing_waits_in_a_program_that_was_killed(run: Run, diaries: Diaries) -> None:
    diaries.append(page(WAITS, process_id=2**22 + 1))
    ended = run("why", "5")
    assert ended.status == 1
    assert "task 5" in ended.stderr


def test_the_latest_session_that_knows_the_task_answers(run: Run, diaries: Diaries) -> None:
    older = {**FAILED, "text": "an older one"}
    diaries.extend([page(ended_at=3.0), page(FAILED, ended_at=2.0), page(older, ended_at=1.0)])
    assert run("why", "3").stdout == f"{FAILED['text']}\n"


def test_a_task_of_which_nothing_is_known(run: Run, diaries: Diaries) -> None:
    diaries.append(page(WAITS))
    assert "runs, or waits behind the 1 that are told of" in run("why", "4").stderr
    diaries[0]["counts"] = {"accepted": 9, "done": 6, "failed": 1, "cancelled": 1}
    assert "neither waits nor has failed" in run("why", "4").stderr
    diaries[:] = [page(WAITS, ended_at=1.0)]
    assert "neither waits nor has failed" in run("why", "4").stderr
    assert "has had so many tasks" in run("why", "77").stderr
    assert "tasks are numbered from 1" in run("why", "0").stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": AgentState.SUSPENDED, "reason": "the owner is back"}, "suspended: the owner"),
        ({"running": 4, "waiting": 2}, "works: 4 tasks in 4 slots, 2 wait there"),
        ({"running": 1}, "works in 1 of 4 slots"),
        ({"sessions": ("ann@pc1",)}, "ann@pc1 has sent it none"),
        ({}, "no session is connected"),
    ],
)
def test_an_agent_says_why(
    run: Run, diaries: Diaries, entry: Entry, grid_of: GridOf, changes: Any, words: str
) -> None:
    grid_of(entry("pc7", **changes), entry("pc8"))
    ended = run("why", "pc7")
    assert words in ended.stdout
    assert "pc8" not in ended.stdout


def test_a_running_session_says_why_it_leaves_an_agent_alone(
    run: Run, diaries: Diaries, entry: Entry, grid_of: GridOf
) -> None:
    diaries.extend([page(WAITS), page(ended_at=1.0)])
    grid_of(entry("pc7"))
    assert run("why", "pc7").stdout.count("it cools down") == 1


def test_an_agent_that_is_not_there_is_named_with_those_that_are(
    run: Run, diaries: Diaries, entry: Entry, grid_of: GridOf
) -> None:
    grid_of(entry("pc7"))
    ended = run("why", "pc9")
    assert (ended.status, ended.stdout) == (1, "")
    assert "'pc9'" in ended.stderr
    assert "pc7" in ended.stderr


def test_without_a_subject_all_is_told_but_not_a_hundred_tasks(
    run: Run, diaries: Diaries, entry: Entry, grid_of: GridOf
) -> None:
    waiting = [{**WAITS, "task": str(n), "text": f"Task {n} waits."} for n in range(40)]
    diaries.append(page(*waiting))
    grid_of(entry("pc7"))
    lines = run("why").stdout.splitlines()
    assert lines[0].startswith("The last session (app.py,")
    assert "9 tasks accepted, 3 done, 1 failed" in lines[0]
    assert sum(line.startswith("Task") for line in lines) == 10
    assert lines[-1] == "... and 30 more; --json tells all."
    assert len(json.loads(run("why", "--json").stdout)) == 43


def test_without_anything_it_says_so(run: Run, diaries: Diaries, grid_of: GridOf) -> None:
    grid_of()
    assert run("why").stdout.startswith("Nothing is known")


def test_without_a_grid_the_last_session_is_told_and_that_there_is_none(
    run: Run, diaries: Diaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hxgrid.cli import asking

    def find_none(_: object) -> None:
        raise NoGridFound

    monkeypatch.setattr(asking, "ask_coordinator", find_none)
    diaries.append(page(ended_at=1.0))
    ended = run("why")
    assert ended.status == 0
    assert ended.stderr.startswith("No grid answers")
    assert ended.stdout.startswith("The last session")
    assert run("why", "--quiet").stderr == ""
