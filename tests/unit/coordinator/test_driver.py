"""A coordinator on loopback: messages, strangers, discovery."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import psutil
import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.errors import AddressInUse
from hxgrid.settings import CoordinatorSettings
from hxgrid.transport.beacon import Answer, BeaconClient
from hxgrid.transport.security import AllowList, Security, make_keypair
from hxgrid.transport.sockets import Context, SocketFactory, receive_message, send_message
from hxgrid.wire.batches import pack_ping
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import (
    Batch,
    ChallengeAnswer,
    Document,
    Proof,
    Refusal,
    Roster,
    RosterRequest,
    StatusReceived,
)
from hxgrid.wire.versions import PROTOCOL_MAJOR, PROTOCOL_MINOR
from hxgrid_coordinator.driver import CoordinatorDriver
from tests.harness import strangers
from tests.harness.peers import send_oversized_frame, send_tcp_garbage, send_udp_garbage
from tests.harness.ports import free_port
from tests.harness.wait import wait_until
from tests.unit.wire.examples import BOOT, STATUS

LIMIT_S = 20
TOKEN = "5" * 64
WRONG = Proof(nonce="6" * 64, proof="7" * 64)


def make_driver(security: Security | None = None, **changes: object) -> CoordinatorDriver:
    values = {"port": 0, "beacon_port": free_port(socket.SOCK_DGRAM), "name": "studio"} | changes
    settings = CoordinatorSettings.model_validate(values)
    return CoordinatorDriver(settings, security or Security(token=TOKEN), MonotonicClock())


class Room:
    """A coordinator that the test turns by hand, and a program that talks to it."""

    def __init__(
        self, driver: CoordinatorDriver, security: Security | None = None, key: str = ""
    ) -> None:
        self.driver = driver
        driver.open()
        self.context: Context = zmq.Context()
        factory = SocketFactory(self.context, security or Security())
        self.dealer = factory.dealer("127.0.0.1", driver.port, key)
        self.answers: list[bytes] = []
        self._proof: Proof | None = None

    def turn(self) -> bool:
        self.driver.loop.turn(self.driver, longest_s=0.02)
        while (message := receive_message(self.dealer, is_router=False)) is not None:
            self.answers.append(message.header)
        return True

    def send(self, *frames: bytes) -> None:
        wait_until(
            lambda: self.turn() and send_message(self.dealer, frames), LIMIT_S, "a connection"
        )

    def ask(self, document: Document) -> Document | None:
        self.answers.clear()
        self.send(*pack_document(document))
        wait_until(lambda: self.turn() and self.answers, LIMIT_S, "an answer")
        return read_document(self.answers[0])

    def proof(self) -> Proof:
        if self._proof is None:
            asker = self.driver._security.asker("coordinator", "127.0.0.1", self.driver.port)
            answer = self.ask(asker.challenge)
            assert isinstance(answer, ChallengeAnswer)
            self._proof = asker.check(answer)
        return self._proof

    def ask_proved(self, document: Document) -> Document | None:
        return self.ask(document.model_copy(update={"proof": self.proof()}))

    def close(self) -> None:
        self.dealer.close(0)
        self.context.term()
        self.driver.close()
        self.driver.close()


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room(make_driver())
    yield made
    made.close()


def test_an_agent_reports_and_a_user_sees_it(room: Room) -> None:
    received = room.ask_proved(STATUS)
    assert received == StatusReceived(boot_id=room.driver.boot_id, grid="studio")
    roster = room.ask_proved(RosterRequest())
    assert isinstance(roster, Roster)
    assert [entry.agent for entry in roster.agents] == [BOOT]
    assert "127.0.0.1" in {address.host for address in roster.agents[0].addresses}


def test_a_ping_is_answered(room: Room) -> None:
    room.send(*pack_ping(1.0))
    wait_until(lambda: room.turn() and room.answers, LIMIT_S, "a pong")
    assert room.answers[0][0] == Batch.PONG


@pytest.mark.parametrize("document", [STATUS, RosterRequest(), RosterRequest(proof=WRONG)])
def test_a_wrong_or_missing_proof_is_refused_with_what_to_do(
    room: Room, document: Document
) -> None:
    refusal = room.ask(document)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "token"
    assert "--trust-network" in refusal.text
    assert len(room.driver.registry) == 0


@pytest.mark.parametrize(
    "frame",
    [
        strangers.agent_status(),
        strangers.frame(50, protocol={"major": 99, "minor": 0}),
        strangers.frame(48, protocol={"major": 99, "minor": 0}, all_else="unknown"),
    ],
    ids=["agent", "user", "agent with other fields"],
)
def test_another_version_is_refused_with_both_versions(room: Room, frame: bytes) -> None:
    room.send(frame)
    wait_until(lambda: room.turn() and room.answers, LIMIT_S, "a refusal")
    refusal = read_document(room.answers[0])
    assert isinstance(refusal, Refusal)
    assert refusal.code == "protocol"
    assert "99.0" in refusal.text
    assert f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}" in refusal.text


@pytest.mark.parametrize(
    "frames",
    [
        (b"",),
        (b"\x00",),
        (b"\xff{}",),
        (b"\x09",),
        (b"\x30{",),
        (b"\x20{}",),
        (pack_document(StatusReceived(boot_id=BOOT))[0],),
        (b"\x07" * 32, b"chunk"),
        (b"\x30", b"2", b"3", b"4", b"5"),
    ],
    ids=range(9),
)
def test_nonsense_is_counted_and_dropped(room: Room, frames: tuple[bytes, ...]) -> None:
    room.send(*frames)
    wait_until(lambda: room.turn() and room.driver.dropped_count == 1, LIMIT_S, "a dropped message")
    assert isinstance(room.ask_proved(RosterRequest()), Roster)
    assert room.driver.loop.error_count == 0


def test_noise_on_both_ports_leaves_it_working_and_small(room: Room) -> None:
    address = ("127.0.0.1", room.driver.port)
    room.ask_proved(RosterRequest())
    before = psutil.Process().memory_info().rss
    for seed in range(10):
        send_tcp_garbage(address, seed=seed, limit_s=0.2)
    assert send_oversized_frame(address)
    send_udp_garbage(("127.255.255.255", room.driver._settings.beacon_port), count=1000)
    assert isinstance(room.ask_proved(RosterRequest()), Roster)
    assert room.driver.loop.error_count == 0
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_b49_many_polls_leave_its_memory_flat(room: Room) -> None:
    room.ask_proved(STATUS)
    frames = pack_document(RosterRequest(proof=room.proof()))

    def poll(count: int) -> None:
        aim = room.driver.received_count + count
        while room.driver.received_count < aim:
            for _ in range(50):
                send_message(room.dealer, frames)
            room.turn()
            room.answers.clear()

    poll(3000)
    before = psutil.Process().memory_info().rss
    poll(10_000)
    assert psutil.Process().memory_info().rss - before < 8 << 20


def test_the_beacon_tells_name_port_and_boot_id(room: Room) -> None:
    heard: list[tuple[Answer, str]] = []

    def hear(answer: Answer, host: str) -> None:
        heard.append((answer, host))

    port = room.driver._settings.beacon_port
    client = BeaconClient(room.driver.loop, "user", port, hear)
    client.ask(is_loopback_only=True)
    wait_until(lambda: room.turn() and heard, LIMIT_S, "an answer")
    client.close()
    answer, host = heard[0]
    assert (answer.grid, answer.port, answer.boot_id) == (
        "studio",
        room.driver.port,
        room.driver.boot_id,
    )
    assert host == "127.0.0.1"


def test_a_coordinator_without_a_name_has_that_of_its_computer() -> None:
    driver = make_driver(name=None)
    assert driver.grid == socket.gethostname()
    driver.close()


def test_b28_a_port_is_honoured_without_an_address() -> None:
    port = free_port()
    driver = make_driver(port=port)
    driver.open()
    assert driver.port == port
    driver.close()


def test_a_taken_port_is_an_error_and_leaves_nothing_open(room: Room) -> None:
    driver = make_driver(port=room.driver.port)
    with pytest.raises(AddressInUse, match=str(room.driver.port)):
        driver.open()
    driver.close()


def test_without_keys_and_trust_only_loopback_listens(room: Room) -> None:
    connections = psutil.Process().net_connections(kind="tcp")
    mine = [c.laddr for c in connections if c.laddr[1:] == (room.driver.port,)]
    assert {host for host, _ in mine} == {"127.0.0.1"}


def test_a_namesake_is_reported_once_and_does_not_matter(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hxgrid")
    other = make_driver(beacon_port=room.driver._settings.beacon_port)
    other.open()

    def is_reported() -> bool:
        room.turn()
        other.loop.turn(other, longest_s=0.01)
        return "same name" in caplog.text

    wait_until(is_reported, LIMIT_S, "a report")
    assert f"127.0.0.1:{room.driver.port}" in caplog.text or str(other.port) in caplog.text
    other.close()
    assert isinstance(room.ask_proved(RosterRequest()), Roster)


def test_with_keys_the_allow_list_decides_and_no_proof_is_needed() -> None:
    ours, theirs = make_keypair(), make_keypair()
    driver = make_driver(Security(keys=ours, allowed=AllowList([theirs.public])))
    room = Room(driver, Security(keys=theirs), ours.public)
    assert isinstance(room.ask(RosterRequest()), Roster)
    refusal = room.ask(STATUS)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "role"
    honest = STATUS.model_copy(update={"public_key": theirs.public})
    assert isinstance(room.ask(honest), StatusReceived)
    room.close()


def test_what_is_written_has_no_token_and_no_proof(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hxgrid")
    room.ask_proved(STATUS)
    room.ask(RosterRequest(proof=WRONG))
    assert "joined" in caplog.text
    for secret in (TOKEN, WRONG.proof, room.proof().proof):
        assert secret not in caplog.text
