"""What travels in the simulator: the wire's documents, and its batches before packing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.messages import Document


class Attempts(NamedTuple):
    handle: int
    records: Sequence[AttemptRecord]


class Results(NamedTuple):
    handle: int
    records: Sequence[ResultRecord]


class Acknowledge(NamedTuple):
    handle: int
    keys: Sequence[Key]


class Cancel(NamedTuple):
    handle: int
    keys: Sequence[Key]


class Recall(NamedTuple):
    handle: int
    keys: Sequence[Key]


class Holdings(NamedTuple):
    handle: int
    keys: Sequence[Key]


class Ping(NamedTuple):
    asked_at: float


class Pong(NamedTuple):
    asked_at: float


Message = Attempts | Results | Acknowledge | Cancel | Recall | Holdings | Ping | Pong | Document
