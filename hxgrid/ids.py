"""Identifiers: what they look like, how they are made, how those from outside are checked.

Sessions, tickets and programs get 128 bits from the system's source of secrets, written as 32
lower-case hex digits: whoever does not know one cannot guess it, and it survives JSON, file names
and logs. A ticket opens something and never appears in a log; the others name something and do.
Tasks are counted within their session: 64 bits, so that no job is ever too long.
"""

from __future__ import annotations

import re
import secrets
from typing import NewType

SessionId = NewType("SessionId", str)
"""Names one user's connected run."""
Ticket = NewType("Ticket", str)
"""Shows the right to a session's blobs; a secret."""
BootId = NewType("BootId", str)
"""Names one run of a program; a program started again at the same address has another."""
TaskId = NewType("TaskId", int)
"""Counts within a session, from 1; unsigned 64 bits."""
AttemptNumber = NewType("AttemptNumber", int)
"""Counts within a task, from 1; unsigned 16 bits."""
SlotNumber = NewType("SlotNumber", int)
"""Counts within an agent, from 0."""

FIRST_TASK_ID = TaskId(1)
"""0 is left for "no task"."""
MAX_TASK_ID = TaskId(2**64 - 1)
FIRST_ATTEMPT = AttemptNumber(1)
MAX_ATTEMPT_NUMBER = AttemptNumber(2**16 - 1)

_ID_BYTES = 16
_HEX_ID = re.compile(r"[0-9a-f]{32}")


def new_session_id() -> SessionId:
    """Return a session id that nobody else has."""
    return SessionId(secrets.token_hex(_ID_BYTES))


def new_ticket() -> Ticket:
    """Return a ticket that nobody can guess."""
    return Ticket(secrets.token_hex(_ID_BYTES))


def new_boot_id() -> BootId:
    """Return a boot id for this run of this program."""
    return BootId(secrets.token_hex(_ID_BYTES))


def is_hex_id(text: str) -> bool:
    """Tell whether `text` has the form of a 128-bit id; those from a peer must be asked."""
    return _HEX_ID.fullmatch(text) is not None


def id_to_bytes(text: str) -> bytes:
    """Return the 16 bytes of a 128-bit id, as the binary headers carry it."""
    if not is_hex_id(text):
        raise ValueError(f"not a 128-bit id in hex: {text!r}")
    return bytes.fromhex(text)


def id_from_bytes(data: bytes) -> str:
    """Return the hex form of the 16 bytes of an id."""
    if len(data) != _ID_BYTES:
        raise ValueError(f"an id has {_ID_BYTES} bytes, not {len(data)}")
    return data.hex()
