"""One blob on its way here: who is asked, how far it is, when to ask somebody else. Pure.

A blob is asked from one source at a time, from the offset reached so far, so that a source that
fails in the middle costs nothing that has arrived. Neighbours are tried before the user, who can
always serve: the user is the last source and is asked again and again, with a growing pause.
Chunks of one request arrive in order; a piece that is not the next one means that the source is
confused and ends its request.
"""

from __future__ import annotations

from collections.abc import Sequence

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
"""Between two requests to the last source."""


class Fetch:
    """State of fetching one blob. Callers report what happened and ask what to do."""

    __slots__ = (
        "_failures",
        "_sources",
        "digest",
        "heard_at",
        "offset",
        "pause_until",
        "request",
        "size",
        "source",
        "stall_after_s",
    )

    def __init__(
        self, digest: str, size: int, sources: Sequence[str], *, stall_after_s: float
    ) -> None:
        if not sources:
            raise AssertionError("a fetch needs at least one source")
        self.digest = digest
        self.size = size
        self._sources = list(sources)
        """Still to be asked, best first; the last one stays."""
        self.stall_after_s = stall_after_s
        """A source that sends nothing for so long is given up."""
        self.source: str | None = None
        """Who has been asked and has not failed."""
        self.request = -1
        """Id of the request under way."""
        self.offset = 0
        """Bytes that have arrived, all of them before this offset."""
        self.heard_at = 0.0
        self.pause_until = 0.0
        self._failures = 0

    @property
    def is_complete(self) -> bool:
        """Say whether every byte is here."""
        return self.offset == self.size

    def next_source(self, now: float) -> str | None:
        """Whom to ask now, from `offset` on; None while one is under way or a pause lasts."""
        if self.source is not None or now < self.pause_until:
            return None
        return self._sources[0]

    def asked(self, request: int, now: float) -> None:
        """Note that the source named by `next_source` has been asked."""
        self.source = self._sources[0]
        self.request = request
        self.heard_at = now

    def take(self, request: int, offset: int, count: int, now: float) -> bool:
        """Note a piece; False if it is not the next one of the request under way."""
        if request != self.request or self.source is None:
            return False
        if offset != self.offset or offset + count > self.size:
            return False
        self.offset += count
        self.heard_at = now
        return True

    def add_sources(self, sources: Sequence[str]) -> None:
        """Note further places that have the blob; they are asked before the ones known."""
        known = set(self._sources)
        self._sources[:0] = [source for source in sources if source not in known]

    def failed(self, now: float) -> None:
        """Note that the source under way does not serve: the next one's turn, or a pause."""
        self.source = None
        self.request = -1
        if len(self._sources) > 1:
            del self._sources[0]
            return
        pause = min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S)
        self._failures += 1
        self.pause_until = now + pause

    def start_again(self, now: float) -> None:
        """Note that what arrived does not have the right digest: all of it is asked anew."""
        self.offset = 0
        self.failed(now)

    def is_stalled(self, now: float) -> bool:
        """Say whether the source under way has been silent for too long."""
        return self.source is not None and now - self.heard_at >= self.stall_after_s

    def next_deadline(self) -> float | None:
        """When something is due if nothing arrives."""
        if self.source is not None:
            return self.heard_at + self.stall_after_s
        return self.pause_until
