"""What every transport must do; plain TCP and CURVE run the same tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import psutil
import pytest
import zmq

from hxgrid.clock import MonotonicClock
from hxgrid.errors import AddressInUse, ConfigError
from hxgrid.transport.connections import ConnectionCap
from hxgrid.transport.flow import Inbox, Outbox
from hxgrid.transport.loop import Loop
from hxgrid.transport.security import AllowList, Security, ZapHandler, make_keypair
from hxgrid.transport.sockets import (
    MESSAGES_PER_TURN,
    Context,
    Received,
    Socket,
    SocketFactory,
    SocketLimits,
    peer_address,
    peer_key,
    receive_message,
    send_message,
)
from hxgrid.wire.batches import (
    pack_chunk,
    pack_credit,
    pack_ping,
    pack_pong,
    unpack_chunk,
    unpack_credit,
    unpack_ping,
)
from hxgrid.wire.limits import MAX_FRAME_BYTES
from hxgrid.wire.messages import Batch
from tests.harness.peers import open_silent_connections, send_oversized_frame, send_tcp_garbage
from tests.harness.ports import taken_port
from tests.harness.wait import wait_until

LIMIT_S = 20
QUICK = SocketLimits(heartbeat_s=0.2, heartbeat_timeout_s=0.6, handshake_s=0.5)


class Bench:
    """A server with its loop, and clients that the test makes; turned by hand."""

    def __init__(self, is_curve: bool) -> None:
        self.is_curve = is_curve
        self.server_keys = make_keypair()
        self.client_keys = make_keypair()
        self.loop = Loop(MonotonicClock(), "server")
        self.context: Context = zmq.Context()
        self.received: list[Received] = []
        self.on_message: Callable[[Received], None] = self.received.append
        self.on_flush: Callable[[], None] = lambda: None
        self._clients: list[tuple[Context, Socket]] = []
        security = Security(trust_network=True)
        if is_curve:
            allowed = AllowList([self.client_keys.public])
            security = Security(keys=self.server_keys, allowed=allowed)
        self.zap = ZapHandler(self.context, self.loop, security)
        self.zap.open()
        self.factory = SocketFactory(self.context, security, QUICK)
        self.router, self.port = self.factory.router("127.0.0.1", None)
        self.loop.register(self.router, self._on_readable)

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def mechanism(self) -> str:
        return "CURVE" if self.is_curve else "NULL"

    def client(self, security: Security | None = None, server_key: str | None = None) -> Socket:
        """A dealer of a program of its own, with the right keys unless told otherwise."""
        if security is None:
            security = Security(
                keys=self.client_keys if self.is_curve else None, trust_network=not self.is_curve
            )
        if server_key is None:
            server_key = self.server_keys.public if self.is_curve else ""
        context: Context = zmq.Context()
        dealer = SocketFactory(context, security, QUICK).dealer("127.0.0.1", self.port, server_key)
        self._clients.append((context, dealer))
        return dealer

    def turn(self) -> bool:
        self.loop.turn(self, longest_s=0.02)
        return True

    def send(self, dealer: Socket, *frames: bytes) -> None:
        """Send as soon as there is a connection."""
        wait_until(lambda: self.turn() and send_message(dealer, frames), LIMIT_S, "a connection")

    def wait_for(self, count: int) -> list[Received]:
        wait_until(
            lambda: self.turn() and len(self.received) >= count, LIMIT_S, f"{count} messages"
        )
        return self.received

    def tick(self, now: float) -> None: ...

    def next_deadline(self) -> float | None:
        return None

    def flush(self) -> None:
        self.on_flush()

    def _on_readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            message = receive_message(self.router, is_router=True)
            if message is None:
                return
            self.on_message(message)

    def shut(self) -> None:
        """Close the server's door."""
        self.loop.unregister(self.router)
        self.router.close(0)

    def reopen(self) -> None:
        """Open it again at the same port, which libzmq gives back in its own time."""
        self.router, _ = wait_until(
            lambda: self.factory.router("127.0.0.1", self.port),
            LIMIT_S,
            "the port to be free",
            retry_on=(AddressInUse,),
        )
        self.loop.register(self.router, self._on_readable)

    def close(self) -> None:
        for context, dealer in self._clients:
            dealer.close(0)
            context.term()
        self.shut()
        self.zap.close()
        self.loop.close()
        self.context.term()


@pytest.fixture(params=[False, True], ids=["tcp", "curve"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.close()


@pytest.fixture
def curve() -> Iterator[Bench]:
    made = Bench(is_curve=True)
    yield made
    made.close()


def receive(bench: Bench, dealer: Socket) -> Received:
    found: list[Received] = []

    def is_there() -> bool:
        bench.turn()
        message = receive_message(dealer, is_router=False)
        if message is not None:
            found.append(message)
        return bool(found)

    wait_until(is_there, LIMIT_S, "an answer")
    return found[0]


# ---------------------------------------------------------------- messages


def test_a_message_arrives_and_its_sender_can_be_answered(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"\x09header", b"payload")
    (message,) = bench.wait_for(1)
    assert (message.header, bytes(message.payload)) == (b"\x09header", b"payload")
    assert send_message(bench.router, [b"\x0aanswer"], to=message.sender)
    answer = receive(bench, dealer)
    assert (answer.sender, answer.header, answer.payload) == (b"", b"\x0aanswer", b"")


def test_the_server_knows_where_a_message_came_from_and_whose_it_is(bench: Bench) -> None:
    bench.send(bench.client(), b"x")
    (message,) = bench.wait_for(1)
    assert peer_address(message) == "127.0.0.1"
    assert peer_key(message) == (bench.client_keys.public if bench.is_curve else "")


def test_nothing_is_queued_for_a_peer_that_is_not_there(bench: Bench) -> None:
    dealer = bench.client()
    bench.shut()
    assert not send_message(dealer, [b"x"])
    bench.reopen()
    bench.send(dealer, b"y")
    assert bench.wait_for(1)[0].header == b"y"


def test_sending_to_a_peer_that_has_gone_is_told(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"x")
    (message,) = bench.wait_for(1)
    dealer.close(0)
    wait_until(
        lambda: bench.turn() and not send_message(bench.router, [b"y"], to=message.sender),
        LIMIT_S,
        "the router to notice",
    )


def test_writable_tells_that_there_is_a_connection(bench: Bench) -> None:
    dealer, told = bench.client(), list[bool]()

    def on_writable() -> None:
        told.append(send_message(dealer, [b"x"]))
        bench.loop.modify(dealer, None)

    bench.loop.register(dealer, None, on_writable=on_writable)
    bench.wait_for(1)
    bench.loop.unregister(dealer)
    assert told == [True]


def test_a_message_with_too_many_frames_is_dropped_and_the_next_is_read(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"\x01", *[b"frame"] * 20)
    bench.send(dealer, b"\x02", b"payload")
    first, second = bench.wait_for(2)
    assert (first.header, first.payload) == (b"", b"")
    assert (second.header, second.payload) == (b"\x02", b"payload")


class Transfer:
    """One transfer from a client to the server, with PINGs among its chunks."""

    def __init__(self, bench: Bench, data: bytes) -> None:
        self.outbox, self.inbox = Outbox(), Inbox()
        self.target = bytearray(len(data))
        self.ponged_after: list[int] = []
        """Bytes that had arrived when each PING was answered."""
        self.is_finished = False
        self._bench = bench
        self._clock = MonotonicClock()
        self._sender = b""
        self._dealer = bench.client()
        bench.on_message, bench.on_flush = self._serve, self._give_credit
        bench.send(self._dealer, *pack_ping(0.0))
        self.inbox.expect(0, 1, 1, len(data), self.target)
        self.outbox.add_transfer(0, 1, 1, 1, data)

    def drive(self) -> bool:
        for _ in range(200):  # wait_until makes pauses; the transfer shall not
            self._send()
            self._bench.loop.turn(self._bench, longest_s=0.002)
            self._receive()
        return self.is_finished

    def _send(self) -> None:
        for chunk in self.outbox.next_chunks(self._clock.now()):
            assert send_message(self._dealer, pack_chunk(chunk))
        assert send_message(self._dealer, pack_ping(self._clock.now()))

    def _receive(self) -> None:
        while (message := receive_message(self._dealer, is_router=False)) is not None:
            if message.header[0] == Batch.CREDIT:
                self.outbox.credit(unpack_credit(message.header), self._clock.now())

    def _serve(self, message: Received) -> None:
        self._sender = message.sender
        if message.header[0] == Batch.PING:
            self.ponged_after.append(self.inbox.taken_bytes)
            answer = pack_pong(unpack_ping(message.header), self._clock.now())
            assert send_message(self._bench.router, answer, to=message.sender)
        elif self.inbox.take(unpack_chunk(message.header, message.payload)) is not None:
            self.is_finished = True

    def _give_credit(self) -> None:
        credit = self.inbox.credit_due()
        if credit is not None:
            assert send_message(self._bench.router, pack_credit(credit), to=self._sender)


def test_h19_bulk_arrives_whole_while_control_messages_pass_it(bench: Bench) -> None:
    data = os.urandom(1 << 20) * 32
    transfer = Transfer(bench, data)
    wait_until(transfer.drive, 60, "the whole transfer")
    assert transfer.target == data
    assert len({taken for taken in transfer.ponged_after if 0 < taken < len(data)}) > 3
    assert transfer.outbox.window.window_bytes > 1 << 20


# ---------------------------------------------------------------- strangers


def test_b31_a_frame_that_claims_too_much_ends_its_connection_unread(bench: Bench) -> None:
    before = psutil.Process().memory_info().rss
    assert send_oversized_frame(bench.address, mechanism=bench.mechanism)
    assert psutil.Process().memory_info().rss - before < 64 << 20
    bench.send(bench.client(), b"x")
    assert bench.wait_for(1)[0].header == b"x"


def test_b31_a_peer_that_sends_a_frame_over_the_limit_is_hung_up_on(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"x")
    bench.wait_for(1)
    bench.send(dealer, bytes(MAX_FRAME_BYTES + 1))
    bench.send(bench.client(), b"y")
    assert [message.header for message in bench.wait_for(2)] == [b"x", b"y"]


def test_garbage_does_no_harm(bench: Bench) -> None:
    # Without keys some of it passes for the frames of an ancient version, and arrives as nonsense.
    for seed in range(5):
        send_tcp_garbage(bench.address, seed=seed, limit_s=0.5)
    bench.send(bench.client(), b"\x09hello")
    wait_until(
        lambda: bench.turn() and any(m.header == b"\x09hello" for m in bench.received),
        LIMIT_S,
        "the message",
    )
    assert bench.loop.error_count == 0


def test_connections_that_say_nothing_are_hung_up_on(bench: Bench) -> None:
    silent = open_silent_connections(bench.address, 20)
    for connection in silent:
        connection.settimeout(LIMIT_S)
        while connection.recv(100):  # the greeting, then the end
            pass
        connection.close()
    bench.send(bench.client(), b"x")
    bench.wait_for(1)


def test_connections_beyond_the_cap_are_turned_away_until_there_is_room(bench: Bench) -> None:
    cap = ConnectionCap(bench.loop, bench.router, max_connections=3)
    cap.open()
    bench.zap.cap = cap
    first = [bench.client() for _ in range(3)]
    for dealer in first:
        bench.send(dealer, b"x")
    fourth = bench.client()
    wait_until(lambda: bench.turn() and bench.zap.turned_away_count, LIMIT_S, "a turning away")
    assert not send_message(fourth, [b"y"])
    first[0].close(0)
    bench.send(fourth, b"y")
    assert bench.wait_for(4)[-1].header == b"y"
    cap.close()
    cap.close()


def test_connections_are_counted_while_they_last(bench: Bench) -> None:
    cap = ConnectionCap(bench.loop, bench.router, max_connections=100)
    cap.open()
    silent = open_silent_connections(bench.address, 10)
    bench.send(bench.client(), b"x")
    wait_until(lambda: bench.turn() and cap.count == 1, LIMIT_S, "the end of the silent ones")
    for connection in silent:
        connection.close()
    cap.close()


# ---------------------------------------------------------------- keys


def never_arrives(bench: Bench, dealer: Socket, is_over: Callable[[], bool]) -> None:
    wait_until(lambda: bench.turn() and is_over(), LIMIT_S, "a refusal")
    assert not send_message(dealer, [b"x"])
    bench.send(bench.client(), b"y")
    assert [message.header for message in bench.wait_for(1)] == [b"y"]


def test_k6_a_client_with_a_wrong_key_is_refused(curve: Bench) -> None:
    dealer = curve.client(Security(keys=make_keypair()))
    never_arrives(curve, dealer, lambda: curve.zap.refused_count == 1)
    assert curve.zap.accepted_count == 1


def test_a_key_that_is_allowed_later_is_let_in(curve: Bench) -> None:
    keys = make_keypair()
    curve.zap._security.allowed.allow(keys.public)
    curve.send(curve.client(Security(keys=keys)), b"x")
    assert peer_key(curve.wait_for(1)[0]) == keys.public


@contextlib.contextmanager
def watched(dealer: Socket) -> Iterator[Callable[[], bool]]:
    """Tells whether the dealer's connection was turned down."""
    failures = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED
    with dealer.get_monitor_socket(failures) as monitor:
        yield lambda: bool(monitor.poll(0))
        dealer.disable_monitor()


def test_a_client_that_expects_another_server_is_not_fooled(curve: Bench) -> None:
    dealer = curve.client(server_key=make_keypair().public)
    with watched(dealer) as is_over:
        never_arrives(curve, dealer, is_over)


def test_k6_a_client_without_keys_does_not_get_in(curve: Bench) -> None:
    dealer = curve.client(Security(trust_network=True), server_key="")
    with watched(dealer) as is_over:
        never_arrives(curve, dealer, is_over)


def test_without_its_handler_the_door_stays_shut(curve: Bench) -> None:
    curve.zap.close()
    dealer = curve.client()
    with watched(dealer) as is_over:
        wait_until(lambda: curve.turn() and is_over(), LIMIT_S, "a refusal")
    assert not send_message(dealer, [b"x"])
    assert curve.received == []


def test_a_server_key_may_be_known_by_address(curve: Bench) -> None:
    known = {("127.0.0.1", curve.port): curve.server_keys.public}
    dealer = curve.client(Security(keys=curve.client_keys, server_keys=known), server_key="")
    curve.send(dealer, b"x")
    curve.wait_for(1)


def test_with_keys_an_address_without_a_key_is_an_error(curve: Bench) -> None:
    with pytest.raises(ConfigError, match="no public key"):
        curve.factory.dealer("127.0.0.1", curve.port)


# ---------------------------------------------------------------- life and death

PEER = """
    import sys, zmq
    from hxgrid.transport.security import KeyPair, Security
    from hxgrid.transport.sockets import SocketFactory, SocketLimits, send_message
    port, server_key, public, secret = sys.argv[1:]
    security = Security(
        keys=KeyPair(public, secret) if public else None, trust_network=not public
    )
    limits = SocketLimits(heartbeat_s=0.2, heartbeat_timeout_s=0.6)
    factory = SocketFactory(zmq.Context(), security, limits)
    dealer = factory.dealer("127.0.0.1", int(port), server_key)
    dealer.poll(20_000, zmq.POLLOUT)
    send_message(dealer, [b"hello"])
    dealer.poll(60_000)
"""


def test_b30_heartbeats_find_a_stopped_peer(bench: Bench) -> None:
    keys = ("", "", "")
    if bench.is_curve:
        keys = (bench.server_keys.public, *bench.client_keys)
    script = [sys.executable, "-c", textwrap.dedent(PEER), str(bench.port), *keys]
    with subprocess.Popen(script) as peer:
        try:
            (message,) = bench.wait_for(1)
            assert send_message(bench.router, [b"still there"], to=message.sender)
            peer.send_signal(signal.SIGSTOP)
            wait_until(
                lambda: bench.turn() and not send_message(bench.router, [b"?"], to=message.sender),
                LIMIT_S,
                "the end of the connection",
            )
        finally:
            peer.kill()


def test_a_client_comes_back_by_itself_after_the_server_was_away(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"x")
    bench.wait_for(1)
    bench.shut()
    bench.reopen()

    def again() -> bool:
        send_message(dealer, [b"y"])
        return bench.turn() and bench.received[-1].header == b"y"

    wait_until(again, LIMIT_S, "the client to come back")
    assert bench.received[-1].sender != bench.received[0].sender


# ---------------------------------------------------------------- binding


def endpoint_of(socket: Socket) -> str:
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return endpoint.decode()


def test_a_taken_port_is_an_error_that_names_it(bench: Bench) -> None:
    with taken_port() as port, pytest.raises(AddressInUse, match=str(port)):
        bench.factory.router("127.0.0.1", port)


def test_a_taken_port_may_be_replaced_by_any_other(bench: Bench) -> None:
    with taken_port() as taken:
        socket, port = bench.factory.router("127.0.0.1", taken, or_any_port=True)
        assert port not in {0, taken}
        socket.close(0)


def test_every_interface_may_be_bound_with_keys_or_trust(bench: Bench) -> None:
    socket, _ = bench.factory.router("", None)
    assert endpoint_of(socket).startswith(("tcp://[::]:", "tcp://0.0.0.0:"))
    socket.close(0)


@pytest.mark.parametrize("host", ["192.0.2.1", "*", "0.0.0.0", "::"])
def test_without_keys_and_trust_only_loopback_is_bound(host: str) -> None:
    with zmq.Context() as context:
        factory = SocketFactory(context, Security(token="t"))
        with pytest.raises(ConfigError, match="--trust-network"):
            factory.router(host, None)
        socket, _ = factory.router("", None)
        assert endpoint_of(socket).startswith("tcp://127.0.0.1:")
        socket.close(0)


def test_every_option_is_set_before_the_socket_opens(bench: Bench) -> None:
    dealer = bench.client()
    for socket in (bench.router, dealer):
        assert socket.getsockopt(zmq.MAXMSGSIZE) == MAX_FRAME_BYTES
        assert socket.getsockopt(zmq.LINGER) == 250
        assert socket.getsockopt(zmq.IMMEDIATE) == 1
        assert socket.getsockopt(zmq.HANDSHAKE_IVL) == 500
        assert socket.getsockopt(zmq.HEARTBEAT_IVL) == 200
        assert socket.getsockopt(zmq.HEARTBEAT_TIMEOUT) == 600
        assert socket.getsockopt(zmq.HEARTBEAT_TTL) == 600
        assert socket.getsockopt(zmq.RECONNECT_IVL) == 100
        assert socket.getsockopt(zmq.RECONNECT_IVL_MAX) == 2000
        assert socket.getsockopt(zmq.SNDHWM) == QUICK.send_hwm
        assert socket.getsockopt(zmq.RCVHWM) == QUICK.receive_hwm
    assert dealer.getsockopt(zmq.IPV6) == 1
    if bench.is_curve:
        assert bench.router.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1
        assert bench.router.getsockopt(zmq.ZAP_DOMAIN) == b"hxgrid"
