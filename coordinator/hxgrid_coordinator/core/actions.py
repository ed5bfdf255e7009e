"""What the registry wants done."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hxgrid.wire.messages import Refusal, Roster, StatusReceived


@dataclass(frozen=True, slots=True)
class Send:
    """Answer over the connection that asked."""

    connection: bytes
    document: StatusReceived | Roster | Refusal


class Change(enum.StrEnum):
    """What happened to an agent's place in the roster."""

    JOINED = "joined"
    LEFT = "left"
    SILENT = "silent"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the person at the coordinator that the roster has changed."""

    change: Change
    agent: str
    name: str
    host: str


Action = Send | Announce
