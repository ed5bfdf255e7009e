"""The agent's side of finding and telling a coordinator, against a hand-made coordinator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.ids import new_boot_id
from hxgrid.settings import AgentSettings
from hxgrid.transport import names
from hxgrid.transport.discovery import DiscoveryState
from hxgrid.transport.loop import Loop
from hxgrid.transport.remembered import RememberedCoordinators
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import Socket, SocketFactory, receive_message, send_message
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import (
    AgentStatus,
    Challenge,
    Document,
    NetworkAddress,
    Protocol,
    StatusReceived,
)
from hxgrid_agent import coordinator_link
from hxgrid_agent.coordinator_link import CoordinatorLink
from tests.harness.wait import wait_until
from tests.unit.agent.core.rig import CAPABILITIES

LIMIT_S = 30.0


def status() -> AgentStatus:
    return AgentStatus(
        agent="a" * 32,
        name="pc7",
        addresses=(NetworkAddress(host="127.0.0.1", port=4102),),
        slots=2,
        free_cpu=1.0,
        own_cpu=0.0,
        free_memory_bytes=1,
        capabilities=CAPABILITIES,
    )


class Coordinator:
    """Answers, or does not, as the test says."""

    def __init__(self, factory: SocketFactory) -> None:
        self.socket: Socket
        self.socket, self.port = factory.router("127.0.0.1", None)
        self.door = factory.security.doorkeeper("coordinator", "it", "127.0.0.1", self.port)
        self.boot_id = new_boot_id()
        self.heard: list[AgentStatus] = []
        self.protocol = Protocol()

    def turn(self) -> None:
        while (received := receive_message(self.socket, is_router=True)) is not None:
            document: Document | None = read_document(received.header)
            if isinstance(document, Challenge):
                send_message(
                    self.socket, pack_document(self.door.answer(document)), to=received.sender
                )
                continue
            assert isinstance(document, AgentStatus)
            assert self.door.refusal(document.proof) is None
            self.heard.append(document)
            answer = StatusReceived(boot_id=self.boot_id, grid="lab", protocol=self.protocol)
            send_message(self.socket, pack_document(answer), to=received.sender)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.loop = Loop(MonotonicClock(), "test")
        self.factory = SocketFactory(self.context, Security(token="t" * 64))
        self.coordinator = Coordinator(self.factory)
        self.remembered = RememberedCoordinators(folder)
        self.link = self.make("lab")

    def make(self, grid: str, host: str = "127.0.0.1", **settings: float) -> CoordinatorLink:
        return CoordinatorLink(
            AgentSettings(
                coordinator=f"{host}:{self.coordinator.port}",
                name=grid,
                status_s=0.05,
                beacon_port=9,  # nobody answers there
                **settings,  # type: ignore[arg-type]
            ),
            self.loop,
            MonotonicClock(),
            self.factory,
            status,
            seed=1,
            remembered=self.remembered,
        )

    def tick(self, now: float) -> None:
        self.link.tick(now)

    def next_deadline(self) -> float | None:
        return self.link.next_deadline()

    def flush(self) -> None:
        pass

    def turn_until(self, condition: Callable[[], object], what: str) -> None:
        def turn() -> object:
            for _ in range(20):
                self.loop.turn(self, 0.01)
                self.coordinator.turn()
                if condition():
                    return True
            return False

        wait_until(turn, LIMIT_S, what)

    def close(self) -> None:
        self.link.close()
        self.coordinator.socket.close(0)
        self.loop.close()
        self.context.term()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_the_status_is_sent_again_and_again(bench: Bench) -> None:
    bench.link.start()
    bench.turn_until(lambda: len(bench.coordinator.heard) >= 3, "three statuses")
    assert bench.coordinator.heard[0].name == "pc7"
    assert bench.link._discovery.state is DiscoveryState.LINKED


def test_leaving_is_the_last_thing_said(bench: Bench) -> None:
    bench.link.start()
    bench.turn_until(lambda: bench.coordinator.heard, "a status")
    bench.link.close()
    bench.turn_until(lambda: bench.coordinator.heard[-1].leaving, "the leave")


def test_a_silent_coordinator_is_looked_for_elsewhere(bench: Bench) -> None:
    bench.link = bench.make("lab", registry_lease_s=0.3)
    bench.link.start()
    bench.turn_until(lambda: bench.coordinator.heard, "a status")

    def is_asking() -> bool:
        bench.loop.turn(bench, 0.01)  # nobody answers now
        return bench.link._discovery.state is DiscoveryState.ASKING

    wait_until(is_asking, LIMIT_S, "the agent to ask around")


def test_a_coordinator_of_another_version_is_not_used(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.coordinator.protocol = Protocol(major=9, minor=0)
    with caplog.at_level("WARNING", logger="hxgrid"):
        bench.link.start()
        bench.turn_until(lambda: "9.0" in caplog.text, "the complaint")
    assert bench.link._discovery.state is not DiscoveryState.LINKED


@pytest.mark.replaces
def test_without_keys_no_other_computer_is_talked_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[str] = []
    monkeypatch.setattr(bench.factory, "dealer", lambda host, *_, **__: connected.append(host))
    bench.link.close()
    bench.link = bench.make("lab", host="192.0.2.7")
    bench.link.start()
    bench.link.tick(MonotonicClock().now())
    assert connected == []


def test_a_name_that_nobody_knows_is_told_once_and_with_the_place_where_it_was_set(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise OSError(-2, "nobody knows it")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr(names, "PAUSE_S", 0.01)
    bench.link.close()
    bench.factory = SocketFactory(bench.context, Security(trust_network=True))
    # Silence would be noticed as well, after twice as long as this.
    bench.link = bench.make("lab", host="studio-pc.invalid", suspect_after_s=0.6)
    bench.link._settings = bench.link._settings.with_places({"coordinator": "hxgrid.toml:3"})
    with caplog.at_level("WARNING", logger="hxgrid.agent"):
        bench.link.start()
        bench.turn_until(lambda: len(asked) > 150, "many look-ups")
    told = [one.message for one in caplog.records if one.name == "hxgrid.agent"]
    assert len(told) == 1
    assert "'studio-pc.invalid' cannot be resolved (hxgrid.toml:3): nobody knows it" in told[0]


def told_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the first words of what the owner of the computer was told."""
    return [one.message.split(",")[0].split(" grid=")[0] for one in caplog.records]


def test_a_coordinator_that_does_not_answer_is_told_once_and_so_is_its_coming(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(coordinator_link, "ABSENCE_S", 0.1)
    bench.link = bench.make("lab", registry_lease_s=0.3)

    def is_asking() -> bool:
        bench.loop.turn(bench, 0.01)  # nobody answers
        return len(told_of(caplog)) % 2 == 1

    absent, found = "no coordinator answers", "coordinator found"
    with caplog.at_level("INFO", logger="hxgrid.agent"):
        bench.link.start()
        wait_until(is_asking, LIMIT_S, "the absence to be told")
        bench.turn_until(lambda: len(told_of(caplog)) == 2, "the coordinator to be told")
        wait_until(is_asking, LIMIT_S, "its loss to be told")
        bench.turn_until(lambda: len(told_of(caplog)) == 4, "its coming back to be told")
    assert told_of(caplog) == [absent, found, absent, found]
    assert f"127.0.0.1:{bench.coordinator.port}: no answer" in caplog.records[0].message


def test_a_coordinator_that_answers_soon_is_not_missed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="hxgrid.agent"):
        bench.link.start()
        bench.turn_until(lambda: len(bench.coordinator.heard) >= 3, "three statuses")
    assert told_of(caplog) == ["coordinator found"]
