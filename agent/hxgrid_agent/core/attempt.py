"""Attempts and the functions they call, as the agent keeps them.

An attempt goes through these phases, never back but for the two marked::

    RECEIVING   its input still comes in chunks
    LACKING     the files of its function are not here yet
    QUEUED      ready to run                         <- from HANDED, if its process gave it back
    HANDED      a process has it, and runs it or will
    ENDED       its result waits for the user's acknowledgement

Whatever ends it early (recall, cancel, refusal) makes it ENDED with a result that says so, because
the user counts on exactly one result per attempt. An attempt leaves the books with the
acknowledgement or with its session.
"""

from __future__ import annotations

import enum
from typing import Final

from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.documents import pack_reason
from hxgrid.wire.messages import AttemptFlag, FunctionOffer, Outcome, Reason
from hxgrid_agent.core.place import ANYWHERE, Place


class Phase(enum.IntEnum):
    """Where an attempt stands on this agent."""

    RECEIVING = 0
    LACKING = 1
    QUEUED = 2
    HANDED = 3
    ENDED = 4


_ALONE: Final = int(AttemptFlag.ALONE)


class FunctionState(enum.Enum):
    """Whether a function can be called here."""

    FETCHING = "fetching"
    """Blobs of its files are on their way, or are being laid out."""
    READY = "ready"
    REFUSED = "refused"
    """Not on this agent; `problem` says why. Another agent may."""
    UNUSABLE = "unusable"
    """Its files cannot be had or are malformed; `problem` says why."""


class Function:
    """What a function id of one session stands for."""

    __slots__ = (
        "alone",
        "average_s",
        "folder",
        "id",
        "lacking",
        "offer",
        "paths",
        "pending",
        "place",
        "problem",
        "state",
    )

    def __init__(self, offer: FunctionOffer) -> None:
        self.id = offer.function
        self.offer = offer
        self.state = FunctionState.FETCHING
        self.problem = ""
        self.lacking: set[str] = set()
        """Digests of files that are not here yet."""
        self.pending: list[Attempt] = []
        """Attempts in phase LACKING."""
        self.average_s: float | None = None
        """How long it takes, by the stamps of recent attempts."""
        self.folder = ""
        """Where its files were laid out."""
        self.paths: tuple[str, ...] = ()
        """Its files, in the order of the offer."""
        self.place = self.alone = ANYWHERE
        """Where it runs, and where it does when an attempt is to be alone."""

    def put_into(self, place: Place) -> None:
        """Say where it runs, for a native function."""
        self.place = place
        self.alone = Place(place.group, is_alone=True)


class Attempt:
    """One placement of a task on this agent."""

    __slots__ = (
        "file",
        "function",
        "is_cancelled",
        "is_recalled",
        "key",
        "kill_at",
        "phase",
        "process",
        "record",
        "reported_at",
        "result",
    )

    def __init__(self, key: Key, record: AttemptRecord, function: Function | None) -> None:
        self.key = key
        self.record = record
        self.function = function
        """None only for an attempt that was refused on arrival."""
        self.phase = Phase.QUEUED
        self.process: int | None = None
        """Number of the process that has it, in phase HANDED."""
        self.result: ResultRecord | None = None
        self.file = ""
        """Path of the large input until it ends, of the large result from then on."""
        self.is_recalled = False
        self.is_cancelled = False
        self.reported_at = 0.0
        """When it last reported something new; 0: never."""
        self.kill_at: float | None = None
        """When the process of a cancelled attempt is killed."""

    @property
    def place(self) -> Place:
        """The kind of process that it needs."""
        function = self.function
        assert function is not None
        return function.alone if self.record[2] & _ALONE else function.place


def ended_without_output(
    key: Key, outcome: Outcome, reason: Reason | str | None, slot: int = 0, started_at: float = 0.0
) -> ResultRecord:
    """Make the result of an attempt whose function did not return."""
    payload = b""
    if reason is not None:
        payload = pack_reason(Reason(text=reason) if isinstance(reason, str) else reason)
    size = len(payload)
    return ResultRecord(
        key[0], key[1], outcome, 0, slot, size, size, started_at, started_at, payload
    )
