"""Leases and addresses: who is on the roster, and for whom."""

from __future__ import annotations

import pytest

from hxgrid.wire.messages import (
    AgentStatus,
    StatusReceived,
)
from hxgrid_coordinator.core.actions import Announce, Change, Send
from hxgrid_coordinator.core.events import AgentReported
from tests.unit.coordinator.core.reporting import (
    BOOT,
    CAPABILITIES,
    LEASE_S,
    agent_id,
    ask,
    names,
    new_registry,
    report,
    status,
)


def test_a_first_status_joins_and_is_answered() -> None:
    registry = new_registry()
    joined, sent = report(registry, status(1))
    assert joined == Announce(Change.JOINED, agent_id(1), "pc1", "192.0.2.1")
    assert sent == Send(b"agent", StatusReceived(boot_id=BOOT, grid="studio"))
    (roster,) = ask(registry)
    assert roster.whole
    assert names([roster]) == ["pc1"]


def test_load_alone_is_no_change() -> None:
    registry = new_registry()
    report(registry, status(1))
    version = registry.version
    assert len(report(registry, status(1, free_cpu=0.0, running=8), 1.0)) == 1
    assert registry.version == version


@pytest.mark.parametrize(
    "changed",
    [
        status(1, "192.0.2.99"),
        status(1, slots=3),
        status(1, name="other"),
        status(1, public_key="k" * 40),
        status(1, capabilities=CAPABILITIES.model_copy(update={"labels": ("gpu",)})),
    ],
    ids=["address", "slots", "name", "key", "capabilities"],
)
def test_users_hear_of_what_concerns_them(changed: AgentStatus) -> None:
    registry = new_registry()
    report(registry, status(1))
    report(registry, status(2))
    version = registry.version
    report(registry, changed, 1.0)
    (roster,) = ask(registry, version)
    assert not roster.whole
    assert [entry.agent for entry in roster.agents] == [agent_id(1)]


def test_silence_for_the_lease_leaves() -> None:
    registry = new_registry()
    report(registry, status(1), 0.0)
    report(registry, status(2), 5.0)
    assert registry.next_deadline() == LEASE_S
    assert registry.tick(9.99) == []
    assert registry.tick(10.0) == [Announce(Change.SILENT, agent_id(1), "pc1", "192.0.2.1")]
    registry.check()
    assert registry.next_deadline() == 15.0
    (roster,) = ask(registry, 3)
    assert roster.left == (agent_id(1),)


def test_each_status_renews_the_lease() -> None:
    registry = new_registry()
    for second in range(60):
        report(registry, status(1), float(second))
        assert registry.tick(float(second)) == []
    assert len(registry) == 1


def test_an_agent_that_says_goodbye_leaves_at_once() -> None:
    registry = new_registry()
    report(registry, status(1))
    left, sent = report(registry, status(1, leaving=True), 1.0)
    assert left == Announce(Change.LEFT, agent_id(1), "pc1", "192.0.2.1")
    assert isinstance(sent, Send)
    assert len(registry) == 0
    assert len(report(registry, status(1, leaving=True), 2.0)) == 1


def test_an_empty_registry_has_nothing_to_do() -> None:
    registry = new_registry()
    assert registry.next_deadline() is None
    assert registry.tick(1e9) == []


def test_b21_an_agent_that_reconnects_is_listed_once() -> None:
    registry = new_registry()
    for connection in (b"one", b"two"):
        registry.handle(AgentReported(connection, status(1), "192.0.2.1", 500), 0.0)
    assert names(ask(registry)) == ["pc1"]


def test_b21_an_agent_that_is_seen_at_several_addresses_is_listed_once() -> None:
    registry = new_registry()
    said = status(1, "192.0.2.1", "203.0.113.1")
    report(registry, said, seen="192.0.2.1")
    report(registry, said, 1.0, seen="203.0.113.1")
    assert names(ask(registry)) == ["pc1"]


def test_an_agent_that_was_started_again_takes_the_place_of_the_old_one() -> None:
    registry = new_registry()
    report(registry, status(1, "192.0.2.1"))
    version = registry.version
    actions = report(registry, status(2, "192.0.2.1"), 1.0)
    assert Announce(Change.REPLACED, agent_id(1), "pc1", "192.0.2.1") in actions
    (roster,) = ask(registry, version)
    assert names([roster]) == ["pc2"]
    assert roster.left == (agent_id(1),)


def test_k5_two_agents_of_one_computer_are_two() -> None:
    registry = new_registry()
    report(registry, status(1, "192.0.2.1", port=4102))
    report(registry, status(2, "192.0.2.1", port=40000))
    assert names(ask(registry)) == ["pc1", "pc2"]


def test_two_computers_that_share_a_private_address_are_two() -> None:
    registry = new_registry()
    report(registry, status(1, "172.17.0.1", "192.0.2.1"), seen="192.0.2.1")
    report(registry, status(2, "172.17.0.1", "192.0.2.2"), seen="192.0.2.2")
    assert names(ask(registry)) == ["pc1", "pc2"]


def test_agents_without_any_address_do_not_push_each_other_out() -> None:
    registry = new_registry()
    for number in (1, 2):
        report(registry, status(number, addresses=()), seen="192.0.2.9")
    assert len(registry) == 2
    assert names(ask(registry)) == []


def test_the_address_that_the_coordinator_saw_is_added() -> None:
    registry = new_registry()
    report(registry, status(1, "10.0.0.5", port=4107), seen="203.0.113.77")
    (roster,) = ask(registry)
    assert [(a.host, a.port) for a in roster.agents[0].addresses] == [
        ("10.0.0.5", 4107),
        ("203.0.113.77", 4107),
    ]


@pytest.mark.parametrize(
    ("agent_seen", "user_seen", "is_shown"),
    [
        ("", "", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.44", True),
        ("192.0.2.1", "198.51.100.1", False),
        ("", "198.51.100.1", False),
        ("192.0.2.1", "", False),
    ],
    ids=[
        "all on one computer",
        "user beside a distant agent",
        "user seen at the agent's other card",
        "user elsewhere",
        "agent beside the coordinator, user elsewhere",
        "user beside the coordinator, agent elsewhere",
    ],
)
def test_b21_loopback_is_for_the_same_computer_only(
    agent_seen: str, user_seen: str, is_shown: bool
) -> None:
    registry = new_registry()
    report(registry, status(1, "192.0.2.1", "192.0.2.44", "127.0.0.1", "::1"), seen=agent_seen)
    (roster,) = ask(registry, seen=user_seen)
    hosts = [address.host for address in roster.agents[0].addresses]
    assert hosts[:2] == ["192.0.2.1", "192.0.2.44"]
    assert ("127.0.0.1" in hosts) == ("::1" in hosts) == is_shown


def test_an_agent_that_nobody_elsewhere_can_reach_is_not_listed_there() -> None:
    registry = new_registry()
    report(registry, status(1, "127.0.0.1"), seen="")
    assert names(ask(registry, seen="")) == ["pc1"]
    assert names(ask(registry, seen="198.51.100.1")) == []


def test_an_agent_that_can_no_longer_be_reached_has_left_for_those_elsewhere() -> None:
    registry = new_registry()
    report(registry, status(1, "192.0.2.1", "127.0.0.1"), seen="")
    version = registry.version
    report(registry, status(1, "127.0.0.1"), 1.0, seen="")
    (roster,) = ask(registry, version)
    assert roster.left == (agent_id(1),)
