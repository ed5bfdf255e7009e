"""Every way to get a setting wrong, and what is said about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError
from hxgrid.settings import Places, load_agent_settings, load_user_settings


def complaint(tmp_path: Path, text: str, **environment: str) -> str:
    """Return what is said about a settings file, without its folder."""
    path = tmp_path / "hxgrid.toml"
    path.write_text(text)
    places = Places(path, tmp_path / "none.toml", tmp_path / "nowhere", environment)
    with pytest.raises(ConfigError) as caught:
        load_user_settings(places=places)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[user]\n\nmax_attempt = 3\n",
            "hxgrid.toml:3: [user] has no key 'max_attempt'. Did you mean 'max_attempts'?",
        ),
        (
            "[user]\nmaxQueqedTasks = 3\n",
            "hxgrid.toml:2: [user] has no key 'maxQueqedTasks'. Did you mean 'max_queued_tasks'?",
        ),
        (
            "[user]\nqwertz = 3\n",
            "hxgrid.toml:2: [user] has no key 'qwertz'. `hxgrid config` lists the keys of [user].",
        ),
        (
            "[users]\nname = 'x'\n",
            "hxgrid.toml:1: there is no section [users]. Did you mean 'user'?",
        ),
        (
            "[qwertz]\n",
            "hxgrid.toml:1: there is no section [qwertz]. "
            "The sections are [coordinator], [agent], [user].",
        ),
        (
            "[user]\nmax_attempts = 0\n",
            "hxgrid.toml:2: [user] max_attempts = 0: Input should be greater than or equal to 1. "
            "Allowed: a whole number from 1 to 1000.",
        ),
        (
            "[user]\nmax_attempts = '3'\n",
            "hxgrid.toml:2: [user] max_attempts = '3': Input should be a valid integer. "
            "Allowed: a whole number from 1 to 1000.",
        ),
        (
            "[user]\ntrust_network = 1\n",
            "hxgrid.toml:2: [user] trust_network = 1: Input should be a valid boolean. "
            "Allowed: true or false.",
        ),
        (
            "[user]\npoll_s = inf\n",
            "hxgrid.toml:2: [user] poll_s = inf: Input should be a finite number. "
            "Allowed: a number from 0.01 to 86400.",
        ),
        (
            "[user]\nlog_level = 'loud'\n",
            "hxgrid.toml:2: [user] log_level = 'loud': "
            "Input should be 'debug', 'info', 'warning' or 'error'. "
            'Allowed: one of "debug", "info", "warning", "error".',
        ),
        (
            "[user]\ncoordinator = 'pc7:99999'\n",
            "hxgrid.toml:2: [user] coordinator = 'pc7:99999': "
            "'pc7:99999' has no port from 1 to 65535 after the colon. "
            "Allowed: HOST or HOST:PORT, or empty.",
        ),
        (
            "[user]\nsecret_key = 'hush'\n",
            "hxgrid.toml:2: [user] secret_key = ...: "
            "a key is 40 characters, as `hxgrid` printed it. "
            "Allowed: a key of 40 characters, or empty.",
        ),
        (
            "[agent]\nslots = 0\n",
            "hxgrid.toml:2: [agent] slots = 0: Input should be greater than or equal to 1. "
            'Allowed: a whole number from 1 to 4096 or none (written as "").',
        ),
        (
            "[user]\nheartbeat_s = 2.0\n",
            "hxgrid.toml:2: [user]: heartbeat_s, suspect_after_s and lost_after_s must rise in "
            "this order, but are 2, 1.5, 10. Change one of them.",
        ),
        (
            "name = 'lab'\n",
            "hxgrid.toml: 'name' stands outside of any section. "
            "Put [coordinator], [agent] or [user] on a line of its own before it.",
        ),
        (
            "user = { max_attempts = 0 }\n",
            "hxgrid.toml: [user] max_attempts = 0: Input should be greater than or equal to 1. "
            "Allowed: a whole number from 1 to 1000.",
        ),
    ],
)
def test_the_complaint_says_what_where_and_how(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text) == said


def test_a_file_that_is_not_toml_is_named_with_the_line(tmp_path: Path) -> None:
    said = complaint(tmp_path, "[user]\nname = \n")
    assert said.startswith("hxgrid.toml is not a TOML file: ")
    assert "line 2" in said


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    said = complaint(tmp_path, "", HXGRID_USER_MAX_ATTEMPTS="many")
    assert said.startswith(
        "environment variable HXGRID_USER_MAX_ATTEMPTS: [user] max_attempts = 'many': "
    )
    assert said.endswith("Allowed: a whole number from 1 to 1000.")


def test_a_wrong_name_of_a_variable_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path, "", HXGRID_AGENT_SLOT="1") == (
        "environment variable HXGRID_AGENT_SLOT: [agent] has no key 'slot'. Did you mean 'slots'?"
    )


def test_a_wrong_value_is_found_even_where_a_higher_layer_covers_it(tmp_path: Path) -> None:
    said = complaint(tmp_path, "[user]\nmax_attempts = 0\n", HXGRID_USER_MAX_ATTEMPTS="3")
    assert said.startswith("hxgrid.toml:2: [user] max_attempts = 0")


def test_a_wrong_argument_is_named(tmp_path: Path) -> None:
    places = Places(tmp_path / "a", tmp_path / "b", tmp_path, {})
    with pytest.raises(ConfigError, match=r"^argument slots: \[agent\] slots = 0: "):
        load_agent_settings(places=places, arguments={"slots": 0})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml does not exist"):
        load_user_settings(config=tmp_path / "no.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hxgrid.toml"
    path.write_bytes(b"[user]\nname = '\xff'\n")
    with pytest.raises(ConfigError, match=r"hxgrid\.toml cannot be read: .*utf-8"):
        load_user_settings(config=path)


def test_a_folder_in_place_of_a_file_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_user_settings(config=tmp_path)
    assert str(caught.value) == f"{tmp_path} cannot be read: {os.strerror(errno.EISDIR)}"


def test_some_other_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hxgrid.toml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="too large for a settings file"):
        load_user_settings(config=path)


def test_wrong_settings_end_a_command_with_wrong_usage() -> None:
    assert ConfigError.exit_status == 2
