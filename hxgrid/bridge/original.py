"""The original's settings structure of 62 bytes, from and to the settings of a session.

`SetSettings` applies only the fields that differ from what `GetSettings` last gave. A program that
gets, changes one field and sets would otherwise turn every `auto` into a number, and put back what
was changed elsewhere meanwhile.
"""

from __future__ import annotations

# ruff: noqa: N815 - the names of the fields are the original's
import itertools
import struct
from typing import Any, Final, NamedTuple

from hxgrid.settings import UserSettings, split_address

LAYOUT: Final = struct.Struct("<IIIIf??I20sHHHHH?I?")

_COORDINATOR_PORT: Final = 4100
_LARGEST: Final = 0xFFFFFFFF


class OriginalSettings(NamedTuple):
    """TGridUserSettings, field by field, with the original's spelling."""

    maxSendAheadTasks: int
    maxQueqedTasks: int
    userMaxMemoryUsage: int
    agentMinFreeMemory: int
    agentMinFreeMemoryFactor: float
    sendDublicateTasks: bool
    allowSwapping: bool
    compressThreshold: int
    coordinator_ip: bytes
    coordinator_port: int
    user_data_port: int
    agent_lobby_port: int
    coordinator_broadcast_port: int
    user_broadcast_port: int
    enableDebugOutput: bool
    failSuspendTimeout: int
    allowDiscardCoordinatorIp: bool


WITHOUT_MEANING: Final = {
    "user_data_port": 4103,
    "agent_lobby_port": 4102,
    "user_broadcast_port": 4106,
}
"""Fields that change nothing now, and what a fresh structure says there."""


def pack_settings(settings: UserSettings, kept: dict[str, int]) -> bytes:
    """Return the structure for these settings; `kept` has what was set of the meaningless."""
    host, port = _address(settings.coordinator)
    ahead = settings.send_ahead
    fields = OriginalSettings(
        maxSendAheadTasks=ahead if isinstance(ahead, int) else 1,
        maxQueqedTasks=min(_LARGEST, settings.max_queued_tasks),
        userMaxMemoryUsage=min(_LARGEST, settings.user_max_memory_bytes),
        agentMinFreeMemory=min(_LARGEST, settings.agent_min_free_memory_bytes),
        agentMinFreeMemoryFactor=settings.agent_min_free_memory_factor,
        sendDublicateTasks=settings.send_duplicate_tasks,
        allowSwapping=settings.allow_spill,
        compressThreshold=min(_LARGEST, settings.compress_threshold_bytes),
        coordinator_ip=host,
        coordinator_port=port,
        coordinator_broadcast_port=settings.beacon_port,
        enableDebugOutput=settings.log_level == "debug",
        failSuspendTimeout=min(_LARGEST, round(settings.cooling_s * 1000)),
        allowDiscardCoordinatorIp=settings.allow_discard_coordinator,
        **{**WITHOUT_MEANING, **kept},
    )
    return LAYOUT.pack(*fields)


def unpack_settings(raw: bytes) -> OriginalSettings:
    """Return the fields of a structure; any 62 bytes are one."""
    return OriginalSettings(*LAYOUT.unpack(raw))


def changes(before: bytes, after: bytes) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the settings that differ, by their names of today, and the meaningless ones."""
    new = unpack_settings(after)
    # As they are packed: a float that is no number differs from itself.
    differs = {
        name
        for name, one, other in zip(
            OriginalSettings._fields, _pieces(before), _pieces(after), strict=True
        )
        if one != other
    }
    meaningless = {name: getattr(new, name) for name in WITHOUT_MEANING if name in differs}
    found: dict[str, Any] = {}
    for name, key in _SAME.items():
        if name in differs:
            found[key] = getattr(new, name)
    if "failSuspendTimeout" in differs:
        found["cooling_s"] = new.failSuspendTimeout / 1000
    if "enableDebugOutput" in differs:
        found["log_level"] = "debug" if new.enableDebugOutput else "info"
    if differs & {"coordinator_ip", "coordinator_port"}:
        found["coordinator"] = _joined(new)
    return found, meaningless


_SAME: Final = {
    "maxSendAheadTasks": "send_ahead",
    "maxQueqedTasks": "max_queued_tasks",
    "userMaxMemoryUsage": "user_max_memory_bytes",
    "agentMinFreeMemory": "agent_min_free_memory_bytes",
    "agentMinFreeMemoryFactor": "agent_min_free_memory_factor",
    "sendDublicateTasks": "send_duplicate_tasks",
    "allowSwapping": "allow_spill",
    "compressThreshold": "compress_threshold_bytes",
    "coordinator_broadcast_port": "beacon_port",
    "allowDiscardCoordinatorIp": "allow_discard_coordinator",
}


def _pieces(raw: bytes) -> list[bytes]:
    offsets = (0, 4, 8, 12, 16, 20, 21, 22, 26, 46, 48, 50, 52, 54, 56, 57, 61, 62)
    pieces = [raw[start:end] for start, end in itertools.pairwise(offsets)]
    pieces[8] = _text(pieces[8]).encode()  # what stands behind the end of the text is nothing
    return pieces


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1")


def _address(coordinator: str) -> tuple[bytes, int]:
    if not coordinator:
        return b"", _COORDINATOR_PORT
    host, port = split_address(coordinator, _COORDINATOR_PORT)
    raw = host.encode("utf-8")
    # A name that does not fit is not shown, rather than cut to another one.
    return (raw if len(raw) < 20 else b""), port


def _joined(new: OriginalSettings) -> str:
    host = _text(new.coordinator_ip)
    if not host:
        return ""
    bracketed = f"[{host}]" if ":" in host else host
    return f"{bracketed}:{new.coordinator_port}"
