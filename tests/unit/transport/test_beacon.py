"""Discovery datagrams: layout, garbage, floods."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxgrid.clock import MonotonicClock
from hxgrid.errors import AddressInUse, RemoteProtocolError
from hxgrid.transport.beacon import (
    ANSWER_BURST,
    QUESTION_BYTES,
    ROLES,
    Answer,
    BeaconClient,
    BeaconServer,
    Question,
    TokenBuckets,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from hxgrid.transport.loop import Loop
from tests.harness.peers import send_udp_garbage
from tests.harness.wait import wait_until

BOOT = "0123456789abcdef0123456789abcdef"
NONCES = st.binary(min_size=16, max_size=16)
BYTES = st.integers(0, 255)


class Idle:
    def tick(self, now: float) -> None: ...

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None: ...


@given(NONCES, st.sampled_from(ROLES), BYTES, BYTES)
def test_a_question_comes_out_as_it_went_in(
    nonce: bytes, role: str, major: int, minor: int
) -> None:
    question = Question(nonce, role, major, minor)
    datagram = encode_question(question)
    assert decode_question(datagram) == question
    assert len(datagram) == QUESTION_BYTES


@given(NONCES, st.integers(1, 65535), st.text(max_size=60), st.ip_addresses().map(str))
def test_an_answer_comes_out_as_it_went_in(nonce: bytes, port: int, grid: str, host: str) -> None:
    answer = Answer(nonce, BOOT, port, grid, host)
    assert decode_answer(encode_answer(answer)) == answer


@given(st.text(min_size=60, max_size=5000), st.text(max_size=5000))
def test_an_answer_is_never_larger_than_a_question(grid: str, host: str) -> None:
    datagram = encode_answer(Answer(bytes(16), BOOT, 4100, grid, "h" * len(host)))
    assert len(datagram) < QUESTION_BYTES
    assert grid.startswith(decode_answer(datagram).grid)


@given(st.binary(max_size=600))
def test_noise_is_refused(noise: bytes) -> None:
    for decode in (decode_question, decode_answer):
        with pytest.raises(RemoteProtocolError):
            decode(noise)
        with pytest.raises(RemoteProtocolError):
            decode(b"hxGb" + noise[:20])


@given(st.integers(0, QUESTION_BYTES - 1))
def test_a_question_that_is_too_short_gets_no_answer(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_question(encode_question(Question(bytes(16), "user"))[:size])


@given(st.data())
def test_a_damaged_answer_is_refused_or_read(data: st.DataObject) -> None:
    datagram = bytearray(encode_answer(Answer(bytes(16), BOOT, 4100, "grid", "192.0.2.1")))
    datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(BYTES)
    try:
        decode_answer(bytes(datagram))
    except RemoteProtocolError:
        return


def test_each_source_has_its_own_bucket_that_fills_again() -> None:
    buckets = TokenBuckets(per_s=2.0, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b", 0.0)
    assert buckets.take("a", 0.5)
    assert not buckets.take("a", 0.5)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [True, True, True, False]


def test_the_buckets_are_bounded() -> None:
    buckets = TokenBuckets(max_sources=100)
    for number in range(10_000):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 100


class Lan:
    """A beacon on loopback and somebody who asks it."""

    def __init__(self) -> None:
        self.loop = Loop(MonotonicClock(), "test")
        self.heard: list[tuple[Answer, str]] = []
        self.server = BeaconServer(self.loop, MonotonicClock(), self.answer)
        self.port = self.server.open(0, is_loopback_only=True)
        self.client = BeaconClient(self.loop, "user", self.port, self.hear)

    def answer(self, question: Question) -> Answer:
        return Answer(question.nonce, BOOT, 4100, "studio")

    def hear(self, answer: Answer, host: str) -> None:
        self.heard.append((answer, host))

    def turn(self) -> bool:
        self.loop.turn(Idle(), longest_s=0.02)
        return True

    def close(self) -> None:
        self.client.close()
        self.server.close()
        self.server.close()
        self.loop.close()


@pytest.fixture
def lan() -> Iterator[Lan]:
    made = Lan()
    yield made
    made.close()


def test_a_question_on_this_computer_is_answered_to_the_asker(lan: Lan) -> None:
    assert lan.client.ask(is_loopback_only=True) == 1
    wait_until(lambda: lan.turn() and lan.heard, 10, "an answer")
    answer, host = lan.heard[0]
    assert (answer.boot_id, answer.port, answer.grid, host) == (BOOT, 4100, "studio", "127.0.0.1")


def test_a_host_in_the_answer_counts_more_than_where_it_came_from(lan: Lan) -> None:
    lan.server._answer = lambda question: Answer(question.nonce, BOOT, 4100, "g", "192.0.2.9")
    lan.client.ask(is_loopback_only=True)
    wait_until(lambda: lan.turn() and lan.heard, 10, "an answer")
    assert lan.heard[0][1] == "192.0.2.9"


def test_two_beacons_of_one_computer_both_hear_a_question(lan: Lan) -> None:
    other = BeaconServer(
        lan.loop, MonotonicClock(), lambda question: Answer(question.nonce, "f" * 32, 4101, "two")
    )
    other.open(lan.port, is_loopback_only=True)
    lan.client.ask(is_loopback_only=True)
    wait_until(lambda: lan.turn() and len(lan.heard) == 2, 10, "two answers")
    assert {answer.grid for answer, _ in lan.heard} == {"studio", "two"}
    other.close()


def test_b33_answers_to_an_older_question_are_dropped(lan: Lan) -> None:
    lan.client.ask(is_loopback_only=True)
    lan.client.ask(is_loopback_only=True)
    wait_until(lambda: lan.turn() and lan.heard and lan.client.dropped_count, 10, "both answers")
    assert len(lan.heard) == 1


def test_garbage_is_counted_and_dropped_and_questions_are_still_answered(lan: Lan) -> None:
    send_udp_garbage(("127.255.255.255", lan.port), count=200)
    wait_until(lambda: lan.turn() and lan.server.dropped_count >= 50, 10, "garbage")
    lan.client.ask(is_loopback_only=True)
    wait_until(lambda: lan.turn() and lan.heard, 10, "an answer")
    assert lan.loop.error_count == 0


def test_a_flood_of_questions_is_answered_a_few_times(lan: Lan) -> None:
    question = encode_question(Question(bytes(16), "user"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        flood.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        flood.bind(("127.0.0.1", 0))
        for _ in range(100):
            flood.sendto(question, ("127.255.255.255", lan.port))
    wait_until(lambda: lan.turn() and lan.server.dropped_count > 20, 10, "dropped questions")
    assert lan.server.answered_count <= ANSWER_BURST + 40


def test_a_taken_port_is_an_error_that_names_it(lan: Lan) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.255.255.255", 0))
        port = holder.getsockname()[1]
        other = BeaconServer(lan.loop, MonotonicClock(), lan.answer)
        with pytest.raises(AddressInUse, match=str(port)):
            other.open(port, is_loopback_only=True)


def test_h8_opening_and_closing_five_hundred_times_leaks_no_handle() -> None:
    process = psutil.Process()

    def handles() -> int:
        if sys.platform == "win32":
            return process.num_handles()
        return process.num_fds()

    Lan().close()
    before = handles()
    for _ in range(500):
        lan = Lan()
        lan.client.ask(is_loopback_only=True)
        lan.turn()
        lan.close()
    assert handles() <= before
