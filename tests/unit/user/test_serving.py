"""What the user's driver makes of requests for blobs: messages, transfers, turns."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest

from hxgrid.blobs.spread import MAX_DIRECT, REMIND_S
from hxgrid.streams.digests import hash_bytes
from hxgrid.testing.clock import VirtualClock
from hxgrid.user.blobs import BlobShelf
from hxgrid.user.serving import STUCK_S, BlobServer
from hxgrid.wire.messages import (
    BlobAnswer,
    BlobDone,
    BlobHeld,
    BlobRequest,
    Document,
    ExpectNeighbour,
    Neighbour,
    NetworkAddress,
)

TICKET = "a" * 32
LARGE, SMALL = bytes(3_000_000), b"small"
BLOB = hash_bytes(LARGE)


class Entry:
    """What is known of an agent's place."""

    def __init__(self, agent: str, key: str) -> None:
        self.agent = agent
        self.addresses = (NetworkAddress(host="192.0.2.9", port=4102),)
        self.public_key = key


class Link:
    """A connection that keeps what would be sent."""

    def __init__(self, agent: str, key: str = "") -> None:
        self.agent = agent
        self.entry = Entry(agent, key)
        self.is_open = True
        self.taken_bytes = 0
        self.said: list[Document] = []
        self.transfers: list[tuple[int, int]] = []
        self.stopped: list[int] = []

    def send(self, document: Document) -> bool:
        self.said.append(document)
        return True

    def add_blob(self, request: int, content: Any, offset: int) -> None:
        self.transfers.append((request, offset))

    def stop_blob(self, request: int) -> None:
        self.stopped.append(request)


class Rig:
    """A server with a large and a small blob, and agents that serve each other."""

    def __init__(self, agents: int, key: str = "") -> None:
        self.clock = VirtualClock()
        self.shelf = BlobShelf(TICKET)
        self.shelf.add(BLOB.digest, LARGE)
        self.shelf.add(hash_bytes(SMALL).digest, SMALL)
        self.links = {f"{number:032x}": Link(f"{number:032x}", key) for number in range(agents)}
        self.server = BlobServer(self.shelf, cast(Any, self.links), self.clock)
        for agent in self.links:
            self.server.joined(agent, 4)

    def link(self, number: int) -> Link:
        return self.links[f"{number:032x}"]

    def ask(self, number: int, request: int = 1, *, blob: bytes = LARGE, **more: Any) -> None:
        digest = hash_bytes(blob).digest
        message = BlobRequest(request=request, digest=digest, ticket=TICKET, **more)
        self.server.asked(cast(Any, self.link(number)), message)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.server.tick(self.clock.now())


def test_the_first_is_served_and_told_the_digests_of_all_chunks() -> None:
    rig = Rig(1)
    rig.ask(0, offset=5)
    (answer,) = rig.link(0).said
    assert isinstance(answer, BlobAnswer)
    assert (answer.found, answer.bytes, answer.elsewhere) == (True, len(LARGE), ())
    assert base64.b64decode(answer.chunks) == b"".join(BLOB.chunks)
    assert rig.link(0).transfers == [(1, 5)]


def test_what_an_agent_has_given_up_is_sent_no_more_and_somebody_else_is_served() -> None:
    rig = Rig(MAX_DIRECT + 2)
    for number in range(MAX_DIRECT + 2):
        rig.ask(number, 7, blob=SMALL)
    waiting, last = rig.link(MAX_DIRECT), rig.link(MAX_DIRECT + 1)
    assert waiting.transfers == last.transfers == []

    def give_up(link: Link, request: int = 7) -> None:
        rig.server.done(cast(Any, link), BlobDone(request=request))

    give_up(rig.link(0), 8)
    assert rig.link(0).stopped == [], "another one"
    give_up(waiting)  # its turn has not come
    assert waiting.stopped == []
    give_up(rig.link(0))
    give_up(rig.link(0))
    assert rig.link(0).stopped == [7]
    assert (waiting.transfers, last.transfers) == ([], [(7, 0)])


def test_the_next_is_told_where_its_neighbour_is() -> None:
    rig = Rig(2)
    rig.ask(0)
    rig.ask(1)
    (answer,) = rig.link(1).said
    assert isinstance(answer, BlobAnswer)
    entry = rig.link(0).entry
    assert answer.elsewhere == (Neighbour(agent=entry.agent, addresses=entry.addresses),)
    assert answer.chunks
    assert rig.link(1).transfers == []


def test_with_keys_the_neighbour_is_told_whom_to_let_in() -> None:
    rig = Rig(2, key="k" * 40)
    rig.ask(0)
    rig.ask(1)
    assert ExpectNeighbour(agent=rig.link(1).agent, public_key="k" * 40) in rig.link(0).said


def test_whoever_has_a_blob_is_named() -> None:
    rig = Rig(3)
    rig.server.held(cast(Any, rig.link(2)), BlobHeld(digest=BLOB.digest))
    rig.ask(0)
    (answer,) = rig.link(0).said
    assert isinstance(answer, BlobAnswer)
    assert [each.agent for each in answer.elsewhere] == [rig.link(2).agent]


def test_nothing_is_served_without_the_ticket() -> None:
    rig = Rig(1)
    message = BlobRequest(request=1, digest=BLOB.digest, ticket="0" * 32)
    rig.server.asked(cast(Any, rig.link(0)), message)
    (answer,) = rig.link(0).said
    assert isinstance(answer, BlobAnswer)
    assert not answer.found
    assert rig.link(0).transfers == []


def test_asking_again_ends_the_transfer_before() -> None:
    rig = Rig(1)
    rig.ask(0, 1)
    rig.ask(0, 2, offset=100)
    assert rig.link(0).stopped == [1]
    assert rig.link(0).transfers == [(1, 0), (2, 100)]


@pytest.fixture
def full() -> Rig:
    """So many agents are being served that the last one waits."""
    rig = Rig(MAX_DIRECT + 1)
    for number in range(MAX_DIRECT + 1):
        rig.ask(number, blob=SMALL)
    assert rig.link(MAX_DIRECT).transfers == []
    return rig


def test_h19_whoever_waits_is_served_when_another_has_got_it(full: Rig) -> None:
    full.server.sent(cast(Any, full.link(3)), 1)
    assert full.link(MAX_DIRECT).transfers == [(1, 0)]


def test_h19_whoever_waits_hears_that_it_is_not_forgotten(full: Rig) -> None:
    full.link(MAX_DIRECT).said.clear()
    for _ in range(10):
        for number in range(MAX_DIRECT):
            full.link(number).taken_bytes += 1
        full.pass_time(REMIND_S / 2)
    assert len(full.link(MAX_DIRECT).said) >= 4
    assert full.link(MAX_DIRECT).transfers == []


def test_h19_stopped_agents_do_not_keep_others_waiting(full: Rig) -> None:
    for _ in range(4):
        full.pass_time(STUCK_S / 2)
    assert full.link(MAX_DIRECT).transfers == [(1, 0)]


def test_a_lost_agent_gives_its_turn_to_the_next(full: Rig) -> None:
    agent = full.link(0).agent
    del full.links[agent]
    full.server.gone(agent)
    assert full.link(MAX_DIRECT).transfers == [(1, 0)]


def test_what_was_forgotten_while_it_waited_is_not_served(full: Rig) -> None:
    digest = hash_bytes(b"held").digest
    full.shelf.hold(digest, b"held")
    late = full.link(MAX_DIRECT)
    message = BlobRequest(request=9, digest=digest, ticket=TICKET)
    full.server.asked(cast(Any, late), message)
    full.shelf.release(digest)
    full.server.sent(cast(Any, full.link(0)), 1)
    full.server.sent(cast(Any, full.link(1)), 1)
    assert [each.found for each in late.said if isinstance(each, BlobAnswer)][-1] is False
