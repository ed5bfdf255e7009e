from __future__ import annotations

from typing import Any

import pytest

from hxgrid.errors import ConfigError
from hxgrid.settings import AgentSettings
from hxgrid.transport.security import KeyPair, Security
from hxgrid_agent.configuration import check_coordinator, core_settings, wanted_port
from tests.unit.agent.core.rig import CAPABILITIES, Rig


def settings_of(**changes: Any) -> Any:
    return core_settings(AgentSettings(**changes), CAPABILITIES, boot_id="b" * 32)


def test_b26_slots_are_the_processors_less_those_of_the_owner_and_at_least_one() -> None:
    assert settings_of().slots == 4
    assert settings_of(free_cpu_count=1).slots == 3
    assert settings_of(free_cpu_count=4).slots == 1
    assert settings_of(free_cpu_count=99).slots == 1
    assert settings_of(slots=7).slots == 7


def test_there_is_a_spare_process_for_each_slot_unless_set() -> None:
    assert settings_of().spare_processes == 4
    assert settings_of(slots=100).spare_processes == 8
    assert settings_of(spare_processes=0).spare_processes == 0


def test_all_processes_that_had_a_slot_can_be_parked() -> None:
    assert settings_of(slots=20).max_parked_processes == 20


def test_a_port_that_was_set_is_the_only_one() -> None:
    assert wanted_port(AgentSettings()) == (4102, True)
    assert wanted_port(AgentSettings(port=5000)) == (5000, False)


@pytest.mark.parametrize("address", ["", "127.0.0.1", "localhost:4100", "[::1]:4100"])
def test_without_keys_loopback_coordinators_are_fine(address: str) -> None:
    check_coordinator(AgentSettings(coordinator=address), Security(token="t"))


def test_without_keys_no_other_computer_is_talked_to() -> None:
    settings = AgentSettings(coordinator="192.168.1.2")
    with pytest.raises(ConfigError, match="--trust-network"):
        check_coordinator(settings, Security(token="t"))
    check_coordinator(settings, Security(trust_network=True))
    check_coordinator(settings, Security(keys=KeyPair("p" * 40, "s" * 40)))


@pytest.mark.parametrize(("processors", "spared", "slots"), [(1, 1, 1), (33, 0, 33), (65, 1, 64)])
def test_b26_a_computer_of_any_size_lends_what_it_has(
    processors: int, spared: int, slots: int
) -> None:
    computer = CAPABILITIES.model_copy(update={"processors": processors})
    settings = core_settings(AgentSettings(free_cpu_count=spared), computer, boot_id="b" * 32)
    rig = Rig(slots=settings.slots, spare_processes=settings.slots)
    user = rig.user("a")
    user.offer()
    user.send(*range(2 * slots))
    assert len({rig.process_of(task).number for task in user.running}) == slots


def test_a_users_lease_and_grace_are_capped_by_the_agents_settings() -> None:
    settings = settings_of(session_lease_s=7.0, cancel_grace_s=0.1)
    assert (settings.session_lease_s, settings.cancel_grace_s) == (7.0, 0.1)
