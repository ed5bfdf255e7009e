"""Connections without keys: what an impostor or a relay gets to see, and what becomes of them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.errors import AuthenticationError, HxGridError, TransportError, VersionMismatch
from hxgrid.transport.dialling import PROOF_LIMIT_S, Dial, Proved
from hxgrid.transport.line import Line
from hxgrid.transport.loop import Loop
from hxgrid.transport.proof import Doorkeeper
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import Context, SocketFactory, receive_message, send_message
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import (
    Challenge,
    ChallengeAnswer,
    Document,
    Protocol,
    Refusal,
    RosterRequest,
)
from tests.harness.ports import free_port
from tests.harness.wait import wait_until

LIMIT_S = 30.0
TOKEN = "5" * 64
SECRET = b"something that only our own programs may see"


class Listener:
    """Whatever listens at an address; keeps everything that it was told."""

    def __init__(
        self,
        context: Context,
        answer: Callable[[Challenge], Document | None],
        port: int | None = None,
    ) -> None:
        factory = SocketFactory(context, Security(token=TOKEN))
        self.heard: list[bytes] = []
        self.socket, self.port = factory.router("127.0.0.1", port)
        self.answer = answer

    def turn(self) -> None:
        while (received := receive_message(self.socket, is_router=True)) is not None:
            self.heard.append(bytes(received.header))
            if received.header[:1] == b"\x3c":
                document = read_document(received.header)
                assert isinstance(document, Challenge)
                answer = self.answer(document)
                if answer is not None:
                    send_message(self.socket, pack_document(answer), to=received.sender)

    def expect_only_questions(self) -> None:
        """Fail if it has learned anything but that somebody asks."""
        assert self.heard
        for frame in self.heard:
            document = read_document(frame)
            assert isinstance(document, Challenge)
            assert set(document.model_dump()) == {"number", "protocol", "nonce"}
            assert TOKEN.encode() not in frame


class Relay:
    """Sits at an address of its own and passes on whatever is said, in both directions."""

    def __init__(self, context: Context, host: str, port: int | None, target_port: int) -> None:
        trusting = SocketFactory(context, Security(trust_network=True))
        self.front, self.port = trusting.router(host, port)
        self.back = trusting.dealer("127.0.0.1", target_port)
        self.heard: list[bytes] = []
        self._client = b""

    def turn(self) -> None:
        while (received := receive_message(self.front, is_router=True)) is not None:
            self._client = received.sender
            self.heard.append(bytes(received.header))
            assert self.back.poll(int(LIMIT_S * 1000), zmq.POLLOUT)
            send_message(self.back, [received.header])
        while (received := receive_message(self.back, is_router=False)) is not None:
            send_message(self.front, [received.header], to=self._client)


class Bench:
    """One loop, turned by hand together with everything that listens."""

    def __init__(self) -> None:
        self.context: Context = zmq.Context()
        self.clock = MonotonicClock()
        self.loop = Loop(self.clock, "test")
        self.security = Security(token=TOKEN)
        self.factory = SocketFactory(self.context, self.security)
        self.others: list[Listener | Relay] = []
        self.ticking: Dial | Line | None = None
        self.proved: list[Proved] = []
        self.errors: list[HxGridError] = []

    def honest(self, port: int | None = None) -> Listener:
        """A server of the same person."""
        made = self.impostor(lambda _: None, port)
        made.answer = self.door(made).answer
        return made

    def door(self, listener: Listener) -> Doorkeeper:
        return self.security.doorkeeper("agent", "it", "127.0.0.1", listener.port)

    def impostor(
        self, answer: Callable[[Challenge], Document | None], port: int | None = None
    ) -> Listener:
        made = Listener(self.context, answer, port)
        self.others.append(made)
        return made

    def dial(self, host: str, port: int) -> Dial:
        dial = Dial(self.loop, "agent", self.proved.append, self.errors.append)
        dial.start(self.factory, host, port, "", self.clock.now())
        self.ticking = dial
        return dial

    def tick(self, now: float) -> None:
        if isinstance(self.ticking, Line):
            self.ticking.tick(now)

    def next_deadline(self) -> float | None:
        return self.ticking.next_deadline() if isinstance(self.ticking, Line) else None

    def flush(self) -> None:
        pass

    def turn_until(self, condition: Callable[[], object], what: str) -> None:
        def turn() -> object:
            self.loop.turn(self, 0.01)
            for other in self.others:
                other.turn()
            return condition()

        wait_until(turn, LIMIT_S, what, seen=lambda: f"{self.errors} {self.proved}")

    def expect_refusal(self, what: str) -> AuthenticationError:
        self.turn_until(lambda: self.errors, "an error")
        (error,) = self.errors
        assert isinstance(error, AuthenticationError)
        assert what in str(error)
        assert not self.proved
        return error


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    if made.ticking is not None:
        made.ticking.close()
    made.loop.close()
    made.context.destroy(linger=0)
    assert made.loop.error_count == 0


def test_a_program_of_the_same_person_is_connected_to(bench: Bench) -> None:
    server = bench.honest()
    bench.dial("127.0.0.1", server.port)
    bench.turn_until(lambda: bench.proved, "the proof")
    (proved,) = bench.proved
    assert bench.door(server).refusal(proved.proof) is not None  # a door of another start
    assert not proved.connects_again
    proved.socket.close(0)


def test_the_server_believes_what_is_shown(bench: Bench) -> None:
    server = bench.impostor(lambda _: None)
    door = bench.door(server)
    server.answer = door.answer
    bench.dial("localhost", server.port)
    bench.turn_until(lambda: bench.proved, "the proof")
    assert door.refusal(bench.proved[0].proof) is None
    bench.proved[0].socket.close(0)


def test_an_impostor_learns_nothing_but_that_somebody_asked(bench: Bench) -> None:
    nonsense = ChallengeAnswer(nonce="1" * 64, proof="2" * 64)
    impostor = bench.impostor(lambda _: nonsense)
    bench.dial("127.0.0.1", impostor.port)
    bench.expect_refusal("not one that you have started")
    impostor.expect_only_questions()


def test_an_impostor_with_a_token_of_its_own_is_refused(bench: Bench) -> None:
    impostor = bench.impostor(lambda _: None)
    door = Security(token="6" * 64).doorkeeper("agent", "it", "127.0.0.1", impostor.port)
    impostor.answer = door.answer
    bench.dial("127.0.0.1", impostor.port)
    bench.expect_refusal("cannot prove that it knows your loopback token")
    impostor.expect_only_questions()


def test_whoever_does_not_answer_gets_no_second_word(bench: Bench) -> None:
    impostor = bench.impostor(lambda _: None)
    dial = bench.dial("127.0.0.1", impostor.port)
    bench.turn_until(lambda: impostor.heard, "the question")
    dial.tick(bench.clock.now())
    assert not bench.errors
    dial.tick(bench.clock.now() + PROOF_LIMIT_S)
    bench.expect_refusal("does not prove who has started it")
    impostor.expect_only_questions()


@pytest.mark.parametrize("place", ["another port", "another address"])
def test_a_relay_to_the_real_program_is_found_out(bench: Bench, place: str) -> None:
    server = bench.honest()
    if place == "another port":
        relay = Relay(bench.context, "127.0.0.1", None, server.port)
    else:
        # As a beacon answer might name it: the same port, on a loopback address that nobody uses.
        relay = Relay(bench.context, "127.0.0.2", server.port, server.port)
    bench.others.append(relay)
    host = "127.0.0.1" if place == "another port" else "127.0.0.2"
    bench.dial(host, relay.port)
    bench.expect_refusal("at this address and port")
    assert len(server.heard) == 1  # it was really asked, and answered truly
    assert len(relay.heard) == 1


def test_a_network_that_is_trusted_over_there_is_no_proof(bench: Bench) -> None:
    door = Doorkeeper("agent pc7", None)
    other = bench.impostor(door.answer)
    bench.dial("127.0.0.1", other.port)
    bench.expect_refusal("--trust-network")


def test_another_version_is_named(bench: Bench) -> None:
    refusal = Refusal(code="protocol", text="no", protocol=Protocol(major=9, minor=0))
    other = bench.impostor(lambda _: refusal)
    bench.dial("127.0.0.1", other.port)
    bench.turn_until(lambda: bench.errors, "an error")
    assert isinstance(bench.errors[0], VersionMismatch)
    assert "9.0" in str(bench.errors[0])


def test_that_nobody_listens_is_known_at_once(bench: Bench) -> None:
    bench.dial("127.0.0.1", free_port())
    bench.turn_until(lambda: bench.errors, "an error")
    assert isinstance(bench.errors[0], TransportError)
    assert "nothing listens there" in str(bench.errors[0])


def test_without_keys_no_other_computer_is_dialled(bench: Bench) -> None:
    with pytest.raises(AuthenticationError, match=r"192\.0\.2\.7 is not on this computer"):
        bench.dial("192.0.2.7", 4102)


def make_line(bench: Bench, ready: list[str]) -> Line:
    def on_ready() -> None:
        proof = line.proof
        assert proof is not None
        ready.append(proof.proof)
        line.send(pack_document(RosterRequest(proof=proof)))

    line = Line(
        bench.loop,
        bench.clock,
        bench.factory,
        "agent",
        on_ready=on_ready,
        on_readable=lambda: None,
        on_failed=bench.errors.append,
    )
    bench.ticking = line
    return line


def test_whoever_takes_over_the_port_of_a_dead_program_gets_nothing(bench: Bench) -> None:
    server, ready = bench.honest(), list[str]()
    line = make_line(bench, ready)
    line.open("127.0.0.1", server.port)
    bench.turn_until(lambda: len(server.heard) == 2, "the first real message")
    # It dies, and another person's program takes its port at once.
    bench.others.remove(server)
    server.socket.close(0)
    thief = wait_until(
        lambda: bench.impostor(lambda _: None, server.port),
        LIMIT_S,
        "the port",
        retry_on=(TransportError,),
    )
    bench.turn_until(lambda: not line.send([SECRET]), "the end of the connection")
    bench.turn_until(lambda: thief.heard, "the line to dial again")
    assert not line.send([SECRET])
    thief.expect_only_questions()
    # The real one comes back: proved anew, with another proof.
    bench.others.remove(thief)
    thief.socket.close(0)
    again = _bind_again(bench, server.port)
    bench.turn_until(lambda: len(again.heard) >= 2, "the first real message to the new one")
    assert len(set(ready)) == 2


def test_a_line_waits_for_a_program_that_is_not_there_yet(bench: Bench) -> None:
    port, ready = free_port(), list[str]()
    line = make_line(bench, ready)
    line.open("127.0.0.1", port)
    bench.turn_until(lambda: line.next_deadline() and not line.is_proved, "a pause")
    _bind_again(bench, port)
    bench.turn_until(lambda: ready, "the connection")
    assert not bench.errors


def test_a_line_reports_an_impostor_and_tries_on(bench: Bench) -> None:
    nonsense = ChallengeAnswer(nonce="1" * 64, proof="2" * 64)
    impostor = bench.impostor(lambda _: nonsense)
    line = make_line(bench, [])
    line.open("127.0.0.1", impostor.port)
    bench.turn_until(lambda: len(bench.errors) >= 2, "two reports")
    assert all(isinstance(error, AuthenticationError) for error in bench.errors)
    impostor.expect_only_questions()


def _bind_again(bench: Bench, port: int) -> Listener:
    return wait_until(lambda: bench.honest(port), LIMIT_S, "the port", retry_on=(TransportError,))


def test_who_hangs_up_again_and_again_may_want_keys(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        line = make_line(bench, [])
        line.open("127.0.0.1", listener.getsockname()[1])

        def hang_up() -> list[HxGridError]:
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
            return bench.errors

        bench.turn_until(hang_up, "a report")
    assert isinstance(bench.errors[0], AuthenticationError)
    assert "it has keys, and we have none" in str(bench.errors[0])
