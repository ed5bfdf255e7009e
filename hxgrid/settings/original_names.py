"""The keys of the original `hxgrid.ini` and their names here, as data.

The importer reads this table, wrong keys are compared with it, and the documentation prints it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


def _text(value: str) -> str:
    return value


def _integer(value: str) -> int:
    return int(value, 10)


def _float(value: str) -> float:
    return float(value)


def _switch(value: str) -> bool:
    if value not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return value == "1"


def _milliseconds(value: str) -> float:
    return int(value, 10) / 1000


def _debug_level(value: str) -> str:
    return "debug" if _switch(value) else "info"


class OriginalKey(NamedTuple):
    """One key of the original."""

    section: str
    name: str
    targets: tuple[tuple[str, str], ...]
    """Sections and keys that it sets here; none: it has no meaning any more."""
    convert: Callable[[str], object] = _text
    note: str = ""
    """What is different, or why it has no meaning."""


_ALL = ("coordinator", "agent", "user")
_BEACON = tuple((section, "beacon_port") for section in _ALL)
_ONE_WAY = "answers go straight to the port that asked"

ORIGINAL_KEYS = (
    OriginalKey("coordinator", "bind_ip", (("coordinator", "bind"),)),
    OriginalKey(
        "coordinator",
        "bind_port",
        (("coordinator", "port"),),
        _integer,
        "also becomes the port in `coordinator` of agent and user",
    ),
    OriginalKey("coordinator", "broadcast_port", _BEACON, _integer),
    OriginalKey(
        "coordinator",
        "coordinator_ip",
        (("agent", "coordinator"), ("user", "coordinator")),
        note="HOST[:PORT]; a found one is remembered elsewhere, not written into this file",
    ),
    OriginalKey(
        "coordinator",
        "allowDiscardCoordinatorIP",
        (("agent", "allow_discard_coordinator"), ("user", "allow_discard_coordinator")),
        _switch,
    ),
    *(
        OriginalKey(
            section, "enableDebugOutput", ((section, "log_level"),), _debug_level, '1 is "debug"'
        )
        for section in _ALL
    ),
    OriginalKey("agent", "bind_ip", (("agent", "bind"),)),
    OriginalKey(
        "agent",
        "bind_port",
        (("agent", "port"),),
        _integer,
        "each agent may have its own: users learn it from the coordinator",
    ),
    OriginalKey("agent", "broadcast_port", (), _integer, _ONE_WAY),
    OriginalKey("agent", "useHT", (), _switch, "the original ignored it too"),
    OriginalKey("agent", "explicitCPU", (("agent", "explicit_cpu"),), _switch),
    OriginalKey("agent", "freeCPUCount", (("agent", "free_cpu_count"),), _integer),
    OriginalKey(
        "agent",
        "maxDataCacheSize",
        (("agent", "store_quota_bytes"),),
        _integer,
        "in force now: the original read it and kept everything",
    ),
    OriginalKey(
        "agent",
        "suspend_timeout",
        (("agent", "suspend_s"),),
        _integer,
        "25 instead of 30 unless set; 0 still means never",
    ),
    OriginalKey(
        "user", "data_port", (), _integer, "results come back over the user's own connection"
    ),
    OriginalKey("user", "broadcast_port", (), _integer, _ONE_WAY),
    OriginalKey(
        "user",
        "maxSendAheadTasks",
        (("user", "send_ahead"),),
        _integer,
        '"auto" unless set: 1 for long tasks, more for short ones',
    ),
    OriginalKey("user", "maxQueqedTasks", (("user", "max_queued_tasks"),), _integer),
    OriginalKey("user", "userMaxMemoryUsage", (("user", "user_max_memory_bytes"),), _integer),
    OriginalKey("user", "agentMinFreeMemory", (("user", "agent_min_free_memory_bytes"),), _integer),
    OriginalKey(
        "user", "agentMinFreeMemoryFactor", (("user", "agent_min_free_memory_factor"),), _float
    ),
    OriginalKey("user", "sendDublicateTasks", (("user", "send_duplicate_tasks"),), _switch),
    OriginalKey(
        "user",
        "compressThreshold",
        (("user", "compress_threshold_bytes"),),
        _integer,
        "results are compressed by it too",
    ),
    OriginalKey("user", "allowSwapping", (("user", "allow_spill"),), _switch),
    OriginalKey(
        "user",
        "failed_agent_suspend_timeout",
        (("user", "cooling_s"),),
        _milliseconds,
        "seconds instead of milliseconds; longer for an agent that goes on failing",
    ),
)

WITHOUT_MEANING = {
    section: frozenset(
        spelling
        for key in ORIGINAL_KEYS
        if key.section == section and not key.targets
        for spelling in (key.name.lower(), key.name.lower().replace("useht", "use_ht"))
    )
    for section in _ALL
}
"""By section, in lower case, the keys that are accepted and change nothing."""
