"""`hxgrid up`: which ports, which programs with which arguments. The programs run in programs/."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from hxgrid.cli import up
from hxgrid.cli.options import Common
from hxgrid.settings import CoordinatorSettings

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def usual_port(monkeypatch: pytest.MonkeyPatch, taken: int) -> int:
    """Makes a port that is taken the usual one."""
    field = CoordinatorSettings.model_fields["port"]
    monkeypatch.setattr(field, "default", taken)
    CoordinatorSettings.model_rebuild(force=True)
    return taken


def test_agents_are_told_where_the_coordinator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HXGRID_COORDINATOR_PORT", "4177")
    plan = up.plan(2, 3, Common(name="office", trust_network=True))
    assert plan.coordinator[:3] == ["coordinator", "--port", "4177"]
    for agent in plan.agents:
        assert agent[:3] == ["agent", "--coordinator", "127.0.0.1:4177"]
        assert agent[-2:] == ["--slots", "3"]
    assert all(
        {"--name", "office", "--trust-network"} <= set(one)
        for one in (plan.coordinator, *plan.agents)
    )
    assert not plan.odd_ports


def test_several_agents_share_the_processors_and_do_not_pin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(up, "processors", lambda: 8)
    plan = up.plan(3, None, Common())
    assert plan.agents[0][-2:] == ["--slots", "2"]
    assert plan.environment["HXGRID_AGENT_EXPLICIT_CPU"] == "false"
    alone = up.plan(1, None, Common())
    assert "--slots" not in alone.agents[0]
    assert "HXGRID_AGENT_EXPLICIT_CPU" not in alone.environment
    assert up.plan(20, None, Common()).agents[0][-2:] == ["--slots", "1"]


def test_a_port_that_was_chosen_is_kept_even_if_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    monkeypatch.setenv("HXGRID_COORDINATOR_PORT", str(taken))
    assert up.plan(0, None, Common()).address == f"127.0.0.1:{taken}"


def test_the_usual_port_gives_way_and_that_is_said(usual_port: int) -> None:
    plan = up.plan(0, None, Common())
    assert plan.address != f"127.0.0.1:{usual_port}"
    assert str(usual_port) in plan.odd_ports[0]


def test_whose_coordinator_it_is_cannot_be_said(run: Run) -> None:
    ended = run("up", "--coordinator", "pc1")
    assert ended.status == 2
    assert "--coordinator" in ended.stderr
    assert "--coordinator" not in run("up", "--help").stdout


def test_a_wrong_setting_of_any_part_starts_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HXGRID_AGENT_SLOTS", "none")
    ended = run("up")
    assert ended.status == 2
    assert "HXGRID_AGENT_SLOTS" in ended.stderr
