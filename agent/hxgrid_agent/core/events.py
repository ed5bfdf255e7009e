"""Facts that the agent's driver reports to its core. Hot ones carry whole batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hxgrid.wire.batches import AttemptRecord, Buffer, Key, ResultRecord
from hxgrid.wire.messages import BlobAnswer, Reason, ToAgent


class AttemptsReceived(NamedTuple):
    """ATTEMPTS from a peer. Inputs with the flag CHUNKED follow; see `InputArrived`."""

    peer: bytes
    handle: int
    records: Sequence[AttemptRecord]


class ResultsAcknowledged(NamedTuple):
    """ACKNOWLEDGE from a peer."""

    peer: bytes
    handle: int
    keys: Sequence[Key]


class CancelReceived(NamedTuple):
    """CANCEL from a peer."""

    peer: bytes
    handle: int
    keys: Sequence[Key]


class RecallReceived(NamedTuple):
    """RECALL from a peer."""

    peer: bytes
    handle: int
    keys: Sequence[Key]


class PeersHeard(NamedTuple):
    """Some sign of life (PING, CHUNK, CREDIT) came from these peers."""

    peers: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class DocumentReceived:
    """A JSON message of a user."""

    peer: bytes
    document: ToAgent


@dataclass(frozen=True, slots=True)
class InputArrived:
    """The last chunk of a large input is here."""

    handle: int
    key: Key
    path: str


@dataclass(frozen=True, slots=True)
class InputFailed:
    """A large input cannot be taken in (disk full, chunks that contradict)."""

    handle: int
    key: Key
    text: str


class AttemptsEnded(NamedTuple):
    """A process finished these, in this order. Large outputs are in `files`, by key."""

    process: int
    records: Sequence[ResultRecord]
    files: Mapping[Key, str]


class AttemptsReturned(NamedTuple):
    """A process gives these back unstarted, as it was asked to."""

    process: int
    keys: Sequence[Key]


@dataclass(frozen=True, slots=True)
class ProcessReady:
    """A started process can take attempts."""

    process: int


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """A process is gone, its whole tree with it. `running` is the attempt it was in, if known."""

    process: int
    reason: Reason
    running: Key | None = None
    """In a host process: the one that ended it."""
    ran: Mapping[Key, int] = field(default_factory=dict)
    """All attempts that ran in a host process, and in which slots."""


class ProcessSeen(NamedTuple):
    """Answer to `LookAtProcess`; `cpu_s` is None if the system does not tell."""

    process: int
    beat_at: float
    cpu_s: float | None
    """Processor seconds of the process and its children so far."""


@dataclass(frozen=True, slots=True)
class ProgressReported:
    """A running attempt tells how far it is."""

    process: int
    key: Key
    fraction: float
    text: str


@dataclass(frozen=True, slots=True)
class DataWanted:
    """A process waits for global data of this name; `request` is its own number for that."""

    process: int
    request: int
    name: str


@dataclass(frozen=True, slots=True)
class DataFreed:
    """A task gives this agent's copy of global data up; no name: all of its session's."""

    process: int
    name: str | None


@dataclass(frozen=True, slots=True)
class FunctionLaidOut:
    """Answer to `LayOutFunction`: the files stand in `folder`, or why not."""

    handle: int
    function: int
    folder: str
    paths: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BlobFound:
    """Answer to `FindBlob`: a path, with the blob pinned, or None."""

    digest: str
    path: str | None


class BlobChunkReceived(NamedTuple):
    """A piece of a blob arrived from this peer."""

    peer: bytes
    request: int
    offset: int
    payload: Buffer


@dataclass(frozen=True, slots=True)
class BlobStored:
    """The last piece is written, the digest is right, and the blob is pinned."""

    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class BlobGrown:
    """So many bytes of a blob that is being received are written to a file, and right."""

    digest: str
    path: str
    checked_bytes: int


@dataclass(frozen=True, slots=True)
class BlobBroken:
    """What arrived does not have the digest, or cannot be written here."""

    digest: str
    text: str
    is_damaged: bool
    """True: ask again. False: this computer cannot hold it (disk full)."""
    good_bytes: int = 0
    """Before these nothing is wrong, as far as it is known."""


@dataclass(frozen=True, slots=True)
class NeighbourAnswered:
    """An agent that was asked for a blob has it, or not."""

    agent: str
    answer: BlobAnswer


class NeighbourChunkReceived(NamedTuple):
    """A piece of a blob arrived from another agent."""

    agent: str
    request: int
    offset: int
    payload: Buffer


@dataclass(frozen=True, slots=True)
class NeighbourLost:
    """Another agent cannot be reached, or not any more."""

    agent: str
    why: str


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """A blob has left for a neighbour, or the neighbour is gone."""

    peer: bytes
    request: int


@dataclass(frozen=True, slots=True)
class SessionFilesGone:
    """Answer to `CloseSession`."""

    handle: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the probes see, once a second."""

    free_cpu: float
    """Processors' worth of time not used by others."""
    own_cpu: float
    free_memory_bytes: int
    private_bytes: Mapping[int, int] = field(default_factory=dict)
    """Memory that processes hold alone, by number; looked up only while memory is short."""


@dataclass(frozen=True, slots=True)
class OwnerWishes:
    """The owner says "not now" until a time, or drains the agent; both can be taken back."""

    snooze_until: float | None
    is_draining: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AgentLeaves:
    """The agent is about to end: give back, stop, say so."""


SessionEvent = (
    DocumentReceived
    | CancelReceived
    | RecallReceived
    | InputArrived
    | InputFailed
    | FunctionLaidOut
    | SessionFilesGone
)
BlobEvent = BlobChunkReceived | BlobFound | BlobStored | BlobBroken | BlobGrown
NeighbourEvent = NeighbourAnswered | NeighbourChunkReceived | NeighbourLost | UploadEnded
ProcessEvent = (
    ProcessReady
    | ProcessDied
    | AttemptsReturned
    | ProcessSeen
    | ProgressReported
    | DataWanted
    | DataFreed
)
HostEvent = Sampled | OwnerWishes | AgentLeaves
HotEvent = AttemptsEnded | AttemptsReceived | ResultsAcknowledged | PeersHeard
Event = HotEvent | SessionEvent | BlobEvent | NeighbourEvent | ProcessEvent | HostEvent
