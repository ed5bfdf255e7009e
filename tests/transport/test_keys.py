"""Who gets in where keys are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hxgrid.errors import ConfigError
from hxgrid.transport.security import Security, make_keypair
from hxgrid.transport.sockets import (
    Socket,
    peer_key,
    send_message,
)
from tests.harness.wait import wait_until
from tests.transport.bench import LIMIT_S, Bench


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


def test_a_client_that_expects_another_server_is_not_fooled(curve: Bench) -> None:
    with curve.watched_client(server_key=make_keypair().public) as (dealer, is_over):
        never_arrives(curve, dealer, is_over)


def test_k6_a_client_without_keys_does_not_get_in(curve: Bench) -> None:
    stranger = Security(trust_network=True)
    with curve.watched_client(stranger, server_key="") as (dealer, is_over):
        never_arrives(curve, dealer, is_over)


def test_without_its_handler_the_door_stays_shut(curve: Bench) -> None:
    curve.zap.close()
    with curve.watched_client() as (dealer, is_over):
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
