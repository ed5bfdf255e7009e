"""Blobs between agents: asked from neighbours, passed on to neighbours."""

from __future__ import annotations

import base64

from hxgrid.blobs.fetch import NEIGHBOUR_STALL_S
from hxgrid.blobs.proof import prove
from hxgrid.streams.digests import CHUNK_BYTES, hash_bytes
from hxgrid.wire.messages import (
    BlobAnswer,
    BlobDone,
    BlobHeld,
    ExpectNeighbour,
    Neighbour,
    NeighbourDone,
    NeighbourRequest,
    NetworkAddress,
    WhoAreYou,
)
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.uploads import SIGN_S, SILENT_S
from tests.unit.agent.core.rig import Rig, User, file

CONTENT = bytes(3 * CHUNK_BYTES)
BLOB = hash_bytes(CONTENT)
SIZE = BLOB.size_bytes
LISTED = base64.b64encode(b"".join(BLOB.chunks)).decode()
NEAR = Neighbour(agent="1" * 32, addresses=(NetworkAddress(host="192.0.2.1", port=4102),))
FAR = Neighbour(agent="2" * 32, addresses=(NetworkAddress(host="192.0.2.2", port=4102),))
STRANGER = b"neighbour"
BOOT = "b" * 32


class Fetching:
    """A session that needs a blob of three chunks, which its user was asked for."""

    def __init__(self) -> None:
        self.rig = Rig(neighbours_served=2)
        self.user: User = self.rig.user()
        entry = file(digest=BLOB.digest, size=SIZE)
        self.user.offer(kind="module", entry="run", files=(entry,))
        self.user.send(1)
        self.rig.handle(ev.BlobFound(BLOB.digest, None))

    @property
    def to_user(self) -> list[act.RequestBlob]:
        return self.rig.all(act.RequestBlob)

    @property
    def to_neighbours(self) -> list[act.AskNeighbour]:
        return self.rig.all(act.AskNeighbour)

    def refer(self, *neighbours: Neighbour) -> None:
        self.user.say(
            BlobAnswer(
                request=self.to_user[-1].request,
                found=True,
                bytes=SIZE,
                elsewhere=neighbours,
                chunks=LISTED,
            )
        )

    def send(self, agent: str, offset: int, count: int) -> None:
        """Let a neighbour send a piece."""
        order = self.to_neighbours[-1]
        piece = CONTENT[offset : offset + count]
        self.rig.handle(ev.NeighbourChunkReceived(agent, order.request, offset, piece))

    def ask(
        self, request: int = 5, *, peer: bytes = STRANGER, ticket: str = "a" * 32, offset: int = 0
    ) -> BlobAnswer:
        """Ask the agent for the blob, as a neighbour would."""
        message = NeighbourRequest(
            request=request,
            session=self.user.id,
            digest=BLOB.digest,
            offset=offset,
            proof=prove(ticket, BOOT, BLOB.digest, offset),
        )
        self.rig.clear()
        self.rig.handle(ev.DocumentReceived(peer, message))
        return self.rig.said(BlobAnswer)[-1]

    def grow(self, checked_bytes: int) -> None:
        self.rig.handle(ev.BlobGrown(BLOB.digest, "/partial/1", checked_bytes))

    def have(self) -> None:
        """Get the whole blob from the user."""
        request = self.to_user[-1].request
        self.user.say(BlobAnswer(request=request, found=True, bytes=SIZE, chunks=LISTED))
        self.rig.handle(ev.BlobChunkReceived(self.user.peer, request, 0, CONTENT))
        self.rig.handle(ev.BlobStored(BLOB.digest, "/store/x"))


def test_a_neighbour_that_the_user_names_is_asked_and_its_chunks_can_be_checked() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    (order,) = fetching.to_neighbours
    assert (order.neighbour, order.digest, order.offset) == (NEAR, BLOB.digest, 0)
    fetching.send(NEAR.agent, 0, SIZE)
    assert fetching.rig.all(act.WriteBlob)[-1].chunks == BLOB.chunks
    fetching.rig.handle(ev.BlobStored(BLOB.digest, "/store/x"))
    assert fetching.user.running == [1]
    assert fetching.rig.said(BlobHeld) == [BlobHeld(digest=BLOB.digest)]


def test_a_list_of_chunks_that_is_not_the_blobs_is_not_believed() -> None:
    fetching = Fetching()
    request = fetching.to_user[-1].request
    wrong = base64.b64encode(bytes(3 * 32)).decode()
    for chunks in (wrong, LISTED[:44], "no base64"):
        fetching.user.say(BlobAnswer(request=request, found=True, bytes=SIZE, chunks=chunks))
    fetching.rig.handle(ev.BlobChunkReceived(fetching.user.peer, request, 0, CONTENT[:10]))
    assert fetching.rig.all(act.WriteBlob)[-1].chunks == ()


def test_a_neighbour_that_does_not_serve_is_named_to_the_user_who_serves_the_rest() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    fetching.send(NEAR.agent, 0, 100)
    order = fetching.to_neighbours[-1]
    answer = BlobAnswer(request=order.request, found=False, text="no")
    fetching.rig.handle(ev.NeighbourAnswered(NEAR.agent, answer))
    request = fetching.to_user[-1]
    assert (request.offset, request.failed) == (100, (NEAR.agent,))
    assert fetching.rig.all(act.LeaveNeighbour) == [act.LeaveNeighbour(NEAR.agent, order.request)]


def test_a_user_is_told_when_nobody_wants_what_it_sends() -> None:
    fetching = Fetching()
    request = fetching.to_user[-1].request
    fetching.user.say(BlobAnswer(request=request, found=True, bytes=SIZE, chunks=LISTED))
    fetching.rig.handle(ev.BlobChunkReceived(fetching.user.peer, request, 0, CONTENT[:100]))
    fetching.user.offer(kind="module", entry="run", files=(file(digest="e" * 64),))
    assert fetching.rig.said(BlobDone) == [BlobDone(request=request)]
    assert fetching.rig.all(act.DropFetch)
    dropped = fetching.rig.core.table.dropped
    fetching.rig.handle(ev.BlobChunkReceived(fetching.user.peer, request, 100, CONTENT[100:]))
    assert fetching.rig.core.table.dropped == dropped + 1
    assert len(fetching.rig.said(BlobDone)) == 1


def test_a_user_that_has_sent_all_or_leaves_is_told_nothing() -> None:
    fetching = Fetching()
    fetching.have()
    fetching.user.offer(kind="module", entry="run", files=(file(digest="e" * 64),))
    other = Fetching()
    other.user.goodbye()
    assert fetching.rig.said(BlobDone) == other.rig.said(BlobDone) == []


def test_a_user_is_told_when_the_disk_takes_no_more() -> None:
    fetching = Fetching()
    request = fetching.to_user[-1].request
    fetching.user.say(BlobAnswer(request=request, found=True, bytes=SIZE, chunks=LISTED))
    fetching.rig.handle(ev.BlobChunkReceived(fetching.user.peer, request, 0, CONTENT[:100]))
    fetching.rig.handle(ev.BlobBroken(BLOB.digest, "the disk is full", is_damaged=False))
    assert fetching.rig.said(BlobDone) == [BlobDone(request=request)]


def test_a_silent_neighbour_is_left_after_a_second() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    fetching.rig.wait(NEIGHBOUR_STALL_S - 0.1)
    assert len(fetching.to_user) == 1
    fetching.rig.wait(0.1)
    assert fetching.to_user[-1].failed == (NEAR.agent,)


def test_a_neighbour_that_cannot_be_reached_is_left_at_once() -> None:
    fetching = Fetching()
    fetching.refer(NEAR, FAR)
    fetching.rig.handle(ev.NeighbourLost(NEAR.agent, "connection refused"))
    assert fetching.to_neighbours[-1].neighbour == FAR
    fetching.rig.handle(ev.NeighbourLost(FAR.agent, "connection refused"))
    assert fetching.to_user[-1].failed == (NEAR.agent, FAR.agent)


def test_a_chunk_that_a_liar_has_sent_is_asked_from_somebody_else() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    fetching.send(NEAR.agent, 0, 2 * CHUNK_BYTES)
    broken = ev.BlobBroken(BLOB.digest, "wrong", is_damaged=True, good_bytes=CHUNK_BYTES)
    fetching.rig.handle(broken)
    fetching.rig.tick()
    request = fetching.to_user[-1]
    assert (request.offset, request.failed) == (CHUNK_BYTES, (NEAR.agent,))
    fetching.refer(NEAR)
    fetching.rig.tick()
    assert len(fetching.to_neighbours) == 1


def test_pieces_of_a_neighbour_that_was_left_are_dropped() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    fetching.rig.wait(NEIGHBOUR_STALL_S)
    fetching.send(NEAR.agent, 0, 100)
    assert not fetching.rig.all(act.WriteBlob)


def test_an_agent_is_not_sent_to_itself() -> None:
    fetching = Fetching()
    fetching.refer(Neighbour(agent=BOOT, addresses=NEAR.addresses))
    assert not fetching.to_neighbours
    fetching.rig.wait(10.0)
    assert len(fetching.to_user) > 1


def test_the_end_of_a_session_leaves_the_neighbour_that_was_asked_for_it() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    order = fetching.to_neighbours[-1]
    fetching.user.goodbye()
    assert act.LeaveNeighbour(NEAR.agent, order.request) in fetching.rig.orders


def test_whoever_proves_the_ticket_is_served_what_the_session_uses() -> None:
    fetching = Fetching()
    fetching.have()
    assert fetching.ask(offset=7).found
    (order,) = fetching.rig.all(act.OpenUpload)
    assert order == act.OpenUpload(STRANGER, 5, "/store/x", SIZE, 7, SIZE)


def test_nobody_else_is_served_and_nothing_else() -> None:
    """B32: neither without the ticket nor a blob that this session does not use."""
    fetching = Fetching()
    fetching.have()
    assert not fetching.ask(ticket="0" * 32).found
    assert not fetching.ask(offset=SIZE + 1).found
    other = fetching.rig.user("c")
    message = NeighbourRequest(
        request=1,
        session=other.id,
        digest=BLOB.digest,
        proof=prove("c" * 32, BOOT, BLOB.digest, 0),
    )
    fetching.rig.clear()
    fetching.rig.handle(ev.DocumentReceived(STRANGER, message))
    assert not fetching.rig.said(BlobAnswer)[-1].found
    assert not fetching.rig.all(act.OpenUpload)


def test_a_blob_on_its_way_is_passed_on_as_far_as_it_was_checked() -> None:
    fetching = Fetching()
    fetching.refer(NEAR)
    assert fetching.ask().found
    assert not fetching.rig.all(act.OpenUpload)
    fetching.grow(CHUNK_BYTES)
    (order,) = fetching.rig.all(act.OpenUpload)
    assert order.available_bytes == CHUNK_BYTES
    fetching.grow(2 * CHUNK_BYTES)
    assert fetching.rig.all(act.ExtendUpload)[-1].available_bytes == 2 * CHUNK_BYTES


def test_a_neighbour_that_must_wait_hears_that_we_are_there() -> None:
    fetching = Fetching()
    fetching.ask()
    fetching.rig.clear()
    fetching.rig.wait(4 * SIGN_S)
    signs = fetching.rig.said(BlobAnswer)
    assert len(signs) >= 3
    assert all(sign.found and sign.request == 5 for sign in signs)


def test_h19_no_more_neighbours_are_served_than_the_settings_say() -> None:
    fetching = Fetching()
    fetching.have()
    assert fetching.ask(1, peer=b"one").found
    assert fetching.ask(2, peer=b"two").found
    assert not fetching.ask(3, peer=b"three").found
    fetching.rig.handle(ev.UploadEnded(b"one", 1))
    assert fetching.ask(3, peer=b"three").found


def test_a_neighbour_has_few_blobs_at_once() -> None:
    fetching = Fetching()
    fetching.have()
    found = [fetching.ask(request).found for request in range(10)]
    assert found == [True] * 4 + [False] * 6


def test_the_owner_comes_first() -> None:
    fetching = Fetching()
    fetching.have()
    assert fetching.ask().found
    fetching.rig.clear()
    fetching.rig.handle(ev.OwnerWishes(fetching.rig.now + 100.0, is_draining=False))
    fetching.rig.tick()
    assert fetching.rig.all(act.CloseUpload) == [act.CloseUpload(STRANGER, 5)]
    assert not fetching.rig.said(BlobAnswer)[-1].found
    assert not fetching.ask().found


def test_a_neighbour_that_takes_nothing_in_gets_nothing_more() -> None:
    fetching = Fetching()
    fetching.have()
    fetching.ask()
    fetching.rig.wait(SILENT_S - 1.0)
    fetching.rig.handle(ev.PeersHeard([STRANGER, fetching.user.peer]))
    assert not fetching.rig.said(WhoAreYou)  # it is no user, and need not say Hello
    fetching.rig.wait(2.0)
    assert not fetching.rig.all(act.CloseUpload)
    fetching.rig.wait(SILENT_S - 2.0)
    assert fetching.rig.all(act.CloseUpload)


def test_a_neighbour_that_wants_no_more_gets_no_more() -> None:
    fetching = Fetching()
    fetching.have()
    fetching.ask()
    fetching.rig.handle(ev.DocumentReceived(STRANGER, NeighbourDone(request=5)))
    assert fetching.rig.all(act.CloseUpload) == [act.CloseUpload(STRANGER, 5)]


def test_what_its_session_does_not_use_any_more_is_withdrawn() -> None:
    fetching = Fetching()
    fetching.have()
    fetching.ask()
    fetching.user.goodbye()
    fetching.rig.wait(2.0)
    assert fetching.rig.all(act.CloseUpload) == [act.CloseUpload(STRANGER, 5)]


def test_a_neighbours_key_is_let_in_until_the_last_session_that_announced_it_ends() -> None:
    rig = Rig(neighbours_served=2)
    first, second = rig.user("a"), rig.user("c")
    for user in (first, second):
        user.say(ExpectNeighbour(agent=NEAR.agent, public_key="k" * 40))
    assert rig.all(act.LetNeighbourIn) == [act.LetNeighbourIn("k" * 40)]
    first.goodbye()
    assert not rig.all(act.ForbidNeighbour)
    second.goodbye()
    assert rig.all(act.ForbidNeighbour) == [act.ForbidNeighbour("k" * 40)]


def test_an_agent_that_serves_nobody_says_so_and_lets_nobody_in() -> None:
    rig = Rig(neighbours_served=0)
    user = User(rig, "a")
    welcome = user.hello()
    assert welcome is not None
    assert welcome.neighbours_served == 0
    user.say(ExpectNeighbour(agent=NEAR.agent, public_key="k" * 40))
    assert not rig.all(act.LetNeighbourIn)
