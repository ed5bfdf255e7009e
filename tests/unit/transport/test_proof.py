"""Both ends prove that they know the token, each at the address that it knows by itself."""

from __future__ import annotations

import pytest

from hxgrid.errors import AuthenticationError
from hxgrid.transport.proof import Asker, Doorkeeper, Prover, endpoint_of
from hxgrid.wire.messages import Challenge, ChallengeAnswer, Proof, Refusal

TOKEN = "t" * 64
OURS, THEIRS = "a" * 64, "b" * 64
HERE = endpoint_of("127.0.0.1", 4102)


def prover(
    token: str = TOKEN, role: str = "agent", nonce: str = THEIRS, endpoint: str = HERE
) -> Prover:
    return Prover(token, role, nonce, endpoint)


def asker(
    token: str = TOKEN, role: str = "agent", nonce: str = OURS, endpoint: str = HERE
) -> Asker:
    return Asker(token, role, nonce, endpoint)


def test_programs_of_one_person_believe_each_other() -> None:
    server, client = prover(), asker()
    assert server.is_proved(client.check(server.answer(client.challenge)))


def test_the_token_is_in_no_message() -> None:
    server, client = prover(), asker()
    answer = server.answer(client.challenge)
    for message in (client.challenge, answer, client.check(answer)):
        assert TOKEN not in message.model_dump_json()


@pytest.mark.parametrize(
    "other",
    [
        prover(token="x" * 64),
        prover(role="coordinator"),
        prover(endpoint=endpoint_of("127.0.0.1", 4103)),
        prover(endpoint=endpoint_of("127.0.0.2", 4102)),
        prover(endpoint=endpoint_of("::1", 4102)),
    ],
    ids=["another token", "another role", "another port", "another address", "IPv6"],
)
def test_an_answer_from_elsewhere_is_refused(other: Prover) -> None:
    client = asker()
    with pytest.raises(AuthenticationError, match="not one that you have started"):
        client.check(other.answer(client.challenge))


@pytest.mark.parametrize(
    "other",
    [
        asker(token="x" * 64),
        asker(role="coordinator"),
        asker(endpoint=endpoint_of("127.0.0.1", 4103)),
    ],
    ids=["another token", "another role", "another port"],
)
def test_a_client_from_elsewhere_is_refused(other: Asker) -> None:
    # Its own server believes it; ours does not.
    its_server = prover(other._token, other._role, THEIRS, other._endpoint)
    shown = other.check(its_server.answer(other.challenge))
    assert its_server.is_proved(shown)
    assert not prover().is_proved(shown)


def test_an_answer_that_was_heard_before_is_worth_nothing() -> None:
    old = prover().answer(asker().challenge)
    with pytest.raises(AuthenticationError):
        asker(nonce="c" * 64).check(old)


def test_a_proof_is_good_for_one_start_of_a_server() -> None:
    client = asker()
    shown = client.check(prover().answer(client.challenge))
    assert not prover(nonce="d" * 64).is_proved(shown)


def test_an_answer_cannot_be_sent_back_as_a_proof() -> None:
    server, client = prover(), asker()
    answer = server.answer(client.challenge)
    reflected = Proof(nonce=client.challenge.nonce, proof=answer.proof)
    assert not server.is_proved(reflected)


def test_a_proof_cannot_be_sent_back_as_an_answer() -> None:
    # A server without the token that collected a proof elsewhere has nothing to answer with.
    server, client = prover(), asker()
    shown = client.check(server.answer(client.challenge))
    with pytest.raises(AuthenticationError):
        client.check(ChallengeAnswer(nonce=THEIRS, proof=shown.proof))


def test_nothing_shown_is_not_proved() -> None:
    assert not prover().is_proved(None)


def test_a_door_says_why_it_stays_closed() -> None:
    refusal = Doorkeeper("agent pc7", prover()).refusal(None)
    assert refusal is not None
    assert refusal.code == "token"
    assert "agent pc7" in refusal.text
    assert "--trust-network" in refusal.text


def test_a_door_that_asks_for_nothing_says_so_to_whoever_wants_a_proof() -> None:
    door = Doorkeeper("agent pc7", None)
    assert door.refusal(None) is None
    answer = door.answer(Challenge(nonce=OURS))
    assert isinstance(answer, Refusal)
    assert "--trust-network" in answer.text


def test_addresses_are_spelled_in_one_way() -> None:
    assert endpoint_of("::ffff:127.0.0.1", 1) == endpoint_of("127.0.0.1", 1)
    assert endpoint_of("0:0:0:0:0:0:0:1", 1) == endpoint_of("::1", 1)
    assert endpoint_of("127.0.0.1", 11) != endpoint_of("127.0.0.1", 1)


def test_a_name_is_nothing_that_can_be_proved() -> None:
    with pytest.raises(AuthenticationError, match="localhost"):
        endpoint_of("localhost", 4102)
