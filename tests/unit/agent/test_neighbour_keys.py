"""Keys that a user has announced: let in to fetch blobs, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from hxgrid.transport.security import NEIGHBOUR, AllowList, KeyPair, Security, make_keypair
from hxgrid.transport.sockets import Socket, SocketFactory, receive_message, send_message
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import BlobAnswer, Document, Hello, NeighbourRequest, Refusal
from tests.unit.agent.live import LiveAgent

SESSION, DIGEST = "5" * 32, "d" * 64


@pytest.fixture
def keys() -> KeyPair:
    return make_keypair()


@pytest.fixture
def line(tmp_path: Path, keys: KeyPair) -> Iterator[Socket]:
    """A connection to an agent with the key of a neighbour."""
    own = make_keypair()
    allowed = AllowList()
    allowed.let_neighbour_in(keys.public)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with LiveAgent(tmp_path, security=Security(keys=own, allowed=allowed)) as live:
        factory = SocketFactory(context, Security(keys=keys))
        socket = factory.dealer("127.0.0.1", live.driver.port, own.public)
        yield socket
        socket.close(0)
    context.term()


def ask(line: Socket, document: Document) -> Document | None:
    """Send a message when there is a connection, and return the answer."""
    assert line.poll(10_000, zmq.POLLOUT)
    assert send_message(line, pack_document(document))
    assert line.poll(10_000)
    message = receive_message(line, is_router=False)
    assert message is not None
    return read_document(message.header)


def test_a_neighbours_key_opens_no_session(line: Socket) -> None:
    answer = ask(line, Hello(session=SESSION, ticket="0" * 32))
    assert isinstance(answer, Refusal)
    assert answer.code == "role"


def test_it_may_ask_for_blobs(line: Socket) -> None:
    request = NeighbourRequest(request=4, session=SESSION, digest=DIGEST, proof="0" * 64)
    answer = ask(line, request)
    assert isinstance(answer, BlobAnswer)
    assert (answer.request, answer.found) == (4, False)


def test_a_key_that_is_known_otherwise_keeps_its_role() -> None:
    allowed = AllowList(["u"])
    allowed.let_neighbour_in("u")
    allowed.let_neighbour_in("n")
    assert (allowed.role_of("u"), allowed.role_of("n")) == ("user", NEIGHBOUR)
    allowed.forbid_neighbour("u")
    allowed.forbid_neighbour("n")
    assert (allowed.role_of("u"), allowed.role_of("n")) == ("user", None)
