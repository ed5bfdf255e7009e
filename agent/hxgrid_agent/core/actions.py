"""Orders that the agent's core gives to its driver. Hot ones carry whole batches.

Actions hand out the core's own objects (`Session`, `Attempt`, `SlotProcess`); the driver reads
them and never changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hxgrid.wire.batches import Buffer, Key
from hxgrid.wire.messages import Document, Neighbour
from hxgrid_agent.core.attempt import Attempt, Function
from hxgrid_agent.core.process import SlotProcess
from hxgrid_agent.core.session import Session


class SendResults(NamedTuple):
    """Tell the user how these ended (`attempt.result`); send large outputs (`attempt.file`)."""

    session: Session
    attempts: Sequence[Attempt]


class RunAttempts(NamedTuple):
    """Give these to a process, which holds `process.slot`. Their functions are known to it."""

    process: SlotProcess
    attempts: Sequence[Attempt]


class TakeBack(NamedTuple):
    """Ask a process for those of these that it has not started; `AttemptsReturned` follows."""

    process: SlotProcess
    keys: Sequence[Key]


class CancelInProcess(NamedTuple):
    """Raise the flag that `test_connection` reads, for these."""

    process: SlotProcess
    keys: Sequence[Key]


@dataclass(frozen=True, slots=True)
class SendDocument:
    """Send a JSON message to a peer."""

    peer: bytes
    document: Document


@dataclass(frozen=True, slots=True)
class SendHoldings:
    """Tell a resumed session's user of all attempts held."""

    session: Session
    keys: Sequence[Key]


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Make the session's folder."""

    session: Session


@dataclass(frozen=True, slots=True)
class MoveSession:
    """The session goes on over another connection; transfers over the old one are void."""

    session: Session
    old_peer: bytes


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Drop its transfers and remove its folder; `SessionFilesGone` follows."""

    session: Session


@dataclass(frozen=True, slots=True)
class ExpectInput:
    """A large input follows in chunks: `InputArrived` or `InputFailed` ends it."""

    session: Session
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class DropInput:
    """The large input of an attempt is not needed (any more)."""

    session: Session
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class DropResult:
    """A large result is not needed any more: stop sending it, remove `path`."""

    session: Session
    key: Key
    path: str


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Start a task process that belongs to nobody yet; `ProcessReady` or `ProcessDied` follows."""

    process: SlotProcess


@dataclass(frozen=True, slots=True)
class AssignProcess:
    """The process works for this session from now on."""

    process: SlotProcess
    session: Session


@dataclass(frozen=True, slots=True)
class TellFunction:
    """Tell a process what a function id stands for."""

    process: SlotProcess
    function: Function


@dataclass(frozen=True, slots=True)
class EndProcess:
    """Let an idle process run its last hook and end; `ProcessDied` follows."""

    process: SlotProcess


@dataclass(frozen=True, slots=True)
class KillProcess:
    """Kill a process and everything it started; `ProcessDied` follows."""

    process: SlotProcess


@dataclass(frozen=True, slots=True)
class FreezeProcesses:
    """Stop these by the operating system."""

    processes: Sequence[SlotProcess]


@dataclass(frozen=True, slots=True)
class ThawProcesses:
    """Let these go on."""

    processes: Sequence[SlotProcess]


@dataclass(frozen=True, slots=True)
class LookAtProcess:
    """See when a process last gave a sign of life; `ProcessSeen` follows."""

    process: SlotProcess


@dataclass(frozen=True, slots=True)
class AnswerData:
    """Answer a `DataWanted`: the file to map, or why there is none."""

    process: SlotProcess
    request: int
    path: str | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ForgetInProcess:
    """Have a process ask again for global data of these names (None: all)."""

    process: SlotProcess
    names: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LayOutFunction:
    """Put a function's files into the session's folder; `FunctionLaidOut` follows."""

    session: Session
    function: Function


@dataclass(frozen=True, slots=True)
class FindBlob:
    """Look into the store and pin the blob; `BlobFound` follows."""

    digest: str


@dataclass(frozen=True, slots=True)
class RequestBlob:
    """Ask a session's user for a blob from `offset` on."""

    session: Session
    request: int
    digest: str
    size: int
    offset: int
    failed: tuple[str, ...] = ()
    """Neighbours that did not serve it."""


@dataclass(frozen=True, slots=True)
class AskNeighbour:
    """Ask another agent for a blob from `offset` on, in the name of a session."""

    session: Session
    neighbour: Neighbour
    request: int
    digest: str
    offset: int


@dataclass(frozen=True, slots=True)
class LeaveNeighbour:
    """Want nothing more of this request."""

    agent: str
    request: int


@dataclass(frozen=True, slots=True)
class LetNeighbourIn:
    """Let an agent with this public key connect, for blobs only."""

    public_key: str


@dataclass(frozen=True, slots=True)
class ForbidNeighbour:
    """Take `LetNeighbourIn` back."""

    public_key: str


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """Send a blob to a neighbour from `offset` on, as far as it is available."""

    peer: bytes
    request: int
    path: str
    size: int
    offset: int
    available_bytes: int


class ExtendUpload(NamedTuple):
    """More of a blob that is being sent is available now."""

    peer: bytes
    request: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class CloseUpload:
    """Send no more of a blob to a neighbour."""

    peer: bytes
    request: int


class WriteBlob(NamedTuple):
    """Write the next piece of a blob; after the last, `BlobStored` or `BlobBroken` follows."""

    digest: str
    size: int
    offset: int
    """0 begins anew."""
    payload: Buffer
    chunks: tuple[bytes, ...] = ()
    """The digests of its chunks, where they are known."""


@dataclass(frozen=True, slots=True)
class DropFetch:
    """Nobody wants this blob any more: forget what has arrived of it."""

    digest: str


@dataclass(frozen=True, slots=True)
class UnpinBlob:
    """The blob is not in use any more; the store may remove it."""

    digest: str


ProcessOrder = (
    TakeBack
    | CancelInProcess
    | TellFunction
    | EndProcess
    | KillProcess
    | LookAtProcess
    | AnswerData
    | ForgetInProcess
)
SessionOrder = (
    OpenSession
    | MoveSession
    | CloseSession
    | ExpectInput
    | DropInput
    | DropResult
    | RequestBlob
    | LayOutFunction
)
BlobOrder = FindBlob | WriteBlob | DropFetch | UnpinBlob
NeighbourOrder = (
    AskNeighbour
    | LeaveNeighbour
    | LetNeighbourIn
    | ForbidNeighbour
    | OpenUpload
    | ExtendUpload
    | CloseUpload
)
Action = (
    SendResults
    | RunAttempts
    | SendDocument
    | SendHoldings
    | StartProcess
    | AssignProcess
    | FreezeProcesses
    | ThawProcesses
    | ProcessOrder
    | SessionOrder
    | BlobOrder
    | NeighbourOrder
)
