"""The settings structure of 62 bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hxgrid.bridge.original import LAYOUT, changes, pack_settings, unpack_settings
from hxgrid.settings import UserSettings

SETTINGS = UserSettings(coordinator="10.1.2.3:4200", user_max_memory_bytes=200_000_000)


def test_h9_it_has_62_bytes_and_the_original_places() -> None:
    raw = pack_settings(SETTINGS, {})
    assert len(raw) == LAYOUT.size == 62
    assert raw[26:46].rstrip(b"\0") == b"10.1.2.3"
    assert int.from_bytes(raw[46:48], "little") == 4200
    assert int.from_bytes(raw[57:61], "little") == 10_000
    assert raw[61] == 1


def test_auto_is_shown_as_one_and_not_set_by_setting_what_was_got() -> None:
    raw = pack_settings(SETTINGS, {})
    assert unpack_settings(raw).maxSendAheadTasks == 1
    assert changes(raw, raw) == ({}, {})


def test_h9_only_the_field_that_differs_is_changed() -> None:
    raw = pack_settings(SETTINGS, {})
    changed = LAYOUT.pack(*unpack_settings(raw)._replace(maxQueqedTasks=7))
    assert changes(raw, changed) == ({"max_queued_tasks": 7}, {})


def test_milliseconds_become_seconds_and_debug_output_a_level() -> None:
    raw = pack_settings(SETTINGS, {})
    changed = unpack_settings(raw)._replace(failSuspendTimeout=2500, enableDebugOutput=True)
    assert changes(raw, LAYOUT.pack(*changed))[0] == {"cooling_s": 2.5, "log_level": "debug"}


def test_an_address_and_its_port_are_one_setting() -> None:
    raw = pack_settings(SETTINGS, {})
    moved = unpack_settings(raw)._replace(coordinator_ip=b"pc7\0rubbish", coordinator_port=99)
    assert changes(raw, LAYOUT.pack(*moved))[0] == {"coordinator": "pc7:99"}
    none = unpack_settings(raw)._replace(coordinator_ip=b"")
    assert changes(raw, LAYOUT.pack(*none))[0] == {"coordinator": ""}


def test_an_address_that_does_not_fit_is_not_shown_and_not_lost() -> None:
    long = UserSettings(coordinator="a-name-of-more-than-twenty.example:4100")
    raw = pack_settings(long, {})
    assert unpack_settings(raw).coordinator_ip == bytes(20)
    assert changes(raw, raw) == ({}, {})


def test_fields_without_meaning_come_back_as_they_were_set() -> None:
    raw = pack_settings(SETTINGS, {})
    changed = LAYOUT.pack(*unpack_settings(raw)._replace(user_data_port=5000))
    meaningful, kept = changes(raw, changed)
    assert meaningful == {}
    assert unpack_settings(pack_settings(SETTINGS, kept)).user_data_port == 5000


@given(st.binary(min_size=62, max_size=62), st.binary(min_size=62, max_size=62))
def test_h9_any_62_bytes_are_settings(before: bytes, after: bytes) -> None:
    changes(before, after)
