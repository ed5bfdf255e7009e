"""Finding a grid, its agents, and finding them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import SOCK_DGRAM
from typing import Any

import pytest

import hxgrid
from hxgrid.errors import AuthenticationError, ConfigError, NoGridFound, VersionMismatch
from hxgrid.ids import new_boot_id
from hxgrid.settings import UserSettings
from hxgrid.transport import names
from hxgrid.user.session import Session
from hxgrid.wire.messages import NetworkAddress, Protocol, Refusal
from tests.harness.ports import free_port
from tests.harness.wait import wait_until
from tests.unit.user.conftest import echo
from tests.unit.user.fake_agent import FakeAgent
from tests.unit.user.fake_coordinator import FakeCoordinator


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _connect(stack: ExitStack, address: str | None, **options: Any) -> Session:
    settings = UserSettings(poll_s=0.1, trust_network=True, **options.pop("settings", {}))
    session = hxgrid.connect(address, settings=settings, **options)
    stack.callback(session.close, cancel=True)
    return session


def _run(session: Session, module: Path, data: bytes = b"x") -> bytes:
    task = session.run_task(module, "f", data)
    assert task is not None
    return task.result(20).read()


def test_agents_come_from_the_coordinator(stack: ExitStack, module: Path) -> None:
    agent = stack.enter_context(FakeAgent(echo))
    coordinator = stack.enter_context(FakeCoordinator([agent.entry]))
    session = _connect(stack, coordinator.address)
    assert _run(session, module) == b"x"
    status = session.connection_status
    assert (status.connected_to_coordinator, status.grid) == (True, "test")


def test_k10_an_agent_that_joins_later_gets_work(stack: ExitStack, module: Path) -> None:
    agent = stack.enter_context(FakeAgent(echo))
    coordinator = stack.enter_context(FakeCoordinator([]))
    session = _connect(stack, coordinator.address)
    task = session.run_task(module, "f", b"early")
    coordinator.entries = [agent.entry]
    assert task is not None
    assert task.result(20).read() == b"early"


def test_a_roster_in_parts_is_put_together(stack: ExitStack) -> None:
    agents = [stack.enter_context(FakeAgent(echo)) for _ in range(3)]
    coordinator = FakeCoordinator([agent.entry for agent in agents])
    coordinator.parts = 3
    stack.enter_context(coordinator)
    session = _connect(stack, coordinator.address)
    wait_until(lambda: session.connection_status.connected_agents == 3, 10, "three agents")


def test_the_session_lives_on_without_its_coordinator_and_finds_it_again(
    stack: ExitStack, module: Path
) -> None:
    """I4."""
    first, second = (stack.enter_context(FakeAgent(echo)) for _ in range(2))
    port = free_port()
    with FakeCoordinator([first.entry], port=port) as coordinator:
        session = _connect(stack, coordinator.address)
        assert _run(session, module) == b"x"
    wait_until(
        lambda: not session.connection_status.connected_to_coordinator, 20, "the loss to be seen"
    )
    assert _run(session, module) == b"x"
    stack.enter_context(FakeCoordinator([first.entry, second.entry], port=port))
    wait_until(lambda: session.connection_status.connected_agents == 2, 20, "the new roster")
    assert session.connection_status.connected_to_coordinator


def test_b21_of_several_addresses_the_right_one_is_found(stack: ExitStack, module: Path) -> None:
    """B21: another agent answers at one address, nobody at the other."""
    stranger = stack.enter_context(FakeAgent(lambda *_: b"wrong"))
    agent = stack.enter_context(FakeAgent(echo))
    addresses = (
        NetworkAddress(host="127.0.0.1", port=stranger.port),
        NetworkAddress(host="127.0.0.1", port=free_port()),
        NetworkAddress(host="127.0.0.1", port=agent.port),
    )
    entry = agent.entry.model_copy(update={"addresses": addresses})
    coordinator = stack.enter_context(FakeCoordinator([entry]))
    assert _run(_connect(stack, coordinator.address), module) == b"x"
    assert stranger.hellos == [], "no secret is shown to who is not the right one"


def test_an_agent_that_is_another_one_now_is_explained(stack: ExitStack, module: Path) -> None:
    agent = stack.enter_context(FakeAgent(echo))
    entry = agent.entry.model_copy(update={"agent": new_boot_id()})
    coordinator = stack.enter_context(FakeCoordinator([entry]))
    session = _connect(stack, coordinator.address)
    session.run_task(module, "f")
    wait_until(
        lambda: any("another agent answers" in line.text for line in session.explain()),
        20,
        "the explanation",
        seen=session.explain,
    )


def test_no_grid_is_told_with_what_was_tried_and_the_ways_on(stack: ExitStack) -> None:
    port = free_port()
    with pytest.raises(NoGridFound) as caught:
        _connect(stack, f"127.0.0.1:{port}", timeout=0.3)
    text = str(caught.value)
    assert f"127.0.0.1:{port}: no answer" in text
    assert 'connect("local")' in text
    assert "hxgrid up" in text
    assert "--trust-network" not in text
    assert caught.value.exit_status == 3


def test_where_only_loopback_is_allowed_the_way_out_is_told() -> None:
    with pytest.raises(NoGridFound, match="--trust-network"):
        hxgrid.connect("192.0.2.1", settings=UserSettings(), timeout=0.1)


def test_a_refusal_that_may_pass_is_part_of_what_was_tried(stack: ExitStack) -> None:
    coordinator = FakeCoordinator([])
    coordinator.refusal = Refusal(code="busy", text="there is no room")
    stack.enter_context(coordinator)
    with pytest.raises(NoGridFound, match="there is no room"):
        _connect(stack, coordinator.address, timeout=0.5)


class NameService:
    """Stands in for the system's in this process; libzmq asks the system itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known_after = 10**9
        self.count = 0
        monkeypatch.setattr(names, "PAUSE_S", 0.01)
        monkeypatch.setattr("socket.getaddrinfo", self._look_up)

    def _look_up(self, host: str, *_: object, **__: object) -> None:
        assert host == UNKNOWN
        self.count += 1
        if self.count <= self.known_after:
            raise OSError(-2, "nobody knows it")


# The system will not know it either (RFC 2606).
UNKNOWN = "no-such-coordinator.invalid"


def test_a_coordinator_whose_name_nobody_knows_is_told_from_a_silent_one(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    NameService(monkeypatch)
    with pytest.raises(NoGridFound) as caught:
        _connect(stack, UNKNOWN, timeout=0.5)
    assert str(caught.value) == (
        f"the coordinator's name '{UNKNOWN}' cannot be resolved: nobody knows it. Check its "
        "spelling, or give the address of the coordinator's computer as a number."
    )


def test_a_name_that_becomes_known_is_no_trouble_any_more(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = NameService(monkeypatch)
    service.known_after = 2
    with pytest.raises(NoGridFound, match=f"tried: {UNKNOWN}:4100: no answer"):
        _connect(stack, UNKNOWN, timeout=1.0)
    assert service.count == 3


def test_an_unknown_name_is_among_what_was_tried_where_others_may_be_used(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    NameService(monkeypatch)
    changes = {"coordinator": UNKNOWN, "name": "ours", "beacon_port": free_port(SOCK_DGRAM)}
    with pytest.raises(NoGridFound) as caught:
        _connect(stack, None, timeout=0.5, settings=changes)
    assert f"tried: {UNKNOWN}:4100: the coordinator's name" in str(caught.value)


# What never gets better is told at once, long before the time is over.


def test_a_wrong_token_is_told_at_once(stack: ExitStack) -> None:
    coordinator = FakeCoordinator([])
    coordinator.refusal = Refusal(code="token", text="the token is wrong")
    stack.enter_context(coordinator)
    with pytest.raises(AuthenticationError, match=f"{coordinator.address}.*the token is wrong"):
        _connect(stack, coordinator.address, timeout=600)


def test_another_protocol_version_is_told_at_once(stack: ExitStack) -> None:
    coordinator = FakeCoordinator([])
    coordinator.protocol = Protocol(major=99)
    stack.enter_context(coordinator)
    with pytest.raises(VersionMismatch, match=r"speaks protocol 99\."):
        _connect(stack, coordinator.address, timeout=600)


def test_the_coordinator_of_another_grid_is_not_taken(stack: ExitStack) -> None:
    coordinator = stack.enter_context(FakeCoordinator([], grid="theirs"))
    with pytest.raises(NoGridFound, match="'theirs', not 'ours'"):
        _connect(stack, coordinator.address, timeout=600, name="ours")


@pytest.mark.parametrize("options", [{"journal": "x"}, {"verify": 0.5}])
def test_an_inline_session_says_what_it_cannot_do(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="an inline session"):
        hxgrid.connect("inline", settings=UserSettings(), **options)


def test_a_wrong_address_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError):
        hxgrid.connect("no host:at all", settings=UserSettings())


def test_what_is_to_be_read_once_about_the_settings_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HXGRID_USR_MAX_ATTEMPTS", "3")
    with hxgrid.connect("inline"):
        (record,) = [one for one in caplog.records if one.name == "hxgrid.user"]
    assert record.levelname == "WARNING"
    assert "HXGRID_USR_MAX_ATTEMPTS is no setting" in record.message
    assert "HXGRID_USER_MAX_ATTEMPTS" in record.message
