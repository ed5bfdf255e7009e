"""A grid whose programs have keys: who has the right ones computes, who has not is told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from tests.harness.local_grid import LocalGrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.processes import Completed, Programs

LIMIT_S = 60.0

Pair = tuple[str, str]


def pair() -> Pair:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


class KeyedGrid:
    """A coordinator and an agent that let three keys in."""

    def __init__(self, programs: Programs) -> None:
        self.grid = LocalGrid(programs)
        self.coordinator_keys, self.agent_keys, self.user_keys = pair(), pair(), pair()

    def start(self) -> None:
        self.grid.coordinator(environment=self.settings("COORDINATOR", self.coordinator_keys))
        self.grid.wait_for_coordinator(LIMIT_S)
        self.grid.agent(environment=self.settings("AGENT", self.agent_keys))

    def settings(self, section: str, keys: Pair, server_key: str | None = None) -> dict[str, str]:
        known = (self.coordinator_keys, self.agent_keys, self.user_keys)
        settings = {
            f"HXGRID_{section}_PUBLIC_KEY": keys[0],
            f"HXGRID_{section}_SECRET_KEY": keys[1],
            f"HXGRID_{section}_ALLOWED_KEYS": ",".join(public for public, _ in known),
        }
        if section != "COORDINATOR":
            settings[f"HXGRID_{section}_COORDINATOR_KEY"] = server_key or self.coordinator_keys[0]
        return settings

    def ask(self, *arguments: str, environment: dict[str, str]) -> Completed:
        return self.grid.run(*arguments, environment=environment, limit_s=LIMIT_S)


@pytest.fixture
def keyed(programs: Programs) -> Iterator[KeyedGrid]:
    grid = KeyedGrid(programs)
    grid.start()
    yield grid
    programs.end_politely()


def test_the_right_keys_let_a_job_run(keyed: KeyedGrid) -> None:
    right = keyed.settings("USER", keyed.user_keys)
    digits = keyed.ask("example", "pi", "--digits", "18", environment=right)
    assert digits.expect(0).stdout.strip() == "3.141592653589793238"


def test_a_key_that_is_not_allowed_is_told_at_once(keyed: KeyedGrid) -> None:
    stranger = keyed.settings("USER", pair())
    asked = keyed.ask("agents", environment=stranger).expect(1)
    assert "does not accept our key" in asked.stderr


def test_b33_a_coordinator_with_another_key_is_not_talked_to(keyed: KeyedGrid) -> None:
    deceived = keyed.settings("USER", keyed.user_keys, server_key=pair()[0])
    asked = keyed.ask("agents", environment=deceived).expect(1)
    assert "its key is not the one that we were given" in asked.stderr


def test_a_user_without_keys_is_told_that_they_are_wanted(keyed: KeyedGrid) -> None:
    asked = keyed.ask("agents", environment={}).expect(1)
    assert "it has keys, and we have none" in asked.stderr
