"""Keys, the allow-list, the loopback token."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from hxgrid.errors import ConfigError, StoreError
from hxgrid.settings import ProgramSettings
from hxgrid.transport.security import AllowList, Security, make_keypair, token_for
from hxgrid.wire.messages import Challenge, ChallengeAnswer, Refusal


def test_key_pairs_differ_and_hide_their_secret_half() -> None:
    one, two = make_keypair(), make_keypair()
    assert one != two
    assert len(one.public) == len(one.secret) == 40
    assert one.secret not in repr(one)
    assert one.public in repr(one)


def test_the_allow_list_knows_roles() -> None:
    allowed = AllowList(["u"])
    allowed.allow("a", "admin")
    assert (allowed.role_of("u"), allowed.role_of("a"), allowed.role_of("x")) == (
        "user",
        "admin",
        None,
    )
    allowed.replace({"b": "agent"})
    assert "u" not in allowed
    assert allowed.role_of("b") == "agent"
    assert len(allowed) == 1


def test_the_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    token = token_for(folder)
    assert len(token) == 64
    assert token_for(folder) == token
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token_for(tmp_path)
    (tmp_path / "loopback-token").chmod(0o644)
    with pytest.raises(ConfigError, match="loopback-token"):
        token_for(tmp_path)


def test_a_folder_for_the_token_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot read or make the loopback token") as caught:
        token_for(tmp_path / "file" / "folder")
    assert "[Errno" not in str(caught.value)
    assert caught.value.advice


def test_a_token_behind_a_link_is_refused(tmp_path: Path) -> None:
    token_for(tmp_path / "elsewhere")
    (tmp_path / "loopback-token").symlink_to(tmp_path / "elsewhere" / "loopback-token")
    with pytest.raises(ConfigError):
        token_for(tmp_path)


def test_without_keys_and_trust_both_ends_prove_that_they_know_the_token(tmp_path: Path) -> None:
    ours, theirs = (
        Security.from_settings(ProgramSettings(), token_folder=tmp_path) for _ in range(2)
    )
    assert ours.needs_proof
    assert ours.is_loopback_only
    door = theirs.doorkeeper("agent", "it", "127.0.0.1", 4102)
    asker = ours.asker("agent", "127.0.0.1", 4102)
    answer = door.answer(asker.challenge)
    assert isinstance(answer, ChallengeAnswer)
    assert door.refusal(asker.check(answer)) is None
    assert door.refusal(None) is not None


def test_every_connection_has_a_nonce_of_its_own() -> None:
    security = Security(token="t")
    nonces = {security.asker("agent", "127.0.0.1", 1).challenge.nonce for _ in range(100)}
    assert len(nonces) == 100


def test_a_missing_token_of_our_own_proves_nothing() -> None:
    with pytest.raises(ConfigError, match="no loopback token"):
        Security().asker("agent", "127.0.0.1", 4102)
    with pytest.raises(ConfigError, match="no loopback token"):
        Security().doorkeeper("agent", "it", "127.0.0.1", 4102)


def test_on_a_trusted_network_and_with_keys_nothing_is_proved(tmp_path: Path) -> None:
    keys = make_keypair()
    for settings in (
        ProgramSettings(trust_network=True),
        ProgramSettings(public_key=keys.public, secret_key=SecretStr(keys.secret)),
    ):
        security = Security.from_settings(settings, token_folder=tmp_path)
        assert security.token == ""
        assert not security.needs_proof
        assert not security.is_loopback_only
        door = security.doorkeeper("agent", "it", "", 4102)
        assert door.refusal(None) is None
        asked = door.answer(Challenge(nonce="0" * 64))
        assert isinstance(asked, Refusal)
        assert "--trust-network" in asked.text
    assert not list(tmp_path.iterdir())


def test_half_a_key_pair_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        Security.from_settings(ProgramSettings(public_key=make_keypair().public))
