"""What agent and task process say to each other over their socket pair.

A frame is a length, a kind and a body: `u32 bytes of the body | u8 kind | body`. The hot ones, RUN
and RESULTS, carry batches in a fixed layout; the others are rare and carry JSON. Payloads above
`SMALL_PAYLOAD_BYTES` lie in files: of an input the RUN frame holds the path where the payload
would be, the file of an output is named by `output_name`.

The agent does not trust what a process says: foreign code runs there. Everything is checked before
it is used, and `FrameError` ends the process.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

# agent to process
SETUP: Final = 1
"""JSON: `page`, the path of the shared page, and for a host process `libraries`, a folder in which
the loader looks for libraries. The first frame."""
ASSIGN: Final = 2
"""JSON: the session that the process works for; see `Assignment`."""
FUNCTION: Final = 3
"""JSON: `function`, an id, and `spec`, the fields of a `FunctionSpec`."""
RUN: Final = 4
"""A batch of attempts."""
TAKE_BACK: Final = 5
"""Serials (u64 each) of attempts that are wanted back if they have not begun."""
DATA: Final = 6
"""JSON: `request`, `path` or null, `text`: the answer to DATA_WANTED."""
END: Final = 7
"""Empty: run the last hooks and end."""
THREADS: Final = 8
"""JSON: `count`: how many attempts a host process may run at a time from now on."""
FORGET_DATA: Final = 9
"""JSON: `names`, or null for all: global data that must be asked for again."""

# process to agent
READY: Final = 16
"""JSON: `notes`, what could not be done to make the process unobtrusive. The first frame."""
RESULTS: Final = 17
"""A batch of ended attempts."""
RETURNED: Final = 18
"""Serials (u64 each) of attempts that were wanted back and have not begun."""
DATA_WANTED: Final = 19
"""JSON: `request`, `name`."""
DATA_FREED: Final = 20
"""JSON: `name`, or null for all."""

IN_FILE: Final = 0x80
"""Flag of a record beside those of `AttemptFlag`: the payload lies in a file."""
COMPRESSED: Final = 1
"""As in `AttemptFlag`."""

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""What a process may send in one frame. Results are sent at 256 KiB and hold 64 KiB at most."""

_HEAD: Final = struct.Struct("<IB")
_COUNT: Final = struct.Struct("<I")
_RUN: Final = struct.Struct("<QIBQI")
_RESULT: Final = struct.Struct("<QBBQQddH")
_SERIAL: Final = struct.Struct("<Q")

_HEAD_BYTES: Final = _HEAD.size
_COUNT_BYTES: Final = _COUNT.size
_RUN_BYTES: Final = _RUN.size
_RESULT_BYTES: Final = _RESULT.size

Buffer = bytes | bytearray | memoryview


class FrameError(Exception):
    """The other end broke the rules; the text says how."""


class Assignment(NamedTuple):
    """The session that a process works for, and what it needs to know of it."""

    session_number: int
    """`session_id` of `run_task`."""
    cache_folder: str
    """`session_cache_directory`, which exists."""
    exchange_folder: str
    """Where the files of large outputs are made; it exists."""
    lock_path: str
    """The file behind `global_lock`; it need not exist."""
    compress_threshold_bytes: int


# Records are plain tuples: a class of their own for each costs more than what is done with them.

Run = tuple[int, int, int, int, Buffer]
"""One record of RUN: serial (counts the attempts of one process from 1), function, flags, size of
the input expanded, and the input (the path of its file, if IN_FILE)."""

Result = tuple[int, int, int, int, int, float, float, int, Buffer]
"""One record of RESULTS: serial, outcome, flags, size of the output as it is and expanded, when the
function began and ended, in which thread of a host process (else 0), and the output (empty if
IN_FILE)."""


def output_name(serial: int, pid: int) -> str:
    """Return the name of the file that holds the output of an attempt."""
    return f"output-{pid}-{serial}"


def pack_frame(kind: int, body: bytes = b"") -> bytes:
    """Make a frame."""
    return _HEAD.pack(len(body), kind) + body


def pack_json(kind: int, **fields: Any) -> bytes:
    """Make a frame that carries JSON."""
    return pack_frame(kind, json.dumps(fields).encode())


def read_json(body: bytes) -> dict[str, Any]:
    """Read the body of a frame that carries JSON."""
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise FrameError(f"a frame holds no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise FrameError("a frame holds no JSON object")
    return fields


def pack_bytes(kind: int, body: Buffer) -> bytes:
    """Make a frame of a body that lies in memory which will be used again."""
    return b"".join((_HEAD.pack(len(body), kind), body))


def pack_serials(kind: int, serials: Iterable[int]) -> bytes:
    """Make a TAKE_BACK or RETURNED."""
    return pack_frame(kind, b"".join([_SERIAL.pack(serial) for serial in serials]))


def read_serials(body: bytes) -> list[int]:
    """Read a TAKE_BACK or RETURNED."""
    if len(body) % _SERIAL.size:
        raise FrameError(f"a list of serials has {len(body)} bytes")
    return [serial for (serial,) in _SERIAL.iter_unpack(body)]


def pack_run(runs: Sequence[Run]) -> bytes:
    """Make a RUN."""
    pack = _RUN.pack
    records = [
        pack(serial, function, flags, raw_bytes, len(payload))
        for serial, function, flags, raw_bytes, payload in runs
    ]
    return _batch(RUN, records, [run[4] for run in runs])


def read_run(body: bytes) -> list[Run]:
    """Read a RUN."""
    (count,) = _COUNT.unpack_from(body)
    end = _COUNT_BYTES + count * _RUN_BYTES
    runs: list[Run] = []
    for serial, function, flags, raw_bytes, size in _RUN.iter_unpack(body[_COUNT_BYTES:end]):
        start, end = end, end + size
        runs.append((serial, function, flags, raw_bytes, body[start:end]))
    return runs


def pack_results(results: Sequence[Result]) -> bytes:
    """Make a RESULTS."""
    pack = _RESULT.pack
    records = [pack(*result[:8]) for result in results]
    return _batch(RESULTS, records, [result[8] for result in results])


def read_results(body: bytes, max_payload_bytes: int, last_outcome: int) -> list[Result]:
    """Read a RESULTS and check it."""
    if len(body) < _COUNT_BYTES:
        raise FrameError("a batch of results has no count")
    (count,) = _COUNT.unpack_from(body)
    end = _COUNT_BYTES + count * _RESULT_BYTES
    if end > len(body):
        raise FrameError(f"{count} results do not fit {len(body)} bytes")
    results: list[Result] = []
    add = results.append
    for record in _RESULT.iter_unpack(body[_COUNT_BYTES:end]):
        serial, outcome, flags, stored, raw, started, ended, thread = record
        start = end
        end += stored
        if flags or outcome > last_outcome or stored != raw or stored > max_payload_bytes:
            _check_result(outcome, flags, stored, raw, max_payload_bytes, last_outcome)
            if flags & IN_FILE:
                end = start
        add((serial, outcome, flags, stored, raw, started, ended, thread, body[start:end]))
    if end != len(body):
        raise FrameError(f"results name {end} bytes, the frame has {len(body)}")
    return results


def _check_result(
    outcome: int, flags: int, stored: int, raw: int, max_payload_bytes: int, last_outcome: int
) -> None:
    """Refuse a result that contradicts itself or the limits."""
    if flags & IN_FILE == 0 and stored > max_payload_bytes:
        raise FrameError(f"a result of {stored} bytes must lie in a file")
    if flags & COMPRESSED == 0 and stored != raw:
        raise FrameError(f"a plain result of {stored} bytes claims {raw}")
    if outcome > last_outcome or flags & ~(IN_FILE | COMPRESSED):
        raise FrameError(f"a result has outcome {outcome} and flags {flags:#x}")


class FrameReader:
    """Cuts a stream of bytes into frames, whatever pieces it comes in."""

    __slots__ = ("_have", "_limit", "_need", "_parts")

    def __init__(self, limit_bytes: int | None = None) -> None:
        self._limit = limit_bytes
        # Pieces of an incomplete frame, what they have, and what must be there to go on.
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take in bytes; return the frames (kind, body) that are complete now."""
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._parts)
            self._parts = []
        frames = []
        start, end = 0, len(data)
        need = _HEAD_BYTES
        while end - start >= _HEAD_BYTES:
            size, kind = _HEAD.unpack_from(data, start)
            if self._limit is not None and size > self._limit:
                raise FrameError(f"a frame of {size} bytes is over the limit of {self._limit}")
            need = _HEAD_BYTES + size
            if end - start < need:
                break
            frames.append((kind, data[start + _HEAD_BYTES : start + need]))
            start += need
            need = _HEAD_BYTES
        if start < end:
            self._parts = [data[start:]]
            self._have = end - start
            self._need = need
        return frames


def _batch(kind: int, records: list[bytes], payloads: list[Buffer]) -> bytes:
    body = b"".join([_COUNT.pack(len(records)), *records, *payloads])
    return pack_frame(kind, body)
