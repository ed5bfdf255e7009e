"""The protocol: every message between hxgrid programs, its number, direction, fields and purpose.

A message is one header frame and, for some, payload frames behind it. The first byte of the header
is the message's number; numbers are never reused. Two families share the numbers:

* **Batches** (1 to 31), the hot path: a fixed little-endian layout, packed and unpacked by
  `hxgrid.wire.batches`; their numbers are in `hxgrid.wire.codes`. One message carries as many
  records as are due for its peer.
* **Documents** (32 to 255), everything else: after the number byte comes one JSON object, checked
  against the pydantic model of that number by `hxgrid.wire.documents` before anything uses it. The
  models stand by conversation: `doors`, `sessions`, `functions`, `blobs`, `rosters`; what several
  use, in `parts`. Whoever sends or reads one imports it from here.

Who may send what is told by four unions: `ToAgent`, `FromAgent` (between a user and an agent),
`ToCoordinator` and `FromCoordinator`; `Challenge` goes to both, `ChallengeAnswer` comes from both.
Unknown fields are ignored, unknown numbers are counted and dropped. Ids of tasks are 64-bit; every
message about an attempt carries the attempt's number.

How a connection begins
-----------------------
Where keys are used, or the whole network is trusted, with the first message. Without either, with
`Challenge`: nothing else is said to a program that has not shown by `ChallengeAnswer` that the same
person started it, and what is then said first carries a `Proof` of the same kind (1.0 showed the
token itself, to whoever listened). A connection that is made again begins again.

How a user and an agent talk
----------------------------
1. The user connects and sends `Hello`; the agent answers `Welcome` (with the *handle* by which all
   batches name the session) or `Refusal`. Nothing but `Hello` and PING is taken from a stranger;
   anything else is answered with `WhoAreYou`, upon which the user says `Hello` again. That is how
   a connection that ZeroMQ has silently renewed finds back into its session.
2. On every `Welcome` that says `resumed`, the agent then sends HOLDINGS: each attempt it holds,
   in any state. An attempt that the user believes there and that is not listed was lost on the
   way and is placed again. Results that were not acknowledged are then sent again.
3. `FunctionOffer` describes a function once per session and agent before the first attempt of it.
   The agent asks for blobs it lacks with `BlobRequest`; the answer is `BlobAnswer` and CHUNKs.
4. ATTEMPTS places attempts; each one ends with exactly one RESULTS record, whatever happened
   (`Outcome`), which the agent keeps and repeats until ACKNOWLEDGE names it. Payloads above
   `SMALL_PAYLOAD_BYTES` follow as CHUNKs after their record, under the sender's flow window.
5. CANCEL stops attempts; each answers with a RESULTS record (CANCELLED, or what it was just
   before). RECALL takes back those not started: NOT_STARTED, or nothing if it has started.
6. `DataRequest` asks for global data by name; `DataAnswer` names a blob, or says why not.
   The user may send an agent to a neighbour for a blob (`BlobAnswer.elsewhere`); the agent then
   asks there with `NeighbourRequest`, is answered with `BlobAnswer` and CHUNKs, and comes back to
   the user if that does not go well. Of a larger blob the user tells the digests of all chunks,
   so each is checked as it arrives, and may be passed on before the last has come.
7. `Goodbye` ends the session: the agent kills its processes, removes its files, says `Ended`.
   `CancelAll` does the same for its attempts only, and is answered by `Ended` too.

PING is answered by PONG from the loop that does the work. Any frame counts as a sign of life.
"""

from __future__ import annotations

from hxgrid.wire.codes import AttemptFlag, Batch, ChunkOf, Outcome
from hxgrid.wire.messages.blobs import (
    BlobAnswer,
    BlobDone,
    BlobHeld,
    BlobRequest,
    DataAnswer,
    DataRequest,
    ExpectNeighbour,
    ForgetData,
    NeighbourDone,
    NeighbourRequest,
)
from hxgrid.wire.messages.doors import Challenge, ChallengeAnswer, Proof, Refusal
from hxgrid.wire.messages.functions import FileEntry, FunctionOffer, Reason
from hxgrid.wire.messages.parts import (
    AgentState,
    Capabilities,
    Document,
    Neighbour,
    NetworkAddress,
    Protocol,
)
from hxgrid.wire.messages.rosters import (
    AgentStatus,
    Roster,
    RosterEntry,
    RosterRequest,
    StatusReceived,
)
from hxgrid.wire.messages.sessions import (
    AttemptProgress,
    CancelAll,
    Ended,
    Goodbye,
    Hello,
    Load,
    SlotTrouble,
    Welcome,
    WhoAreYou,
)

__all__ = [
    "AgentState",
    "AgentStatus",
    "AttemptFlag",
    "AttemptProgress",
    "Batch",
    "BlobAnswer",
    "BlobDone",
    "BlobHeld",
    "BlobRequest",
    "CancelAll",
    "Capabilities",
    "Challenge",
    "ChallengeAnswer",
    "ChunkOf",
    "DataAnswer",
    "DataRequest",
    "Document",
    "Ended",
    "ExpectNeighbour",
    "FileEntry",
    "ForgetData",
    "FromAgent",
    "FromCoordinator",
    "FunctionOffer",
    "Goodbye",
    "Hello",
    "Load",
    "Neighbour",
    "NeighbourDone",
    "NeighbourRequest",
    "NetworkAddress",
    "Outcome",
    "Proof",
    "Protocol",
    "Reason",
    "Refusal",
    "Roster",
    "RosterEntry",
    "RosterRequest",
    "SlotTrouble",
    "StatusReceived",
    "ToAgent",
    "ToCoordinator",
    "Welcome",
    "WhoAreYou",
]

ToAgent = (
    Hello
    | Goodbye
    | CancelAll
    | FunctionOffer
    | BlobAnswer
    | DataAnswer
    | ForgetData
    | ExpectNeighbour
    | NeighbourRequest
    | NeighbourDone
)
FromAgent = (
    Welcome
    | Load
    | Refusal
    | WhoAreYou
    | Ended
    | BlobRequest
    | BlobAnswer
    | BlobHeld
    | BlobDone
    | DataRequest
)
ToCoordinator = AgentStatus | RosterRequest
FromCoordinator = StatusReceived | Roster | Refusal
