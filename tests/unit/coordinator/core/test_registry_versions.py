"""Changes since a version: users that follow them know what a newcomer is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxgrid_coordinator.core import registry as registry_module
from hxgrid_coordinator.core.registry import Registry
from tests.unit.coordinator.core.reporting import BOOT, ask, names, new_registry, report, status


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
