"""Agents in an order that changes all the time, without ever sorting them all."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from hxgrid.user.core.agentview import AgentView

_Entry = tuple[int, float, int, int, AgentView]


class Ranking:
    """A heap of agents. A changed key adds an entry; outdated ones are skipped when they come up.

    Ties go to the agent that became known first.
    """

    __slots__ = ("_current", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._current: dict[AgentView, _Entry] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._current)

    def __contains__(self, agent: AgentView) -> bool:
        return agent in self._current

    def __iter__(self) -> Iterator[AgentView]:
        return iter(self._current)

    def put(self, agent: AgentView, tier: int, load: float) -> None:
        """Place an agent at (tier, load), wherever it was before; smaller comes first."""
        known = self._current.get(agent)
        if known is not None and known[0] == tier and known[1] == load:
            return
        self._serial += 1
        entry = (tier, load, agent.index, self._serial, agent)
        self._current[agent] = entry
        if len(self._current) == 1:
            self._heap = [entry]  # all others are outdated
            return
        heap = self._heap
        heappush(heap, entry)
        if len(heap) > 64 + 4 * len(self._current):
            self._heap = list(self._current.values())
            heapify(self._heap)

    def drop(self, agent: AgentView) -> None:
        """Take an agent out, if it is in."""
        self._current.pop(agent, None)

    def best(self) -> AgentView | None:
        """Return the first agent and leave it in."""
        heap, current = self._heap, self._current
        while heap:
            serial, agent = heap[0][3], heap[0][4]
            known = current.get(agent)
            if known is not None and known[3] == serial:
                return agent
            heappop(heap)
        return None
