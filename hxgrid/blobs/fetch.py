"""One blob on its way here: who is asked, how far it is, when to ask somebody else. Pure.

A blob is asked from one source at a time, from the offset reached so far, so that a source that
fails in the middle costs nothing that has arrived. Users can always serve: they are asked first and
last, again and again, with a growing pause. A user may *refer* to neighbours, agents that have the
blob or are just getting it; these are tried once each, and whoever fails is not tried again for
this blob. Chunks of one request arrive in order; a piece that is not the next one means that the
source is confused and ends its request.

A neighbour is left when it is silent, when it says for too long that it has nothing yet, and when
it is slow: it sends less than `SLOWEST_BYTES_PER_S`. A user is left only when it is silent for
longer, because there is nobody behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
"""Between two requests to the last source."""

NEIGHBOUR_STALL_S = 1.0
"""A neighbour that is silent for so long is left; connecting to it counts."""

STARVED_S = 5.0
"""A neighbour that has nothing to send for so long is left, though it says so in time."""

SLOW_SPAN_S = 2.0
STARVED_SPAN_S = 10.0
SLOWEST_BYTES_PER_S = 128 * 1024
"""A neighbour that sends less, over the first span, is left, or over the second one if it is short
of the blob itself: a line of 1 Mbit/s, where the user's own is hardly worse."""


class Fetch:
    """State of fetching one blob. Callers report what happened and ask what to do."""

    __slots__ = (
        "_bytes_at",
        "_failures",
        "_got_at",
        "_is_starved",
        "_neighbours",
        "_segments",
        "_span_at",
        "_users",
        "chunks",
        "digest",
        "failed_neighbours",
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
        self.chunks: tuple[bytes, ...] = ()
        """The digests of the blob's chunks, once they are known."""
        self._users = list(sources)
        """To be asked, best first; the last one stays."""
        self._neighbours: list[str] = []
        """To be asked before any user, best first."""
        self.failed_neighbours: list[str] = []
        """Did not serve; newest last."""
        self.stall_after_s = stall_after_s
        """A user that sends nothing for so long is given up."""
        self.source: str | None = None
        """Who has been asked and has not failed."""
        self.request = -1
        """Id of the request under way."""
        self.offset = 0
        """Bytes that have arrived, all of them before this offset."""
        self.heard_at = 0.0
        self.pause_until = 0.0
        self._failures = 0
        self._segments: list[tuple[int, str]] = []  # from which offset on whom, neighbours only
        self._got_at = 0.0  # when bytes came last, or the source was asked
        self._span_at = 0.0  # beginning of the span in which the rate is looked at
        self._bytes_at = 0  # offset at that moment
        self._is_starved = False  # in that span the source has said that it has nothing

    @property
    def is_complete(self) -> bool:
        """Say whether every byte is here."""
        return self.offset == self.size

    @property
    def asks_neighbour(self) -> bool:
        """Say whether the source under way is a neighbour."""
        return self.source is not None and self.source in self._neighbours

    def next_source(self, now: float) -> str | None:
        """Whom to ask now, from `offset` on; None while one is under way or a pause lasts."""
        if self.source is not None or now < self.pause_until:
            return None
        return (self._neighbours or self._users)[0]

    def asked(self, request: int, now: float) -> None:
        """Note that the source named by `next_source` has been asked."""
        self.source = (self._neighbours or self._users)[0]
        self.request = request
        self.heard_at = self._got_at = now
        self._segments.append((self.offset, self.source if self._neighbours else ""))
        self._begin_span(now)

    def take(self, request: int, offset: int, count: int, now: float) -> bool:
        """Note a piece; False if it is not the next one of the request under way."""
        if request != self.request or self.source is None:
            return False
        if offset != self.offset or offset + count > self.size:
            return False
        self.offset += count
        self.heard_at = self._got_at = now
        return True

    def heard(self, now: float) -> None:
        """Note that the source is there and has nothing to send at the moment."""
        self.heard_at = now
        self._is_starved = True

    def refer(self, neighbours: Sequence[str], now: float) -> None:
        """Note that the user under way names these instead of sending; failed ones do not count."""
        self.source = None
        self.request = -1
        self._neighbours = [each for each in neighbours if each not in self.failed_neighbours]
        if not self._neighbours:
            self.pause(now)  # or the two of us would go on like this as fast as the line allows

    def add_users(self, users: Sequence[str]) -> None:
        """Note further users that have the blob; they are asked before the ones known."""
        self._users[:0] = [each for each in users if each not in self._users]

    def failed(self, now: float) -> None:
        """Note that the source under way does not serve: the next one's turn, or a pause."""
        is_neighbour = self.asks_neighbour
        self.source = None
        self.request = -1
        if is_neighbour:
            self.failed_neighbours.append(self._neighbours.pop(0))
        elif len(self._users) > 1:
            del self._users[0]
        else:
            self.pause(now)

    def interrupted(self, now: float) -> None:
        """Note that the source under way was lost through nobody's fault: it is asked again."""
        self.source = None
        self.request = -1
        self.pause_until = now

    def pause(self, now: float) -> None:
        """Ask nobody for a while, longer each time."""
        pause_s = min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S)
        self._failures += 1
        self.pause_until = now + pause_s

    def start_again(self, now: float, offset: int = 0, until: int | None = None) -> None:
        """Note that what has arrived from `offset` to `until` is wrong: it is asked for again.

        Neighbours that have sent any of it are not asked any more, whoever else is to blame.
        """
        culprits = self._senders(offset, self.size if until is None else until)
        self.offset = offset
        self._segments = [segment for segment in self._segments if segment[0] < offset]
        source = self.source
        if not culprits or (source is not None and source in culprits):
            self.failed(now)
        else:
            self.interrupted(now)
        for each in culprits:
            if each in self._neighbours:
                self._neighbours.remove(each)
            if each not in self.failed_neighbours:
                self.failed_neighbours.append(each)

    def _senders(self, start: int, end: int) -> list[str]:
        """Return the neighbours that have sent anything between two offsets."""
        ends = [segment[0] for segment in self._segments[1:]] + [self.offset]
        return [
            who
            for (first, who), last in zip(self._segments, ends, strict=True)
            if who and first < end and last > start
        ]

    def is_stalled(self, now: float) -> bool:
        """Say whether the source under way is to be left."""
        if self.source is None:
            return False
        if not self.asks_neighbour:
            return now - self.heard_at >= self.stall_after_s
        if now - self.heard_at >= NEIGHBOUR_STALL_S or now - self._got_at >= STARVED_S:
            return True
        return self._is_slow(now)

    def next_deadline(self) -> float | None:
        """When something is due if nothing arrives."""
        if self.source is None:
            return self.pause_until
        if not self.asks_neighbour:
            return self.heard_at + self.stall_after_s
        span_s = STARVED_SPAN_S if self._is_starved else SLOW_SPAN_S
        return min(
            self.heard_at + NEIGHBOUR_STALL_S, self._got_at + STARVED_S, self._span_at + span_s
        )

    def _is_slow(self, now: float) -> bool:
        span_s = now - self._span_at
        # One that waits for the blob itself is given more time, but not for ever either.
        if span_s < (STARVED_SPAN_S if self._is_starved else SLOW_SPAN_S):
            return False
        is_slow = self.offset - self._bytes_at < SLOWEST_BYTES_PER_S * span_s
        self._begin_span(now)
        return is_slow

    def _begin_span(self, now: float) -> None:
        self._span_at = now
        self._bytes_at = self.offset
        self._is_starved = False
