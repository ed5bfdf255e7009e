"""The hot path: fixed binary layouts of batches, packed and unpacked without touching pydantic.

Every batch begins with the same eight bytes::

    u8 number | u8 reserved (0) | u16 record count | u32 session handle

followed by that many records of the batch's layout. In ATTEMPTS and RESULTS the small payloads of
their records stand behind these, one after the other in record order; a record with the flag
CHUNKED has none there. It is one frame, because taking in a frame costs more than what a small task
needs of it. All numbers are little-endian.

Unpacking checks every length before it slices anything and raises `RemoteProtocolError` on the
first contradiction; nothing of a bad message is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeGuard, TypeVar

from hxgrid.errors import RemoteProtocolError
from hxgrid.wire.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_CHUNK_BYTES,
    MAX_PAYLOAD_BYTES,
    SMALL_PAYLOAD_BYTES,
)
from hxgrid.wire.messages import AttemptFlag, Batch, ChunkOf, Outcome

Buffer = bytes | bytearray | memoryview

_HEAD: Final = struct.Struct("<BBHI")
_ATTEMPT: Final = struct.Struct("<QHHIQQ")
_RESULT: Final = struct.Struct("<QHBBIQQdd")
_KEY: Final = struct.Struct("<QH")
_CHUNK: Final = struct.Struct("<BBHIQQQ")
_CREDIT: Final = struct.Struct("<BBHIQ")
_PING: Final = struct.Struct("<BBHId")
_PONG: Final = struct.Struct("<BBHIdd")

_HEAD_BYTES: Final = _HEAD.size
_ATTEMPT_BYTES: Final = _ATTEMPT.size
_RESULT_BYTES: Final = _RESULT.size
_KEY_BYTES: Final = _KEY.size

_ATTEMPTS: Final = int(Batch.ATTEMPTS)
_RESULTS: Final = int(Batch.RESULTS)
_CHUNKED: Final = int(AttemptFlag.CHUNKED)
_KNOWN_FLAGS: Final = int(AttemptFlag.CHUNKED | AttemptFlag.COMPRESSED | AttemptFlag.ALONE)
_LAST_OUTCOME: Final = max(Outcome)

Key = tuple[int, int]
"""(task id, attempt number): names one attempt."""


class AttemptRecord(NamedTuple):
    """One record of ATTEMPTS."""

    task: int
    attempt: int
    flags: int
    function: int
    """Id from a `FunctionOffer` of the same session."""
    stored_bytes: int
    """Size of the payload as it travels."""
    raw_bytes: int
    """Size of the payload expanded; equal to `stored_bytes` unless COMPRESSED."""
    payload: Buffer
    """Empty when CHUNKED."""


class ResultRecord(NamedTuple):
    """One record of RESULTS."""

    task: int
    attempt: int
    outcome: int
    flags: int
    slot: int
    """Number of the slot on its agent."""
    stored_bytes: int
    raw_bytes: int
    started_at: float
    """Monotonic seconds of the agent's computer, around the function alone; 0 if never started."""
    ended_at: float
    payload: Buffer


_Record = TypeVar("_Record", AttemptRecord, ResultRecord)


class Chunk(NamedTuple):
    """A CHUNK with its payload."""

    of: int
    attempt: int
    handle: int
    id: int
    """Task id (INPUT, RESULT) or blob request (BLOB)."""
    offset: int
    total_bytes: int
    payload: Buffer


pack_attempt: Final = _ATTEMPT.pack
"""Makes one record of ATTEMPTS from the fields of `AttemptRecord` but the payload; for
`join_attempts`. Who sends the most does without the record itself."""


def join_attempts(handle: int, heads: Sequence[bytes], payloads: Iterable[Buffer]) -> list[bytes]:
    """Make the frame of an ATTEMPTS message from what `pack_attempt` made, and payloads."""
    return [b"".join([_HEAD.pack(_ATTEMPTS, 0, len(heads), handle), *heads, *payloads])]


def pack_attempts(handle: int, records: Sequence[AttemptRecord]) -> list[bytes]:
    """Make the frame of an ATTEMPTS message."""
    heads = [pack_attempt(*record[:6]) for record in records]
    return join_attempts(handle, heads, [record[6] for record in records])


def pack_results(handle: int, records: Sequence[ResultRecord]) -> list[bytes]:
    """Make the frame of a RESULTS message."""
    pack = _RESULT.pack
    parts: list[Buffer] = [_HEAD.pack(_RESULTS, 0, len(records), handle)]
    parts += [pack(*record[:9]) for record in records]
    parts += [record[9] for record in records]
    return [b"".join(parts)]


def pack_keys(batch: Batch, handle: int, keys: Sequence[Key]) -> list[bytes]:
    """Make the frame of ACKNOWLEDGE, CANCEL, RECALL or HOLDINGS."""
    pack = _KEY.pack
    parts = [_HEAD.pack(batch, 0, len(keys), handle)]
    parts += [pack(task, attempt) for task, attempt in keys]
    return [b"".join(parts)]


def pack_chunk(chunk: Chunk) -> list[Buffer]:
    """Make the two frames of a CHUNK; the payload is handed on, not copied."""
    of, attempt, handle, number, offset, total_bytes, payload = chunk
    return [_CHUNK.pack(Batch.CHUNK, of, attempt, handle, number, offset, total_bytes), payload]


def pack_credit(taken_bytes: int) -> list[bytes]:
    """Make a CREDIT: CHUNK payload bytes taken in so far on this connection."""
    return [_CREDIT.pack(Batch.CREDIT, 0, 0, 0, taken_bytes)]


def pack_ping(asked_at: float) -> list[bytes]:
    """Make a PING that carries the asker's clock."""
    return [_PING.pack(Batch.PING, 0, 0, 0, asked_at)]


def pack_pong(asked_at: float, answered_at: float) -> list[bytes]:
    """Make the PONG that answers a PING."""
    return [_PONG.pack(Batch.PONG, 0, 0, 0, asked_at, answered_at)]


def unpack_attempts(frame: Buffer) -> tuple[int, list[AttemptRecord]]:
    """Read ATTEMPTS: the session handle and the records with their payloads."""
    handle, body, end = _open(frame, _ATTEMPT_BYTES, "ATTEMPTS")
    records: list[AttemptRecord] = []
    # Twice as fast as calling the class.
    add, new, kind = records.append, tuple.__new__, AttemptRecord
    for task, attempt, flags, function, stored, raw in _ATTEMPT.iter_unpack(body):
        start = end
        if flags:
            end = _end_of(start, stored, raw, flags, "ATTEMPTS")
        elif stored > SMALL_PAYLOAD_BYTES or stored != raw:
            raise RemoteProtocolError(
                f"ATTEMPTS: sizes {stored} and {raw} of task {task} contradict"
            )
        else:
            end = start + stored
        add(new(kind, (task, attempt, flags, function, stored, raw, frame[start:end])))
    _check_end(end, frame, "ATTEMPTS")
    return handle, records


def unpack_results(frame: Buffer) -> tuple[int, list[ResultRecord]]:
    """Read RESULTS: the session handle and the records with their payloads."""
    handle, body, end = _open(frame, _RESULT_BYTES, "RESULTS")
    records: list[ResultRecord] = []
    add, new, kind = records.append, tuple.__new__, ResultRecord
    for task, attempt, outcome, flags, slot, stored, raw, began, ended in _RESULT.iter_unpack(body):
        start = end
        if outcome > _LAST_OUTCOME:
            raise RemoteProtocolError(f"RESULTS: unknown outcome {outcome} of task {task}")
        if flags:
            end = _end_of(start, stored, raw, flags, "RESULTS")
        elif stored > SMALL_PAYLOAD_BYTES or stored != raw:
            raise RemoteProtocolError(
                f"RESULTS: sizes {stored} and {raw} of task {task} contradict"
            )
        else:
            end = start + stored
        payload = frame[start:end]
        fields = (task, attempt, outcome, flags, slot, stored, raw, began, ended, payload)
        add(new(kind, fields))
    _check_end(end, frame, "RESULTS")
    return handle, records


def unpack_keys(frame: Buffer) -> tuple[int, list[Key]]:
    """Read ACKNOWLEDGE, CANCEL, RECALL or HOLDINGS: the session handle and the attempts."""
    handle, body, end = _open(frame, _KEY_BYTES, "key list")
    _check_end(end, frame, "key list")
    return handle, list(_KEY.iter_unpack(body))


def unpack_chunk(header: Buffer, payload: Buffer) -> Chunk:
    """Read a CHUNK and check that it lies inside its total."""
    _check_size(header, _CHUNK.size, "CHUNK")
    _, of, attempt, handle, number, offset, total_bytes = _CHUNK.unpack(header)
    size = len(payload)
    if size > MAX_CHUNK_BYTES or total_bytes > MAX_PAYLOAD_BYTES or offset + size > total_bytes:
        raise RemoteProtocolError(
            f"CHUNK of {size} bytes at {offset} does not fit {total_bytes} bytes"
        )
    if of not in tuple(ChunkOf):
        raise RemoteProtocolError(f"CHUNK of unknown kind {of}")
    return Chunk(of, attempt, handle, number, offset, total_bytes, payload)


def unpack_credit(header: Buffer) -> int:
    """Read a CREDIT."""
    _check_size(header, _CREDIT.size, "CREDIT")
    return int(_CREDIT.unpack(header)[4])


def unpack_ping(header: Buffer) -> float:
    """Read a PING: the asker's clock."""
    _check_size(header, _PING.size, "PING")
    return float(_PING.unpack(header)[4])


def unpack_pong(header: Buffer) -> tuple[float, float]:
    """Read a PONG: the asker's clock as sent, and the answerer's."""
    _check_size(header, _PONG.size, "PONG")
    unpacked = _PONG.unpack(header)
    return float(unpacked[4]), float(unpacked[5])


def split_batches(records: Iterable[_Record]) -> Iterable[list[_Record]]:
    """Cut records into messages that keep the limits on records and joined bytes."""
    if _fits_one(records):
        return [records]
    return _split(records)


def _split(records: Iterable[_Record]) -> Iterable[list[_Record]]:
    part: list[_Record] = []
    part_bytes = 0
    for record in records:
        size = len(record.payload)
        if part and (len(part) == MAX_BATCH_RECORDS or part_bytes + size > MAX_BATCH_BYTES):
            yield part
            part, part_bytes = [], 0
        part.append(record)
        part_bytes += size
    if part:
        yield part


def _fits_one(records: Iterable[_Record]) -> TypeGuard[list[_Record]]:
    """Say whether no cut is needed, which is nearly always."""
    if not isinstance(records, list) or not 0 < len(records) <= MAX_BATCH_RECORDS:
        return False
    return len(records) == 1 or sum([len(record[-1]) for record in records]) <= MAX_BATCH_BYTES


def _open(frame: Buffer, record_bytes: int, what: str) -> tuple[int, Buffer, int]:
    """Return the session handle, the records, and where they end."""
    if len(frame) < _HEAD_BYTES:
        raise RemoteProtocolError(f"{what}: {len(frame)} bytes are too few")
    _, _, count, handle = _HEAD.unpack_from(frame)
    end = _HEAD_BYTES + count * record_bytes
    if count > MAX_BATCH_RECORDS or len(frame) < end:
        raise RemoteProtocolError(f"{what}: {count} records do not fit {len(frame)} bytes")
    if len(frame) - end > MAX_BATCH_BYTES + SMALL_PAYLOAD_BYTES:
        raise RemoteProtocolError(f"{what}: {len(frame) - end} bytes of payload are over the limit")
    return handle, frame[_HEAD_BYTES:end], end


def _end_of(start: int, stored: int, raw: int, flags: int, what: str) -> int:
    if flags & ~_KNOWN_FLAGS:
        raise RemoteProtocolError(f"{what}: unknown flags {flags:#x}")
    if stored > MAX_PAYLOAD_BYTES or raw > MAX_PAYLOAD_BYTES:
        raise RemoteProtocolError(
            f"{what}: a payload of {max(stored, raw)} bytes is over the limit"
        )
    if flags & _CHUNKED:
        return start
    if stored > SMALL_PAYLOAD_BYTES:
        raise RemoteProtocolError(f"{what}: {stored} bytes must travel as chunks")
    return start + stored


def _check_end(end: int, frame: Buffer, what: str) -> None:
    if end != len(frame):
        raise RemoteProtocolError(f"{what}: records name {end} bytes, the frame has {len(frame)}")


def _check_size(header: Buffer, expected: int, what: str) -> None:
    if len(header) != expected:
        raise RemoteProtocolError(f"{what}: header of {len(header)} bytes, expected {expected}")
