"""The frames between a native application and its bridge: what they look like, and which there are.

A frame is a header of four 32-bit words, then a head, then a payload:

    u32 kind | u32 call | u32 head bytes | u32 payload bytes | head | payload

All numbers are little-endian. The head holds the fields of the kind, one after the other, without
gaps; a text is a u32 count of bytes and then UTF-8. The payload is the bytes of a stream, which
are never copied into a head. `call` is not 0 in frames that want a REPLY, which carries it again.
Sizes are checked before anything is read: a head is at most `MAX_HEAD_BYTES`, only a few kinds may
have a payload. Whoever gets a frame against these rules ends the connection.

`native/src/user/frames.h` says the same to the other side; a test holds the two together.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from hxgrid.errors import RemoteProtocolError

PROTOCOL_VERSION: Final = 1
"""Both sides come with one installation, yet an old library may find a new bridge."""

MAX_HEAD_BYTES: Final = 1024 * 1024
MAX_PAYLOAD_BYTES: Final = 0xFFFFFFFF
"""A stream has less than 4 GiB."""

HEADER: Final = struct.Struct("<IIII")


class Kind(IntEnum):
    """What a frame says. Numbers are never reused; from 64 on the bridge speaks."""

    OPEN = 1
    """u32 version, u32 flags (OpenFlag), f64 timeout_s, u32 agents, u32 slots, text address, text
    settings (TOML lines), text folder of the program, u32 process."""
    OFFER = 2
    """call. text modules (a list with commas), text function, f64 time limit (0: none). Reply: u32
    function number."""
    RUN = 3
    """u32 function number, u32 task, u32 flags (RunFlag); payload: the input."""
    CONSUMED = 4
    """u64 results, u64 bytes: how much has been taken in all."""
    GET_SETTINGS = 5
    """call. Reply payload: the original's structure of 62 bytes."""
    SET_SETTINGS = 6
    """call. payload: the same, after GET_SETTINGS and changes."""
    GET_SETTING = 7
    """call. text key. Reply: text value."""
    SET_SETTING = 8
    """call. text key, text value."""
    CANCEL_ALL = 9
    """call. Reply: u32 count of agents not reached, a text each."""
    CANCEL = 10
    """u32 task."""
    ANSWER = 11
    """u32 question, u32 Answer, text path or why; payload: the data."""
    BIND_DATA = 12
    """u32 is bound, u32 is volatile."""
    FORGET_DATA = 13
    """u32 all, text name."""
    STATUS = 14
    """call. Reply: u32 is connected to the coordinator, u32 agents, u32 slots, text grid."""
    WHY = 15
    """call. u32 task. Reply: text."""
    PROGRESS = 16
    """call. u32 task. Reply: f64 fraction, text."""
    EXPLAIN = 17
    """call. Reply: text, a line per waiting task and unused agent."""
    COMPRESS = 18
    """call. payload. Reply payload: the original's compressed form, or empty: leave it."""
    CLOSE = 19
    """Cancel what is left, and end."""

    HELLO = 64
    """u32 version, text version of hxGrid. The first frame of the bridge."""
    WINDOW = 65
    """u32 tasks, u64 bytes of inputs that may be under way, u32 callback threads. At most so much
    may be sent; again when a setting has changed."""
    READY = 66
    """The grid has been found."""
    REPLY = 67
    """u32 Status, then fields of the kind, or a text that says what went wrong; maybe a payload."""
    RESULT = 68
    """u32 task; payload: the output."""
    FAILED = 69
    """u32 task, u32 Status (FAILED or CANCELLED), text why, text everything."""
    WANTED = 70
    """u32 question, text name: global data that a task asks for."""
    ENDED = 71
    """u32 Status, text why: nothing will be done any more."""


WITH_PAYLOAD: Final = frozenset(
    {Kind.RUN, Kind.SET_SETTINGS, Kind.ANSWER, Kind.COMPRESS, Kind.REPLY, Kind.RESULT}
)


class Status(IntEnum):
    """What became of a call; the numbers are those of `hxg_status` in `hxgrid.h`."""

    OK = 0
    ARGUMENT = 1
    SYSTEM = 4
    CLOSED = 5
    NO_GRID = 21
    CONFIG = 22
    REJECTED = 23
    MODULE = 24
    FAILED = 25
    CANCELLED = 26
    PROTOCOL = 31
    OTHER = 32


class OpenFlag(IntEnum):
    """Bits of OPEN."""

    KEEP_LOOKING = 1
    """Accept tasks, and look for a grid until there is one."""


class RunFlag(IntEnum):
    """Bits of RUN."""

    ONCE = 1
    """The task must not run twice."""
    UNPACK = 2
    """An input in the original's compressed form is to be expanded."""


class Answer(IntEnum):
    """What an ANSWER holds."""

    NOTHING = 0
    BYTES = 1
    PATH = 2
    BYTES_TO_UNPACK = 3
    """Bytes, to be expanded if they are in the original's compressed form."""


class Frame(NamedTuple):
    """One frame as it came."""

    kind: Kind
    call: int
    head: bytes
    payload: bytes


class Source(Protocol):
    """Where frames are read from: gives as many bytes as asked for, fewer only at the end."""

    def read(self, count: int, /) -> bytes | None:
        """Return `count` bytes, or what is left."""
        ...


def read_frame(source: Source) -> Frame | None:
    """Return the next frame, None at the end; `RemoteProtocolError` for what is none."""
    header = source.read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise RemoteProtocolError("the application's pipe ended within a header")
    number, call, head_bytes, payload_bytes = HEADER.unpack(header)
    kind = _FROM_APPLICATION.get(number)
    if kind is None:
        raise RemoteProtocolError(f"the application sent a frame of the unknown kind {number}")
    if head_bytes > MAX_HEAD_BYTES or (payload_bytes and kind not in WITH_PAYLOAD):
        raise RemoteProtocolError(
            f"the application sent a frame {kind.name} that claims {head_bytes} and"
            f" {payload_bytes} bytes"
        )
    head = source.read(head_bytes) if head_bytes else b""
    payload = source.read(payload_bytes) if payload_bytes else b""
    if head is None or payload is None or len(head) + len(payload) < head_bytes + payload_bytes:
        raise RemoteProtocolError(f"the application's pipe ended within a frame {kind.name}")
    return Frame(kind, call, head, payload)


def make_frame(kind: Kind, call: int, head: bytes, payload_bytes: int = 0) -> bytes:
    """Return a frame up to its payload, which is to follow."""
    return HEADER.pack(kind, call, len(head), payload_bytes) + head


def pack_text(text: str, limit: int = 64 * 1024) -> bytes:
    """Return a text as it stands in a head, cut where it is too long for one."""
    raw = text.encode("utf-8", "replace")[:limit]
    return _U32.pack(len(raw)) + raw


class Fields:
    """Reads the fields of a head; `RemoteProtocolError` where there are not as many."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._at = 0

    def u32(self) -> int:
        """Return a whole number."""
        return int(self._take(_U32))

    def u64(self) -> int:
        """Return a large whole number."""
        return int(self._take(_U64))

    def f64(self) -> float:
        """Return a number."""
        return float(self._take(_F64))

    def text(self) -> str:
        """Return a text."""
        count = self.u32()
        raw = self._head[self._at : self._at + count]
        if len(raw) < count:
            raise _too_short()
        self._at += count
        # Names of files may be any bytes; where they are no UTF-8, Python writes them like this.
        return raw.decode("utf-8", "surrogateescape")

    def _take(self, layout: struct.Struct) -> int | float:
        try:
            (value,) = layout.unpack_from(self._head, self._at)
        except struct.error:
            raise _too_short() from None
        self._at += layout.size
        result: int | float = value
        return result


def _too_short() -> RemoteProtocolError:
    return RemoteProtocolError("the application sent a frame with too few fields")


_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_F64 = struct.Struct("<d")
_FROM_APPLICATION = {kind.value: kind for kind in Kind if kind < Kind.HELLO}
