"""Messages and transfers, by plain TCP and by CURVE."""

from __future__ import annotations

import os

from hxgrid.clock import MonotonicClock
from hxgrid.transport.flow import Inbox, Outbox
from hxgrid.transport.sockets import (
    Received,
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
from hxgrid.wire.messages import Batch
from tests.harness.wait import wait_until
from tests.transport.bench import LIMIT_S, Bench, receive


def test_a_message_arrives_and_its_sender_can_be_answered(bench: Bench) -> None:
    dealer = bench.client()
    bench.send(dealer, b"\x07header", b"payload")
    (message,) = bench.wait_for(1)
    assert (message.header, bytes(message.payload)) == (b"\x07header", b"payload")
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
    bench.send(dealer, b"\x01", b"only chunks have two")
    bench.send(dealer, b"\x07", *[b"frame"] * 2)
    bench.send(dealer, b"\x07", b"payload")
    *nonsense, last = bench.wait_for(4)
    assert [(each.header, each.payload) for each in nonsense] == [(b"", b"")] * 3
    assert (last.header, last.payload) == (b"\x07", b"payload")


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
