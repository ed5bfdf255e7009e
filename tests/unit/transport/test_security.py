"""Keys, the allow-list, the loopback token."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxgrid.errors import ConfigError
from hxgrid.transport.security import AllowList, KeyPair, Security, make_keypair, token_for


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


def test_a_token_behind_a_link_is_refused(tmp_path: Path) -> None:
    token_for(tmp_path / "elsewhere")
    (tmp_path / "loopback-token").symlink_to(tmp_path / "elsewhere" / "loopback-token")
    with pytest.raises(ConfigError):
        token_for(tmp_path)


def test_without_keys_and_trust_the_token_must_be_shown(tmp_path: Path) -> None:
    security = Security.from_settings("", "", (), False, token_folder=tmp_path)
    assert security.needs_token
    assert security.is_loopback_only
    assert security.check_token(token_for(tmp_path))
    for wrong in ("", "x" * 64, "ü"):
        assert not security.check_token(wrong)


def test_a_missing_token_of_our_own_opens_nothing() -> None:
    assert not Security().check_token("")


def test_on_a_trusted_network_and_with_keys_no_token_is_needed(tmp_path: Path) -> None:
    keys = make_keypair()
    for security in (
        Security.from_settings("", "", (), True, token_folder=tmp_path),
        Security.from_settings(*keys, ("k",), False, token_folder=tmp_path),
    ):
        assert security.token == ""
        assert security.check_token("")
        assert not security.is_loopback_only
    assert not list(tmp_path.iterdir())


def test_half_a_key_pair_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        Security.from_settings(KeyPair("p" * 40, "").public, "", (), False)
