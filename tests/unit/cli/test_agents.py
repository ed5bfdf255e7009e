"""`hxgrid agents`: a table for people, a list of objects for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hxgrid.cli import agents
from hxgrid.wire.messages import AgentState, RosterEntry

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

Entry = Callable[..., RosterEntry]
GridOf = Callable[..., None]


def test_json_is_a_list_of_objects(run: Run, entry: Entry, grid_of: GridOf) -> None:
    grid_of(entry("pc7", sessions=("ann@pc1 app.py",)), entry("pc8"))
    found = json.loads(run("agents", "--json").stdout)
    assert [one["name"] for one in found] == ["pc7", "pc8"]
    first = found[0]
    assert first["address"] == "192.168.1.7:4102"
    assert (first["processors"], first["free_cpu"], first["slots"]) == (8, 6.25, 4)
    assert (first["free_memory_bytes"], first["memory_bytes"]) == (3 << 30, 16 << 30)
    assert (first["state"], first["sessions"]) == ("active", ["ann@pc1 app.py"])


def test_people_see_a_line_per_agent_in_a_pipe(run: Run, entry: Entry, grid_of: GridOf) -> None:
    grid_of(entry("pc7", state=AgentState.SUSPENDED, reason="the owner is back"), entry("pc8"))
    ended = run("agents")
    assert len(ended.stdout.splitlines()) == 3
    assert "suspended: the owner is back" in ended.stdout
    assert "2 agents, 8 slots" in ended.stderr


def test_sixty_columns_are_enough(
    run: Run, entry: Entry, grid_of: GridOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "width", lambda: 60)
    grid_of(entry("pc7", sessions=("ann@pc1 app.py",)))
    lines = run("agents").stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert any("192.168.1.7:4102" in line for line in lines)


def test_no_agents_says_how_to_get_one(run: Run, grid_of: GridOf) -> None:
    grid_of()
    ended = run("agents")
    assert (ended.status, ended.stdout) == (0, "")
    assert "hxgrid agent" in ended.stderr
    assert json.loads(run("agents", "--json").stdout) == []


def test_quiet_leaves_the_table_alone(run: Run, entry: Entry, grid_of: GridOf) -> None:
    grid_of(entry())
    assert run("agents", "--quiet").stderr == ""


def test_no_grid_is_status_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from hxgrid.cli import asking

    monkeypatch.setattr(asking, "WAIT_S", 0.1)
    monkeypatch.setenv("HXGRID_USER_COORDINATOR", "127.0.0.1:9")
    ended = run("agents", "--json", "--coordinator", "127.0.0.1:9")
    assert (ended.status, ended.stdout) == (3, "")
    assert "127.0.0.1:9" in ended.stderr
    assert "hxgrid up" in ended.stderr


def test_an_agent_of_loopback_alone_shows_that(entry: Entry) -> None:
    one = entry().model_copy(update={"addresses": entry().addresses[:1]})
    assert agents.address_of(one) == "127.0.0.1:4102"
    assert agents.address_of(one.model_copy(update={"addresses": ()})) == "none"
