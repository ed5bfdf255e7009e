"""The calls that have an answer, apart from those about tasks and data."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from hxgrid.bridge import original
from hxgrid.bridge.frames import Fields, Frame, Kind, pack_text
from hxgrid.bridge.opening import Opening, set_logging
from hxgrid.bridge.tasks import NativeTask
from hxgrid.errors import ConfigError, HxGridError, RemoteProtocolError
from hxgrid.user.session import Session

_STATUS: Final = struct.Struct("<III")
_U32: Final = struct.Struct("<I")
_F64: Final = struct.Struct("<d")

Tasks = Mapping[int, NativeTask]
Reply = tuple[bytes, bytes]


def answer(frame: Frame, session: Session, tasks: Tasks, opening: Opening) -> Reply:
    """Return head and payload of the reply; raises what the application is to be told."""
    fields = Fields(frame.head)
    match frame.kind:
        case Kind.STATUS:
            return _status(session), b""
        case Kind.CANCEL_ALL:
            return _names(session.cancel_tasks()), b""
        case Kind.WHY:
            return pack_text(_why(session, tasks, fields.u32())), b""
        case Kind.PROGRESS:
            fraction, text = _progress(session, tasks, fields.u32())
            return _F64.pack(fraction) + pack_text(text), b""
        case Kind.EXPLAIN:
            lines = [f"{one.kind} {one.subject}: {one.text}" for one in session.explain()]
            return pack_text("\n".join(lines)), b""
        case Kind.GET_SETTING:
            return pack_text(_setting(session, fields.text())), b""
        case Kind.SET_SETTING:
            _change(session, opening, {fields.text(): _value(fields.text())})
            return b"", b""
        case Kind.GET_SETTINGS:
            return b"", _get_original(session, opening)
        case Kind.SET_SETTINGS:
            _set_original(session, opening, frame.payload)
            return b"", b""
    raise RemoteProtocolError(f"the application sent {frame.kind.name}, which is no call")


def _status(session: Session) -> bytes:
    status = session.connection_status
    counts = _STATUS.pack(status.connected_to_coordinator, status.connected_agents, status.slots)
    return counts + pack_text(status.grid)


def _names(names: list[str]) -> bytes:
    return _U32.pack(len(names)) + b"".join(pack_text(name, 1000) for name in names[:1000])


def _why(session: Session, tasks: Tasks, number: int) -> str:
    task = tasks.get(number)
    if task is None or task.record is None:
        return f"task {number} has ended, or there never was one"
    return session.why(task.record.id)


def _progress(session: Session, tasks: Tasks, number: int) -> tuple[float, str]:
    task = tasks.get(number)
    return (0.0, "") if task is None or task.record is None else session.progress(task.record.id)


# ---- settings


def _setting(session: Session, key: str) -> str:
    if key not in type(session.settings).model_fields:
        raise ConfigError(f"there is no setting {key!r}")
    value = getattr(session.settings, key)
    if isinstance(value, SecretStr):
        raise ConfigError(f"the setting {key} is not shown")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _value(text: str) -> Any:
    """Return what a text means: a number or a switch where it is one."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _change(session: Session, opening: Opening, changes: dict[str, Any]) -> None:
    """Change settings; those that make a session make another, while nothing is under way."""
    wanted = session.settings.with_changes(**changes)
    try:
        set_logging(session.update_settings(**changes))
    except ConfigError:
        if opening.wish.address or not session.is_complete:
            raise
        opening.replace(wanted)


def _get_original(session: Session, opening: Opening) -> bytes:
    raw = original.pack_settings(session.settings, opening.kept)
    opening.original_settings = raw
    return raw


def _set_original(session: Session, opening: Opening, raw: bytes) -> None:
    if len(raw) != original.LAYOUT.size:
        raise RemoteProtocolError(f"the application sent settings of {len(raw)} bytes")
    before = opening.original_settings or original.pack_settings(session.settings, opening.kept)
    changed, meaningless = original.changes(before, raw)
    opening.kept.update(meaningless)
    complaints = []
    for key, value in changed.items():
        # One by one: a field that is wrong must not keep the others from being set.
        try:
            _change(opening.session(), opening, {key: value})
        except HxGridError as error:
            complaints.append(str(error))
    opening.original_settings = original.pack_settings(opening.session().settings, opening.kept)
    if complaints:
        raise ConfigError("; ".join(complaints))
