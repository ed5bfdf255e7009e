"""Attempts with small inputs on their way to one agent: gathered, then cut into few messages."""

from __future__ import annotations

from collections.abc import Sequence

from hxgrid.wire.batches import Buffer, join_attempts
from hxgrid.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_RECORDS


class Outgoing:
    """What leaves with the next flush of a link. No sockets."""

    __slots__ = ("_heads", "_payload_bytes", "_payloads")

    def __init__(self) -> None:
        self._heads: list[bytes] = []
        self._payloads: list[Buffer] = []
        self._payload_bytes = 0

    def __len__(self) -> int:
        return len(self._heads)

    def add(self, heads: Sequence[bytes], payloads: Sequence[Buffer], size_bytes: int) -> None:
        """Gather attempts; `heads` are made by `pack_attempt`, `payloads` have this size in all."""
        self._heads += heads
        self._payloads += payloads
        self._payload_bytes += size_bytes

    def take(self, handle: int) -> list[list[bytes]]:
        """Take everything out, as ATTEMPTS messages that keep the limits, in order."""
        heads, self._heads = self._heads, []
        payloads, self._payloads = self._payloads, []
        size, self._payload_bytes = self._payload_bytes, 0
        if len(heads) <= MAX_BATCH_RECORDS and size <= MAX_BATCH_BYTES:
            return [join_attempts(handle, heads, payloads)]
        messages: list[list[bytes]] = []
        start = size = 0
        for end, payload in enumerate(payloads):
            if end - start == MAX_BATCH_RECORDS or size + len(payload) > MAX_BATCH_BYTES:
                messages.append(join_attempts(handle, heads[start:end], payloads[start:end]))
                start, size = end, 0
            size += len(payload)
        messages.append(join_attempts(handle, heads[start:], payloads[start:]))
        return messages
