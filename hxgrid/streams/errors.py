"""What goes wrong with a stream, each also under the name that Python gives it for files."""

from __future__ import annotations

import io

from hxgrid.errors import HxGridError, RemoteProtocolError, SessionClosed


class StreamEnd(HxGridError, EOFError):
    """The stream holds fewer bytes than a string or structure in it needs; nothing was read."""


class StreamReadOnly(HxGridError, io.UnsupportedOperation):
    """The stream only shows bytes that it must not change."""


class StreamInUse(HxGridError, BufferError):
    """The stream cannot change its length while somebody holds a view from `getbuffer()`."""


class StreamClosed(SessionClosed, ValueError):
    """The stream was used after `close()`."""


class CorruptPayload(RemoteProtocolError):
    """Compressed bytes do not expand to what was declared."""
