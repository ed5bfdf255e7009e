"""The protocol: every message between hxgrid programs, its number, direction, fields and purpose.

A message is one header frame and, for some, payload frames behind it. The first byte of the header
is the message's number; numbers are never reused. Two families share the numbers:

* **Batches** (1 to 31), the hot path: a fixed little-endian layout, packed and unpacked by
  `hxgrid.wire.batches`. One message carries as many records as are due for its peer.
* **Documents** (32 to 255), everything else: after the number byte comes one JSON object, checked
  against the pydantic model of that number by `hxgrid.wire.documents` before anything uses it.

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

import enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hxgrid.wire.limits import (
    MAX_CHUNK_DIGESTS,
    MAX_NAME_CHARS,
    MAX_NEIGHBOURS,
    MAX_PAYLOAD_BYTES,
    MAX_TEXT_CHARS,
)
from hxgrid.wire.versions import PROTOCOL_MAJOR, PROTOCOL_MINOR


class Batch(enum.IntEnum):
    """Numbers of the fixed-layout messages. Layouts are in `hxgrid.wire.batches`."""

    ATTEMPTS = 1
    """user to agent, since 1.0: place attempts; one payload frame with the joined inputs."""
    RESULTS = 2
    """agent to user, since 1.0: how attempts ended; one payload frame with the joined outputs."""
    ACKNOWLEDGE = 3
    """user to agent, since 1.0: results that have arrived whole and may be forgotten."""
    CANCEL = 4
    """user to agent, since 1.0: stop these attempts."""
    RECALL = 5
    """user to agent, since 1.0: give these attempts back if they have not started."""
    HOLDINGS = 6
    """agent to user, since 1.0: all attempts held, after a resumed session's `Welcome`."""
    CHUNK = 7
    """both ways, since 1.0: a piece of an input, result or blob; one payload frame."""
    CREDIT = 8
    """both ways, since 1.0: bytes of CHUNK payload taken in so far on this connection."""
    PING = 9
    """both ways, since 1.0: a sign of life is wanted; carries the asker's clock in seconds."""
    PONG = 10
    """both ways, since 1.0: answer to PING: the asker's clock back, and the answerer's own."""


class Outcome(enum.IntEnum):
    """How an attempt ended, in a RESULTS record.

    The payload of DONE is the function's output; that of the others a `Reason` as JSON, or nothing.
    """

    DONE = 0
    """The function succeeded; the payload is its output."""
    FAILED = 1
    """The function returned false or raised; the payload is a `Reason`."""
    CRASHED = 2
    """Its process died or was killed for a limit while it ran; the payload is a `Reason`."""
    REFUSED = 3
    """Not started, and why: another agent may take it. The payload is a `Reason`."""
    CANCELLED = 4
    """Stopped because the user asked. No payload."""
    NOT_STARTED = 5
    """Given back on RECALL, or because the agent is leaving or freezes. No payload."""
    UNUSABLE = 6
    """The module cannot be loaded here (import error, missing function, wrong version). Counts as
    a failure of the attempt. The payload is a `Reason`."""
    LOST = 7
    """Its process disappeared through no fault of the task (stopped, killed from outside before
    it began). Does not count. The payload is a `Reason`."""


class AttemptFlag(enum.IntFlag):
    """Flags of a record in ATTEMPTS and RESULTS."""

    COMPRESSED = 1
    """The payload is an lz4 block; `raw_bytes` is its expanded size."""
    CHUNKED = 2
    """The payload is not in the payload frame: it follows in CHUNK messages."""
    ALONE = 4
    """Of an attempt of a native function: nothing else may run in its process, because a process
    has died in which this task ran beside others."""


class ChunkOf(enum.IntEnum):
    """What a CHUNK belongs to."""

    INPUT = 0
    RESULT = 1
    BLOB = 2


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes of chance, or of a keyed hash."""
Size = Annotated[int, Field(ge=0, le=MAX_PAYLOAD_BYTES)]
Handle = Annotated[int, Field(ge=0, lt=1 << 32)]
TaskNumber = Annotated[int, Field(ge=0, lt=1 << 64)]
Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, Field(min_length=1, max_length=255)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Document(BaseModel):
    """Base of all JSON messages: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Protocol(Document):
    """A protocol version, first thing that two programs tell each other."""

    major: int = PROTOCOL_MAJOR
    minor: int = PROTOCOL_MINOR


# ------------------------------------------------------------------ whoever connects


class Challenge(Document):
    """60, to an agent or coordinator without keys, since 1.1: prove who has started you."""

    number: Literal[60] = 60
    protocol: Protocol = Protocol()
    nonce: Nonce
    """Of the asker, new for each connection."""


class ChallengeAnswer(Document):
    """61, answer to `Challenge`, since 1.1: the proof (see `hxgrid.transport.proof`)."""

    number: Literal[61] = 61
    protocol: Protocol = Protocol()
    nonce: Nonce
    """Of the program that listens, new at each of its starts."""
    proof: Nonce


class Proof(Document):
    """What an asker shows in its first message, after it has got the right `ChallengeAnswer`."""

    nonce: Nonce
    """The one of its `Challenge`."""
    proof: Nonce


# ------------------------------------------------------------------ user and agent


class Hello(Document):
    """32, user to agent: open or resume a session."""

    number: Literal[32] = 32
    protocol: Protocol = Protocol()
    session: Identity
    """The session's id, the same at all agents and over reconnects."""
    ticket: Identity
    """128-bit secret of the session; whoever shows it may fetch the session's blobs."""
    proof: Proof | None = None
    """Where no keys are used, that the user knows the loopback token; none under trust_network."""
    user_name: str = Field(default="", max_length=256)
    host: str = Field(default="", max_length=256)
    process_id: int = 0
    program: str = Field(default="", max_length=256)
    """What runs there, for the people who look at the agent: `host`, `process_id`, `program`."""
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    lease_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """The session ends on the agent when nothing was heard from the user for so long."""
    compress_threshold_bytes: Size = 65535
    cancel_grace_s: Annotated[float, Field(ge=0, le=3600)] = 0.5
    """How long a cancelled attempt may go on until its process is killed."""


class Welcome(Document):
    """33, agent to user: the session is open."""

    number: Literal[33] = 33
    protocol: Protocol = Protocol()
    boot_id: Identity
    """New each time an agent process starts: tells a restarted agent from a reconnected one."""
    agent_name: str = Field(max_length=256)
    handle: Handle
    resumed: bool
    """The agent knew this session already; HOLDINGS follows."""
    slots: Annotated[int, Field(ge=1, le=65536)]
    capabilities: Capabilities
    load: Load
    neighbours_served: Annotated[int, Field(ge=0, le=65536)] = 0
    """Agents that may fetch blobs of the session here at once; 0: none may."""


class Capabilities(Document):
    """What a computer offers; compared with a task's requirements."""

    platform: str = Field(max_length=64)
    """`sys.platform` of the agent."""
    machine: str = Field(max_length=64)
    """Processor architecture as the system names it, such as x86_64."""
    python_implementation: str = Field(max_length=64)
    python_version: str = Field(max_length=64)
    processors: Annotated[int, Field(ge=1)]
    memory_bytes: Size
    labels: tuple[str, ...] = ()


class AgentState(enum.StrEnum):
    """What an agent does at the moment, as shown to people."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DRAINING = "draining"


class AttemptProgress(Document):
    """What a running task last reported of itself."""

    task: TaskNumber
    attempt: int
    fraction: Fraction
    text: str = Field(default="", max_length=1024)


class SlotTrouble(Document):
    """A running attempt whose process no longer answers (stopped, or dead without notice)."""

    task: TaskNumber
    attempt: int


class Load(Document):
    """34, agent to user: each `status_s`, and at once when the state changes."""

    number: Literal[34] = 34
    state: AgentState = AgentState.ACTIVE
    reason: str = Field(default="", max_length=1024)
    """One sentence: why the agent is suspended or draining."""
    free_cpu: Annotated[float, Field(ge=0)]
    """Processors' worth of time not used by others, 0 to `processors`."""
    free_memory_bytes: Size
    sessions: Annotated[int, Field(ge=0)] = 1
    """Sessions with work at this agent: the slots are shared among them by weight."""
    progress: tuple[AttemptProgress, ...] = ()
    suspected: tuple[SlotTrouble, ...] = ()


class Refusal(Document):
    """35, agent or coordinator to anybody: the door is closed, and why."""

    number: Literal[35] = 35
    protocol: Protocol = Protocol()
    code: Literal["protocol", "token", "busy", "draining", "role", "malformed"]
    text: Text


class WhoAreYou(Document):
    """36, agent to user: this connection belongs to no session; say `Hello`."""

    number: Literal[36] = 36
    boot_id: Identity


class Goodbye(Document):
    """37, user to agent: the session is over."""

    number: Literal[37] = 37
    session: Identity


class CancelAll(Document):
    """38, user to agent: drop every attempt of the session, but keep it open."""

    number: Literal[38] = 38
    session: Identity
    request: int


class Ended(Document):
    """39, agent to user: nothing of the session runs any more (answers 37 and 38)."""

    number: Literal[39] = 39
    session: Identity
    request: int | None = None
    """The `CancelAll` that this answers; none after `Goodbye`."""


class FileEntry(Document):
    """One file of a module set."""

    path: Name
    """Relative, with forward slashes, original case."""
    digest: Digest
    bytes: Size


class FunctionOffer(Document):
    """40, user to agent: what a function id in ATTEMPTS stands for, from now on."""

    number: Literal[40] = 40
    function: Handle
    kind: Literal["module", "pickle", "source", "installed", "native"]
    """`module`: the first of `files` holds `entry(agent, session_id, in, out)`. `pickle`: the first
    of `files` is a pickled callable, the others are source trees that it refers to. `source`:
    `files` are source trees, `module` and `entry` name a callable in them. `installed`: `module`
    and `entry` name a callable of `distribution` in exactly `distribution_version`, or of the
    standard library if `distribution` is empty. These three run by the Executor's calling
    convention: the input is a pickled batch of calls. `native`: `files` are shared libraries."""
    entry: str = Field(default="", max_length=MAX_NAME_CHARS)
    module: str = Field(default="", max_length=MAX_NAME_CHARS)
    files: tuple[FileEntry, ...] = Field(default=(), max_length=10_000)
    distribution: str = Field(default="", max_length=256)
    distribution_version: str = Field(default="", max_length=256)
    python_implementation: str = Field(default="", max_length=64)
    python_version: str = Field(default="", max_length=64)
    """Required `major.minor` where code travels by value; empty: any."""
    time_limit_s: Annotated[float, Field(gt=0)] | None = None
    no_progress_limit_s: Annotated[float, Field(gt=0)] | None = None
    """An attempt that reports nothing new for so long is ended like one over its time limit."""
    label: str = Field(default="", max_length=MAX_NAME_CHARS)
    """What people call it, in logs and failure texts."""


class BlobRequest(Document):
    """41, agent to user: send this blob from an offset on, or say who else has it."""

    number: Literal[41] = 41
    request: TaskNumber
    """Chosen by the asker; CHUNKs of kind BLOB carry it as their id."""
    digest: Digest
    offset: Size = 0
    ticket: Identity
    failed: tuple[Identity, ...] = Field(default=(), max_length=MAX_NEIGHBOURS)
    """Neighbours that were named for this blob and did not serve it."""


class BlobAnswer(Document):
    """42, answer to `BlobRequest` and `NeighbourRequest`: its size, or why not, or who has it.

    `found` and nobody elsewhere: CHUNKs follow, sooner or later. Until they do it is said again
    now and then, as a sign of life.
    """

    number: Literal[42] = 42
    request: TaskNumber
    found: bool
    bytes: Size = 0
    text: Text = ""
    elsewhere: tuple[Neighbour, ...] = Field(default=(), max_length=MAX_NEIGHBOURS)
    """Agents to ask instead; no CHUNKs follow from here."""
    chunks: str = Field(default="", max_length=MAX_CHUNK_DIGESTS * 44)
    """The digests of the blob's chunks one after the other, in base64; empty: not told."""


class DataRequest(Document):
    """43, agent to user: which blob is the global data of this name?"""

    number: Literal[43] = 43
    request: TaskNumber
    name: Annotated[str, Field(max_length=MAX_NAME_CHARS)]


class DataAnswer(Document):
    """44, user to agent: answer to `DataRequest`."""

    number: Literal[44] = 44
    request: TaskNumber
    found: bool
    digest: Digest | None = None
    bytes: Size = 0
    volatile: bool = False
    """Ask again after the agent's copy was freed, instead of taking the same blob."""
    text: Text = ""


class ForgetData(Document):
    """45, user to agent: names whose global data must be asked for again (none: all)."""

    number: Literal[45] = 45
    names: tuple[str, ...] | None = None


class BlobHeld(Document):
    """70, agent to user: this blob is here whole, and neighbours may fetch it."""

    number: Literal[70] = 70
    digest: Digest


class ExpectNeighbour(Document):
    """71, user to agent: let this agent in, it will come for blobs of the session."""

    number: Literal[71] = 71
    agent: Identity
    public_key: str = Field(default="", max_length=64)


class NeighbourRequest(Document):
    """72, agent to agent: send this blob of a session from an offset on.

    Whoever asks need not be known: the proof shows that it has the session's ticket, which is
    itself not shown, because nobody knows yet who answers at that address.
    """

    number: Literal[72] = 72
    request: TaskNumber
    session: Identity
    digest: Digest
    offset: Size = 0
    proof: Digest
    """HMAC-SHA256 with the ticket as key, see `hxgrid.blobs.proof`."""


class NeighbourDone(Document):
    """73, agent to agent: send no more of this blob."""

    number: Literal[73] = 73
    request: TaskNumber


class Reason(Document):
    """Payload of a RESULTS record that is not DONE: what happened, for people and for retries."""

    text: Text
    """One sentence."""
    exception: str = Field(default="", max_length=MAX_NAME_CHARS)
    """Qualified name of the exception's class, if one was raised."""
    traceback: Text = ""
    output: Text = ""
    """The last 64 KiB of the attempt's standard output and error."""
    signal: str = Field(default="", max_length=64)
    is_suspect: bool = False
    """Of LOST: several attempts ran in the process when it died, and nobody knows which of them is
    to blame. The next attempt should have the flag ALONE."""


# ------------------------------------------------------------------ coordinator


class NetworkAddress(Document):
    """One way to reach an agent."""

    host: Address
    port: Port


class AgentStatus(Document):
    """48, agent to coordinator: each `status_s`; renews the registry lease."""

    number: Literal[48] = 48
    protocol: Protocol = Protocol()
    proof: Proof | None = None
    """As in `Hello`."""
    agent: Identity
    """Boot id of the agent."""
    name: str = Field(max_length=256)
    addresses: tuple[NetworkAddress, ...] = Field(max_length=64)
    """Every interface's address; the coordinator adds the one it saw."""
    public_key: str = Field(default="", max_length=64)
    slots: Annotated[int, Field(ge=1, le=65536)]
    free_cpu: Annotated[float, Field(ge=0)]
    own_cpu: Annotated[float, Field(ge=0)]
    """Processors' worth of time used by this agent's task processes."""
    free_memory_bytes: Size
    running: Annotated[int, Field(ge=0)] = 0
    waiting: Annotated[int, Field(ge=0)] = 0
    state: AgentState = AgentState.ACTIVE
    reason: str = Field(default="", max_length=1024)
    sessions: tuple[str, ...] = Field(default=(), max_length=1000)
    """For people: `user@host program` of each session."""
    capabilities: Capabilities
    leaving: bool = False
    """The last message of an agent that ends: take it off the roster now."""


class StatusReceived(Document):
    """49, coordinator to agent: the status arrived; a sign of life."""

    number: Literal[49] = 49
    protocol: Protocol = Protocol()
    boot_id: Identity
    grid: str = Field(default="", max_length=256)


class RosterRequest(Document):
    """50, user to coordinator: each `poll_s`; what has changed since `version`?"""

    number: Literal[50] = 50
    protocol: Protocol = Protocol()
    proof: Proof | None = None
    """As in `Hello`."""
    boot_id: str = Field(default="", max_length=32)
    """Coordinator that `version` belongs to; of another one, the whole roster is sent."""
    version: Annotated[int, Field(ge=0)] = 0
    detailed: bool = False
    """Send everything known of each agent, as `hxgrid agents` shows it."""


class Neighbour(Document):
    """An agent as another agent must know it to fetch blobs there."""

    agent: Identity
    """Boot id."""
    addresses: tuple[NetworkAddress, ...] = Field(max_length=64)
    public_key: str = Field(default="", max_length=64)


class RosterEntry(Document):
    """One agent as users see it."""

    agent: Identity
    name: str
    addresses: tuple[NetworkAddress, ...]
    public_key: str = ""
    slots: int
    capabilities: Capabilities
    status: AgentStatus | None = None
    """Only when `detailed` was asked for."""
    age_s: float = 0.0
    """Seconds since its last status."""


class Roster(Document):
    """51, coordinator to user: agents that joined or changed, and boot ids that left."""

    number: Literal[51] = 51
    protocol: Protocol = Protocol()
    boot_id: Identity
    grid: str = Field(default="", max_length=256)
    version: int
    whole: bool
    """Replace what is known instead of changing it."""
    more: bool = False
    """Further parts of the same version follow."""
    agents: tuple[RosterEntry, ...] = ()
    left: tuple[Identity, ...] = ()


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
    Welcome | Load | Refusal | WhoAreYou | Ended | BlobRequest | BlobAnswer | BlobHeld | DataRequest
)
ToCoordinator = AgentStatus | RosterRequest
FromCoordinator = StatusReceived | Roster | Refusal

Welcome.model_rebuild()
BlobAnswer.model_rebuild()
