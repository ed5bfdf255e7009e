"""Leases, versions, addresses: what users are told, and when."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxgrid.wire.documents import pack_document
from hxgrid.wire.limits import MAX_JSON_BYTES
from hxgrid.wire.messages import (
    AgentState,
    AgentStatus,
    Capabilities,
    NetworkAddress,
    Proof,
    Refusal,
    Roster,
    RosterRequest,
    StatusReceived,
)
from hxgrid_coordinator.core import registry as registry_module
from hxgrid_coordinator.core.actions import Action, Announce, Change, Send
from hxgrid_coordinator.core.events import AgentReported, RosterAsked
from hxgrid_coordinator.core.registry import MAX_STATUS_BYTES, Registry

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


# ---------------------------------------------------------------- joining and leaving


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


# ---------------------------------------------------------------- one agent, listed once (B21)


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


# ---------------------------------------------------------------- loopback (B21)


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


# ---------------------------------------------------------------- versions


def test_nothing_new_is_an_empty_answer_of_the_same_version() -> None:
    registry = new_registry()
    report(registry, status(1))
    (roster,) = ask(registry, registry.version)
    assert (roster.whole, roster.agents, roster.left) == (False, (), ())
    assert roster.version == registry.version


@pytest.mark.parametrize(("version", "boot_id"), [(0, BOOT), (2, "d" * 32), (2, ""), (99, BOOT)])
def test_who_knows_nothing_of_ours_gets_everything(version: int, boot_id: str) -> None:
    registry = new_registry()
    report(registry, status(1))
    (roster,) = ask(registry, version, boot_id=boot_id)
    assert roster.whole
    assert names([roster]) == ["pc1"]


def test_who_has_slept_too_long_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "MAX_REMEMBERED_LEFT", 3)
    registry = new_registry()
    report(registry, status(1))
    version = registry.version
    for number in range(2, 6):
        report(registry, status(number))
        report(registry, status(number, leaving=True))
    (roster,) = ask(registry, version)
    assert roster.whole
    assert names([roster]) == ["pc1"]
    (roster,) = ask(registry, registry.version - 1)
    assert not roster.whole


class Follower:
    """A user that applies what it is sent."""

    def __init__(self, seen: str) -> None:
        self.seen = seen
        self.version = 0
        self.agents: dict[str, object] = {}

    def poll(self, registry: Registry) -> None:
        rosters = ask(registry, self.version, seen=self.seen)
        if rosters[0].whole:
            self.agents.clear()
        for roster in rosters:
            for agent in roster.left:
                self.agents.pop(agent, None)
            self.agents.update({entry.agent: entry for entry in roster.agents})
            self.version = roster.version


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["status", "leave", "move", "wait", "near", "far"]), st.integers(1, 6)
    ),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=60)
def test_followers_of_changes_know_what_a_newcomer_is_told(steps: list[tuple[str, int]]) -> None:
    registry, now = new_registry(), 0.0
    near, far = Follower(""), Follower("198.51.100.1")
    for step, number in steps:
        match step:
            case "status":
                report(registry, status(number, f"192.0.2.{number}", "127.0.0.1"), now, seen="")
            case "move":
                report(registry, status(number, "127.0.0.1", port=5000 + number), now, seen="")
            case "leave":
                report(registry, status(number, leaving=True), now, seen="")
            case "wait":
                now += 2.0 * number
                registry.tick(now)
                registry.check()
            case _:
                (near if step == "near" else far).poll(registry)
    for follower in (near, far):
        follower.poll(registry)
        newcomer = Follower(follower.seen)
        newcomer.poll(registry)
        assert follower.agents == newcomer.agents


# ---------------------------------------------------------------- size, cost, bad input


def test_a_large_roster_is_sent_in_parts_that_fit() -> None:
    registry = new_registry(10_000)
    for number in range(3000):
        said = status(number, port=10_000 + number)
        size = len(pack_document(said)[0])
        registry.handle(AgentReported(b"a", said, "192.0.2.1", size), 0.0)
    for detailed in (False, True):
        rosters = ask(registry, detailed=detailed)
        assert len(rosters) > 1
        assert len(names(rosters)) == 3000
        for roster in rosters:
            assert len(pack_document(roster)[0]) <= MAX_JSON_BYTES


def test_what_was_asked_in_detail_has_the_status_but_not_the_proof() -> None:
    registry = new_registry()
    report(
        registry,
        status(1, proof=Proof(nonce="1" * 64, proof="5" * 64), state=AgentState.DRAINING),
        5.0,
    )
    (roster,) = ask(registry, now=7.5, detailed=True)
    (entry,) = roster.agents
    assert entry.status is not None
    assert entry.status.state is AgentState.DRAINING
    assert entry.age_s == 2.5
    assert "5" * 64 not in roster.model_dump_json()


def refused(actions: list[Action]) -> Refusal:
    (action,) = actions
    assert isinstance(action, Send)
    assert isinstance(action.document, Refusal)
    return action.document


def test_an_agent_that_speaks_for_another_key_is_refused() -> None:
    registry = new_registry()
    refusal = refused(report(registry, status(1, public_key="a" * 40), key="b" * 40))
    assert refusal.code == "role"
    assert len(registry) == 0
    report(registry, status(1, public_key="b" * 40), key="b" * 40)
    assert len(registry) == 1


def test_an_agent_that_speaks_for_another_agent_is_refused() -> None:
    registry = new_registry()
    report(registry, status(1, public_key="a" * 40), key="a" * 40)
    theft = status(1, "192.0.2.66", public_key="b" * 40, leaving=True)
    assert refused(report(registry, theft, key="b" * 40)).code == "role"
    assert len(registry) == 1
    assert next(registry.entries()).status.public_key == "a" * 40


def test_a_status_of_nonsense_size_is_refused() -> None:
    registry = new_registry()
    assert refused(report(registry, status(1), size_bytes=MAX_STATUS_BYTES + 1)).code == "malformed"


def test_a_full_roster_takes_nobody_new_but_keeps_those_it_has() -> None:
    registry = new_registry(max_agents=2)
    report(registry, status(1))
    report(registry, status(2))
    assert refused(report(registry, status(3))).code == "busy"
    assert len(report(registry, status(2), 1.0)) == 1
    assert registry.refused_count == 1


def test_b49_polls_leave_nothing_behind() -> None:
    registry = new_registry()
    for number in range(20):
        report(registry, status(number))

    def work(count: int) -> None:
        for turn in range(count):
            ask(registry, registry.version)
            event = AgentReported(b"a", status(turn % 20), "192.0.2.1", 500)
            registry.handle(event, turn * 0.01)
        ask(registry)
        gc.collect()

    tracemalloc.start()
    try:
        work(500)
        before = tracemalloc.get_traced_memory()[0]
        work(5000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000
