"""What tests of the registry say and ask, in the place of agents and users."""

from __future__ import annotations

from typing import Any

from hxgrid.wire.messages import (
    AgentStatus,
    Capabilities,
    NetworkAddress,
    Roster,
    RosterRequest,
)
from hxgrid_coordinator.core.actions import Action, Send
from hxgrid_coordinator.core.events import AgentReported, RosterAsked
from hxgrid_coordinator.core.registry import Registry

BOOT = "c" * 32


LEASE_S = 10.0


CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.7",
    processors=8,
    memory_bytes=1 << 34,
)


def new_registry(max_agents: int = 1000) -> Registry:
    return Registry(BOOT, "studio", LEASE_S, max_agents)


def agent_id(number: int) -> str:
    return f"{number:032x}"


def status(number: int, *hosts: str, port: int = 4102, **changes: Any) -> AgentStatus:
    hosts = hosts or (f"192.0.2.{number % 250}",)
    fields: dict[str, Any] = {
        "agent": agent_id(number),
        "name": f"pc{number}",
        "addresses": tuple(NetworkAddress(host=host, port=port) for host in hosts),
        "slots": 8,
        "free_cpu": 7.5,
        "own_cpu": 0.0,
        "free_memory_bytes": 1 << 33,
        "capabilities": CAPABILITIES,
    }
    return AgentStatus(**(fields | changes))


def report(
    registry: Registry,
    said: AgentStatus,
    now: float = 0.0,
    *,
    seen: str | None = None,
    size_bytes: int = 500,
    key: str = "",
) -> list[Action]:
    seen_host = said.addresses[0].host if seen is None and said.addresses else seen or ""
    event = AgentReported(b"agent", said, seen_host, size_bytes, key)
    actions = registry.handle(event, now)
    registry.check()
    return actions


def ask(
    registry: Registry,
    version: int = 0,
    now: float = 0.0,
    *,
    boot_id: str = BOOT,
    seen: str = "198.51.100.1",
    detailed: bool = False,
) -> list[Roster]:
    request = RosterRequest(boot_id=boot_id, version=version, detailed=detailed)
    actions = registry.handle(RosterAsked(b"user", request, seen), now)
    rosters = []
    for action in actions:
        assert isinstance(action, Send)
        assert action.connection == b"user"
        assert isinstance(action.document, Roster)
        rosters.append(action.document)
    assert [roster.more for roster in rosters] == [True] * (len(rosters) - 1) + [False]
    return rosters


def names(rosters: list[Roster]) -> list[str]:
    return [entry.name for roster in rosters for entry in roster.agents]
