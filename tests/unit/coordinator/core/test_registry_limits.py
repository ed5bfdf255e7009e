"""Size, cost and bad input."""

from __future__ import annotations

import gc
import tracemalloc

from hxgrid.wire.documents import pack_document
from hxgrid.wire.limits import MAX_JSON_BYTES
from hxgrid.wire.messages import (
    AgentState,
    Proof,
    Refusal,
)
from hxgrid_coordinator.core.actions import Action, Send
from hxgrid_coordinator.core.events import AgentReported
from hxgrid_coordinator.core.registry import MAX_STATUS_BYTES
from tests.unit.coordinator.core.reporting import ask, names, new_registry, report, status


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
