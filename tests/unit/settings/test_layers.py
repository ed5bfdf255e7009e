"""Which layer wins, and where each value says it came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError
from hxgrid.settings import (
    Places,
    load_agent_settings,
    load_coordinator_settings,
    load_user_settings,
    stray_variables,
)

ROOT = Path(__file__).parents[3]
VARIABLE = re.compile(r'"(HXGRID_[A-Z_]+)"')


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for folder in ("system", "user", "here"):
        (tmp_path / folder).mkdir()
    return Places(
        system_file=tmp_path / "system/hxgrid.toml",
        user_file=tmp_path / "user/hxgrid.toml",
        working_directory=tmp_path / "here",
        environment={},
    )


def with_environment(places: Places, **variables: str) -> Places:
    return Places(places.system_file, places.user_file, places.working_directory, variables)


def test_nothing_set_means_the_defaults(places: Places) -> None:
    loaded = load_user_settings(places=places)
    assert loaded.settings.max_attempts == 3
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}
    assert loaded.notices == ()


def test_each_layer_covers_those_below(places: Places, tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    layers = [
        (places.system_file, "system file"),
        (places.user_file, "user file"),
        (places.working_directory / "hxgrid.toml", "working directory"),
    ]
    for number, (path, layer) in enumerate(layers, 11):
        path.write_text(f"[user]\nmax_attempts = {number}\n")
        loaded = load_user_settings(places=places)
        assert loaded.settings.max_attempts == number
        assert str(loaded.origins["max_attempts"]) == f"{layer} ({path}:2)"

    above = with_environment(places, HXGRID_USER_MAX_ATTEMPTS="14")
    loaded = load_user_settings(places=above)
    assert loaded.settings.max_attempts == 14
    assert str(loaded.origins["max_attempts"]) == (
        "environment (environment variable HXGRID_USER_MAX_ATTEMPTS)"
    )

    named.write_text("[user]\nmax_attempts = 15\n")
    loaded = load_user_settings(places=above, config=named)
    assert loaded.settings.max_attempts == 15
    assert loaded.origins["max_attempts"].layer == "--config"

    loaded = load_user_settings(places=above, config=named, arguments={"max_attempts": 16})
    assert loaded.settings.max_attempts == 16
    assert str(loaded.origins["max_attempts"]) == "argument"


def test_an_option_that_was_not_given_covers_nothing(places: Places) -> None:
    places.user_file.write_text("[user]\nmax_attempts = 5\n")
    loaded = load_user_settings(places=places, arguments={"max_attempts": None})
    assert loaded.settings.max_attempts == 5


@pytest.mark.parametrize("load", [load_agent_settings, load_coordinator_settings])
def test_only_user_programs_read_the_working_directory(places: Places, load: object) -> None:
    (places.working_directory / "hxgrid.toml").write_text("[agent]\nname = 'x'\n")
    assert callable(load)
    assert load(places=places).settings.name is None


def test_other_sections_in_the_working_directory_are_pointed_out(places: Places) -> None:
    path = places.working_directory / "hxgrid.toml"
    path.write_text("[agent]\nslots = 1\n")
    (notice,) = load_user_settings(places=places).notices
    assert notice == f"{path}: only [user] is read from the working directory, not [agent]."


def test_a_byte_order_mark_does_no_harm(places: Places) -> None:
    places.user_file.write_bytes(b"\xef\xbb\xbf[user]\r\nname = 'lab'\r\n")
    assert load_user_settings(places=places).settings.name == "lab"


def test_texts_of_the_environment_become_what_the_key_needs(places: Places) -> None:
    above = with_environment(
        places,
        HXGRID_AGENT_TRUST_NETWORK="true",
        HXGRID_AGENT_SLOTS="4",
        HXGRID_AGENT_SUSPEND_S="0.5",
        HXGRID_AGENT_PORT="",
        HXGRID_AGENT_STORE_FOLDER="/somewhere",
        HXGRID_AGENT_ALLOWED_KEYS=f"{'a' * 40}, {'b' * 40}",
        OTHER_AGENT_SLOTS="x",
    )
    settings = load_agent_settings(places=above).settings
    assert settings.trust_network is True
    assert (settings.slots, settings.suspend_s, settings.port) == (4, 0.5, None)
    assert settings.store_folder == Path("/somewhere")
    assert settings.allowed_keys == ("a" * 40, "b" * 40)


def test_an_empty_text_means_none_where_there_is_none(places: Places) -> None:
    places.system_file.write_text("[user]\nname = 'lab'\n")
    places.user_file.write_text("[user]\nname = ''\n")
    assert load_user_settings(places=places).settings.name is None


def test_keys_without_a_meaning_give_one_notice_and_no_error(places: Places) -> None:
    places.user_file.write_text(
        "[user]\ndata_port = 4103\nbroadcast_port = 4106\n[agent]\nbroadcast_port = 1\nuseHT = 1\n"
    )
    assert load_user_settings(places=places).notices == (
        f"{places.user_file}: without a meaning now and ignored: [user] data_port, "
        "[user] broadcast_port, [agent] broadcast_port, [agent] useHT.",
    )


def test_the_folders_are_those_of_the_platform() -> None:
    places = Places()
    assert places.system_file.name == places.user_file.name == "hxgrid.toml"
    assert "hxgrid" in places.user_file.parent.name
    assert places.working_directory == Path.cwd()


def test_changes_are_checked_like_files(places: Places) -> None:
    settings = load_user_settings(places=places).settings
    assert settings.with_changes(max_attempts=7).max_attempts == 7
    with pytest.raises(ConfigError, match=r"max_attempts = 0.*from 1 to 1000"):
        settings.with_changes(max_attempts=0)
    with pytest.raises(ConfigError, match="has no key 'max_attempt'"):
        settings.with_changes(max_attempt=1)


def test_changes_keep_what_was_set_before(places: Places) -> None:
    settings = load_user_settings(places=places, arguments={"max_attempts": 9}).settings
    assert settings.with_changes(retry_delay_s=0).max_attempts == 9


def test_settings_remember_where_they_were_read(places: Places) -> None:
    places.user_file.write_text('[user]\ncoordinator = "studio-pc"\n')
    above = with_environment(places, HXGRID_USER_NAME="studio")
    settings = load_user_settings(places=above, arguments={"weight": 2.0}).settings
    assert settings.place_of("coordinator") == f"{places.user_file}:2"
    assert settings.place_of("name") == "environment variable HXGRID_USER_NAME"
    assert settings.place_of("weight") == "argument weight"
    assert settings.place_of("max_attempts") == ""


def test_a_changed_setting_is_from_nowhere_and_the_others_keep_their_place(places: Places) -> None:
    above = with_environment(places, HXGRID_USER_NAME="studio", HXGRID_USER_COORDINATOR="pc")
    changed = load_user_settings(places=above).settings.with_changes(coordinator="studio-pc")
    assert changed.place_of("coordinator") == ""
    assert changed.place_of("name") == "environment variable HXGRID_USER_NAME"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("HXGRID_BOGUS", "Settings are HXGRID_<SECTION>_<KEY>; `hxgrid config` lists them."),
        ("HXGRID_USR_MAX_ATTEMPTS", "Did you mean HXGRID_USER_MAX_ATTEMPTS?"),
        ("HXGRID_SLOTS", "Did you mean HXGRID_AGENT_SLOTS?"),
        ("HXGRID_PORT", "Did you mean HXGRID_COORDINATOR_PORT or HXGRID_AGENT_PORT?"),
        ("HXGRID_BRIDGE_ADRESS", "Did you mean HXGRID_BRIDGE_ADDRESS?"),
    ],
)
def test_a_variable_that_is_no_setting_is_told_of_and_ignored(
    places: Places, name: str, advice: str
) -> None:
    above = with_environment(places, **{name: "shown nowhere", "HXGRID_AGENT_PORT": "4444"})
    for load in (load_coordinator_settings, load_agent_settings, load_user_settings):
        loaded = load(places=above)
        assert loaded.notices == (
            f"The environment variable {name} is no setting and is ignored. {advice}",
        )
    assert stray_variables(above.environment) == (name,)


def test_a_wrong_variable_of_a_section_is_an_error_as_in_a_file(places: Places) -> None:
    with pytest.raises(ConfigError, match=r"HXGRID_USER_MAX_ATEMPTS.*max_attempts"):
        load_agent_settings(places=with_environment(places, HXGRID_USER_MAX_ATEMPTS="3"))


def test_no_variable_that_our_sources_name_is_told_of() -> None:
    rooms = [ROOT / name for name in ("native/src", "hxgrid", "agent", "benchmarks", "examples")]
    sources = [path for room in rooms for path in room.rglob("*") if path.suffix in (".c", ".py")]
    named = {
        name
        for path in sources
        if path.parent.name != "settings"
        for name in VARIABLE.findall(path.read_text(encoding="utf-8"))
    }
    assert {"HXGRID_BRIDGE_SLOTS", "HXGRID_SAMPLES", "HXGRID_SLOT"} <= named
    assert stray_variables(dict.fromkeys(named, "")) == ()
