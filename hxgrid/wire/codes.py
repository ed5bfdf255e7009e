"""The numbers of the fixed-layout messages, and those that stand in their records.

They are part of the catalogue, `hxgrid.wire.messages`, which has them all. A task process takes
them from here: it goes without pydantic, whose import costs more than everything else it loads.
"""

from __future__ import annotations

import enum


class Batch(enum.IntEnum):
    """Numbers of the fixed-layout messages. Layouts are in `hxgrid.wire.batches`."""

    ATTEMPTS = 1
    """user to agent, since 2.0: place attempts, with their small inputs."""
    RESULTS = 2
    """agent to user, since 2.0: how attempts ended, with their small outputs."""
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
