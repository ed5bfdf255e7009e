"""What a task process reports to whoever holds its `TaskProcess`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.messages import Reason


class Ready(NamedTuple):
    """The process can be assigned and take attempts."""

    notes: tuple[str, ...]
    """What could not be done to make it unobtrusive; the same for all processes of a computer."""


class Ended(NamedTuple):
    """Attempts that have ended, in the order in which they did."""

    records: Sequence[ResultRecord]
    """Those with the flag CHUNKED have their payload in `files`."""
    files: Mapping[Key, str]
    """Paths of large outputs. The files belong to the receiver from now on."""


class Returned(NamedTuple):
    """Attempts that were wanted back and had not begun: the process has forgotten them."""

    keys: Sequence[Key]


class DataAsked(NamedTuple):
    """A task waits for global data; answer with `TaskProcess.answer_data`."""

    request: int
    name: str


class DataGivenUp(NamedTuple):
    """A task says that the computer's copy of global data is not needed."""

    name: str | None
    """None: all of the session's."""


@dataclass(frozen=True, slots=True)
class Died:
    """The process is gone, with everything that it had started. Nothing follows."""

    reason: Reason
    running: Key | None
    """The attempt it was in."""
    lost: tuple[Key, ...]
    """Attempts that it held besides: not begun, or done and not reported yet."""
    ran: Mapping[Key, int] = field(default_factory=dict)
    """Of a host process: all attempts that ran in it, `running` among them, and in which slots.
    `running` is None if several ran and nobody knows which of them ended the process."""


SlotEvent = Ready | Ended | Returned | DataAsked | DataGivenUp | Died
