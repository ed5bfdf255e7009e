"""Sizes that are checked before anything is decoded or expanded (DESIGN: everything is bounded)."""

from __future__ import annotations

from typing import Final

SMALL_PAYLOAD_BYTES: Final = 64 * 1024
"""Payloads up to this size travel in the frame of their batch; larger ones go as chunks. 64 KiB is
where handing a buffer over begins to beat copying it."""

MAX_BATCH_RECORDS: Final = 4096
"""Attempts, results or acknowledgements in one message."""

MAX_BATCH_BYTES: Final = 1024 * 1024
"""Joined small payloads in one message; a fuller batch is cut in two."""

MIN_CHUNK_BYTES: Final = 64 * 1024
MAX_CHUNK_BYTES: Final = 1024 * 1024
"""Bounds of one chunk of a bulk transfer: small enough that a control message never waits long
behind it on a slow line, large enough to cost little on a fast one."""

MAX_JSON_BYTES: Final = 1024 * 1024
"""One document. The largest is a roster with thousands of agents, which is sent in parts."""

MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
"""Set as MAXMSGSIZE on every socket: a frame that claims more ends its connection unread."""

MAX_FRAMES: Final = 4
"""Frames of one message, without the routing frame."""

MAX_PAYLOAD_BYTES: Final = 1 << 40
"""One input, result or blob: what a size field may claim before the peer is taken for hostile."""

MAX_NAME_CHARS: Final = 1024
"""A function, module or data name."""

MAX_TEXT_CHARS: Final = 256 * 1024
"""A failure text with its traceback and the last output of a task."""

MAX_CHUNK_DIGESTS: Final = 16_384
"""Of one blob, in one document (0.7 MB of base64). Larger blobs, from 16 GiB on, are checked when
they are whole, and only their user serves them."""

MAX_NEIGHBOURS: Final = 16
"""Agents named in one document about a blob."""
