"""Rounds in which every agent is asked to drop what it has of a session, and to say so.

A `CancelAll` or a `Goodbye` goes to all agents at once; each answers `Ended` when nothing of the
session runs there any more. A round is over when all have answered or its time is. Agents that
could not be told, or have not answered, are named: they drop the session when its lease ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hxgrid.user.agent_link import AgentLink
from hxgrid.wire.messages import Document, Goodbye

OnOver = Callable[[list[str]], None]
"""Gets the names of agents that have not confirmed."""


class _Round:
    """One message on its way round the agents."""

    def __init__(self, request: int | None, deadline: float, on_over: OnOver) -> None:
        self.request = request
        self.deadline = deadline
        self.on_over = on_over
        self.waiting: dict[str, AgentLink] = {}  # by boot id
        self.missed: list[str] = []  # names of agents that could not be told


class Clearings:
    """The rounds under way. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._rounds: list[_Round] = []

    def __bool__(self) -> bool:
        return bool(self._rounds)

    def start(
        self,
        message: Document,
        request: int | None,
        links: Iterable[AgentLink],
        unreachable: Iterable[str],
        deadline: float,
        on_over: OnOver,
    ) -> None:
        """Send `message` to all; those in `unreachable` (names) count as missed from the start."""
        one = _Round(request, deadline, on_over)
        one.missed.extend(unreachable)
        for link in links:
            # A Goodbye also goes where Hello is not answered yet: it has opened the session there.
            if (link.is_open or isinstance(message, Goodbye)) and link.send(message):
                one.waiting[link.agent] = link
            else:
                one.missed.append(link.name)
        self._rounds.append(one)
        self._end_if_clear(one)

    def take_ended(self, link: AgentLink, request: int | None) -> None:
        """An agent has confirmed."""
        for one in list(self._rounds):
            if one.request == request and link.agent in one.waiting:
                del one.waiting[link.agent]
                self._end_if_clear(one)

    def take_loss(self, link: AgentLink) -> None:
        """An agent has gone before it confirmed."""
        for one in list(self._rounds):
            if one.waiting.pop(link.agent, None) is not None:
                one.missed.append(link.name)
                self._end_if_clear(one)

    def tick(self, now: float) -> None:
        """End the rounds whose time is over."""
        for one in list(self._rounds):
            if now >= one.deadline:
                self._end(one)

    def next_deadline(self) -> float:
        """Return when `tick` is wanted; only while there are rounds."""
        return min(one.deadline for one in self._rounds)

    def _end_if_clear(self, one: _Round) -> None:
        if not one.waiting:
            self._end(one)

    def _end(self, one: _Round) -> None:
        if one in self._rounds:
            self._rounds.remove(one)
            one.on_over(one.missed + [link.name for link in one.waiting.values()])
