"""The original's hxgrid.ini, read into the keys of today."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hxgrid.errors import ConfigError
from hxgrid.settings import SECTIONS, import_original, load_user_settings, to_toml
from hxgrid.settings.original_names import ORIGINAL_KEYS

COMPLETE = """\
; written by the installer
[coordinator]
bind_ip=192.168.0.1
bind_port=4200
broadcast_port=4205
coordinator_ip=192.168.0.2
allowDiscardCoordinatorIP=0
enableDebugOutput=1
[agent]
bind_ip=192.168.0.3
bind_port=4202
broadcast_port=4104
useHT=1
explicitCPU=0
freeCPUCount=2
maxDataCacheSize=100000000 ; bytes
suspend_timeout=60
enableDebugOutput=0
[user]
data_port=4103
broadcast_port=4106
maxSendAheadTasks=10
maxQueqedTasks=40
userMaxMemoryUsage=200000000
agentMinFreeMemory=1000000
agentMinFreeMemoryFactor=2.5
sendDublicateTasks=0
compressThreshold=1000
allowSwapping=0
failed_agent_suspend_timeout=2500
enableDebugOutput=1
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hxgrid.ini"
    path.write_text(text, encoding="latin-1")
    return path


def test_every_key_arrives_under_its_new_name(tmp_path: Path) -> None:
    imported = import_original(write(tmp_path, COMPLETE))
    assert imported.sections == {
        "coordinator": {
            "bind": "192.168.0.1",
            "port": 4200,
            "beacon_port": 4205,
            "log_level": "debug",
        },
        "agent": {
            "beacon_port": 4205,
            "coordinator": "192.168.0.2:4200",
            "allow_discard_coordinator": False,
            "bind": "192.168.0.3",
            "port": 4202,
            "explicit_cpu": False,
            "free_cpu_count": 2,
            "store_quota_bytes": 100_000_000,
            "suspend_s": 60,
            "log_level": "info",
        },
        "user": {
            "beacon_port": 4205,
            "coordinator": "192.168.0.2:4200",
            "allow_discard_coordinator": False,
            "send_ahead": 10,
            "max_queued_tasks": 40,
            "user_max_memory_bytes": 200_000_000,
            "agent_min_free_memory_bytes": 1_000_000,
            "agent_min_free_memory_factor": 2.5,
            "send_duplicate_tasks": False,
            "compress_threshold_bytes": 1000,
            "allow_spill": False,
            "cooling_s": 2.5,
            "log_level": "debug",
        },
    }


def test_keys_without_a_meaning_are_told_once_each(tmp_path: Path) -> None:
    notices = import_original(write(tmp_path, COMPLETE)).notices
    assert [notice.split(":")[0] for notice in notices] == [
        "[agent] broadcast_port",
        "[agent] useHT",
        "[user] data_port",
        "[user] broadcast_port",
    ]


def test_the_text_for_a_settings_file_says_the_same(tmp_path: Path) -> None:
    imported = import_original(write(tmp_path, COMPLETE))
    path = tmp_path / "hxgrid.toml"
    path.write_text(to_toml(imported.sections))
    assert tomllib.loads(path.read_text()) == imported.sections
    assert load_user_settings(config=path).settings.cooling_s == 2.5


def test_the_old_file_may_be_in_an_old_encoding_and_any_case(tmp_path: Path) -> None:
    path = write(tmp_path, "; für alle\n[USER]\nMAXQUEQEDTASKS=7\n")
    assert import_original(path).sections == {"user": {"max_queued_tasks": 7}}


def test_an_empty_address_stays_unset(tmp_path: Path) -> None:
    path = write(tmp_path, "[coordinator]\ncoordinator_ip=\nbind_port=4100\n")
    assert import_original(path).sections == {"coordinator": {"port": 4100}}


def test_a_cache_size_that_the_original_ignored_is_left_out(tmp_path: Path) -> None:
    imported = import_original(write(tmp_path, "[agent]\nmaxDataCacheSize=100000\n"))
    assert imported.sections == {}
    assert imported.notices == ("[agent] maxDataCacheSize: left out, the original ignored it too.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[user]\nmaxQueuedTasks=1\n", r"\[user\] maxqueuedtasks is not a key of the original"),
        ("[user]\nallowSwapping=yes\n", r"\[user\] allowSwapping = 'yes': must be 0 or 1"),
        ("[user]\nmaxQueqedTasks=many\n", r"\[user\] maxQueqedTasks = 'many': invalid literal"),
        ("[user]\nmaxQueqedTasks=0\n", r"\[user\] max_queued_tasks = 0: .* from 1 to 10000000"),
        ("maxQueqedTasks=1\n", r"is not an ini file: line 1 stands before the first \[section\]$"),
        ("[user]\n=3\n", r"is not an ini file: line 2 is neither \[section\] nor KEY=VALUE$"),
        ("[user]\nbind\n  more\n", "is not an ini file: "),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"hxgrid\.ini.*{said}"):
        import_original(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.ini cannot be read"):
        import_original(tmp_path / "no.ini")
    with pytest.raises(ConfigError) as caught:
        import_original(tmp_path)
    assert "Errno" not in str(caught.value)


def test_the_table_leads_to_keys_that_exist() -> None:
    for original in ORIGINAL_KEYS:
        for section, key in original.targets:
            assert key in SECTIONS[section].model_fields, original
        assert original.targets or original.note, f"{original.name} needs a reason"
