"""The beginning of a connection without keys, for tests that speak by hand."""

from __future__ import annotations

import zmq

from hxgrid.transport.proof import Asker
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import Socket, receive_message, send_message
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import ChallengeAnswer, Proof

LIMIT_S = 30.0


def begin(socket: Socket, security: Security, role: str, host: str, port: int) -> Asker:
    """Say the challenge on a socket that is connected; the answer is the caller's."""
    asker = security.asker(role, host, port)
    assert send_message(socket, pack_document(asker.challenge))
    return asker


def prove_by_hand(socket: Socket, security: Security, role: str, host: str, port: int) -> Proof:
    """Say the challenge, wait for the right answer, and return what the first message shows.

    Only for a server that another thread turns.
    """
    asker = begin(socket, security, role, host, port)
    assert socket.poll(int(LIMIT_S * 1000), zmq.POLLIN)
    message = receive_message(socket, is_router=False)
    assert message is not None
    answer = read_document(message.header)
    assert isinstance(answer, ChallengeAnswer)
    return asker.check(answer)
