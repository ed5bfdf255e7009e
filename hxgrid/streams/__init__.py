"""Bytes with a position: the public Stream, compression, digests and spilling to disk.

This room knows neither tasks nor peers. Task processes import it, so it stays light: only `Stream`
is loaded with the room, the rest by whoever imports its module.
"""

from hxgrid.streams.errors import (
    CorruptPayload,
    StreamClosed,
    StreamEnd,
    StreamInUse,
    StreamReadOnly,
)
from hxgrid.streams.stream import Stream

__all__ = [
    "Stream",
    "CorruptPayload",
    "StreamClosed",
    "StreamEnd",
    "StreamInUse",
    "StreamReadOnly",
]
