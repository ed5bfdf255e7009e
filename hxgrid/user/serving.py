"""Serving the session's blobs to its agents, and bringing agents together that have them.

Who is served by whom is decided by `hxgrid.blobs.spread`; here its decisions become messages and
transfers. An agent that is referred to a neighbour is told where that is and how to know it; the
neighbour, where keys are used, is told before whose key to let in.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hxgrid.blobs.spread import Ask, Decision, Refer, Serve, Spread, Wait
from hxgrid.clock import Clock
from hxgrid.user.agent_link import AgentLink
from hxgrid.user.blobs import BlobShelf
from hxgrid.wire.limits import MAX_CHUNK_DIGESTS
from hxgrid.wire.messages import (
    BlobAnswer,
    BlobDone,
    BlobHeld,
    BlobRequest,
    ExpectNeighbour,
    Neighbour,
)

STUCK_S: Final = 2.0
"""A transfer of which nothing was taken in for so long does not keep others waiting."""

LOOK_S: Final = 1.0


@dataclass(slots=True)
class _Sending:
    """One transfer to an agent."""

    request: int
    taken_bytes: int
    """Of all bulk to that agent, when that changed last:"""
    since: float


class BlobServer:
    """Answers what agents ask for blobs. Belongs to the loop's thread."""

    def __init__(self, shelf: BlobShelf, links: Mapping[str, AgentLink], clock: Clock) -> None:
        self._shelf = shelf
        self._links = links
        self._clock = clock
        self._spread = Spread()
        self._sending: dict[tuple[str, str], _Sending] = {}
        """Transfers under way, by agent and digest."""
        self._look_at: float | None = None

    def joined(self, agent: str, neighbours_served: int) -> None:
        """An agent's session is open."""
        self._spread.joined(agent, neighbours_served)

    def renewed(self, agent: str) -> None:
        """An agent's connection was lost and is being opened again."""
        self._forget(agent)
        self._carry_out(self._spread.renewed(agent))

    def gone(self, agent: str) -> None:
        """An agent is connected no longer."""
        self._forget(agent)
        self._carry_out(self._spread.gone(agent))

    def asked(self, link: AgentLink, request: BlobRequest) -> None:
        """An agent asks for a blob."""
        answer, content = self._shelf.answer(request)
        if content is None:
            link.send(answer)
            return
        before = self._sending.pop((link.agent, request.digest), None)
        if before is not None:
            link.stop_blob(before.request)
        ask = Ask(
            link.agent,
            request.request,
            request.digest,
            len(content),
            request.offset,
            request.failed,
        )
        self._carry_out(self._spread.asked(ask, self._clock.now()))

    def held(self, link: AgentLink, message: BlobHeld) -> None:
        """An agent has a blob."""
        content = self._shelf.content(message.digest)
        if content is not None:
            self._spread.held(link.agent, message.digest, len(content))

    def sent(self, link: AgentLink, request: int) -> None:
        """A transfer has arrived at an agent, or nearly."""
        self._end(link.agent, request)
        self._carry_out(self._spread.sent(link.agent, request))

    def done(self, link: AgentLink, message: BlobDone) -> None:
        """An agent wants no more of what it has asked for."""
        if self._end(link.agent, message.request):
            link.stop_blob(message.request)
        self._carry_out(self._spread.given_up(link.agent, message.request))

    def tick(self, now: float) -> None:
        """Remind those who wait that they are not forgotten; pass over those that do not read."""
        self._carry_out(self._spread.tick(now))
        if self._look_at is None or now < self._look_at:
            return
        for (agent, _), each in list(self._sending.items()):
            link = self._links.get(agent)
            if link is None or link.taken_bytes != each.taken_bytes:
                each.taken_bytes = link.taken_bytes if link is not None else 0
                each.since = now
            elif now >= each.since + STUCK_S:
                # A stopped computer: its transfer goes on when it does, but nobody waits for it.
                self._carry_out(self._spread.sent(agent, each.request))
        self._look_at = now + LOOK_S if self._sending else None

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted."""
        remind_at = self._spread.next_deadline()
        if remind_at is None or self._look_at is None:
            return self._look_at if remind_at is None else remind_at
        return min(remind_at, self._look_at)

    # -- inside

    def _carry_out(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            ask = decision.ask
            link = self._links.get(ask.agent)
            if link is None or not link.is_open:
                continue  # it asks again when it is back
            match decision:
                case Serve():
                    self._serve(link, ask)
                case Refer(_, neighbour):
                    self._refer(link, ask, neighbour)
                case Wait():
                    link.send(BlobAnswer(request=ask.request, found=True, bytes=ask.size))

    def _serve(self, link: AgentLink, ask: Ask) -> None:
        content = self._shelf.content(ask.digest)
        if content is None:
            text = "the session does not have this blob any more"
            link.send(BlobAnswer(request=ask.request, found=False, text=text))
            self._carry_out(self._spread.sent(ask.agent, ask.request))
            return
        link.send(self._answer(ask))
        if ask.offset >= len(content):
            self._carry_out(self._spread.sent(ask.agent, ask.request))
            return
        now = self._clock.now()
        self._sending[ask.agent, ask.digest] = _Sending(ask.request, link.taken_bytes, now)
        if self._look_at is None:
            self._look_at = now + LOOK_S
        link.add_blob(ask.request, content, ask.offset)

    def _refer(self, link: AgentLink, ask: Ask, neighbour: str) -> None:
        other = self._links[neighbour]
        if link.entry.public_key:
            other.send(ExpectNeighbour(agent=ask.agent, public_key=link.entry.public_key))
        entry = other.entry
        there = Neighbour(
            agent=neighbour, addresses=entry.addresses[:64], public_key=entry.public_key
        )
        link.send(self._answer(ask).model_copy(update={"elsewhere": (there,)}))

    def _answer(self, ask: Ask) -> BlobAnswer:
        chunks = self._shelf.chunks(ask.digest)
        listed = b"".join(chunks) if len(chunks) <= MAX_CHUNK_DIGESTS else b""
        return BlobAnswer(
            request=ask.request,
            found=True,
            bytes=ask.size,
            chunks=base64.b64encode(listed).decode("ascii"),
        )

    def _end(self, agent: str, request: int) -> bool:
        """Count a transfer as over; False if it is not under way."""
        found = [
            key
            for key, each in self._sending.items()
            if key[0] == agent and each.request == request
        ]
        for key in found:
            del self._sending[key]
        return bool(found)

    def _forget(self, agent: str) -> None:
        self._sending = {key: each for key, each in self._sending.items() if key[0] != agent}
