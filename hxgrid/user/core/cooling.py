"""Agents that fail tasks which others can do are left alone for a while (black holes).

The proof against an agent is a task that failed there and was good elsewhere, with no good result
of that function from there since. A row of failures in a function that others have done is taken
for proof as well: a black hole is the fastest agent of all and would burn the queue meanwhile.
Each pause is twice as long as the one before; after it the agent is on parole with one task at a
time until one is good. The last fit agent is never cooled: a poor one is better than none.
"""

from __future__ import annotations

from typing import Final

from hxgrid.user.core.agentview import AgentView
from hxgrid.user.core.state import DispatchState

MIN_ROW: Final = 3
"""Failures in a row that count as proof, if that many slots could have failed at once."""
MAX_DOUBLINGS: Final = 8
_FAILED: Final = "failed tasks that others can do"
_WRONG: Final = "gave another result than two other agents"


class Cooling:
    """Watches good and failed attempts per agent."""

    __slots__ = ("_state",)

    def __init__(self, state: DispatchState) -> None:
        self._state = state

    def note_good(self, agent: AgentView) -> None:
        """End an agent's parole."""
        agent.on_parole = False
        agent.cooling_count = 0

    def note_failure(self, agent: AgentView, function: int, now: float) -> None:
        """Count a failed attempt, and cool its agent if that proves enough."""
        own = agent.estimate_of(function)
        own.failed_in_row += 1
        done_elsewhere = self._state.estimate_of(function).count > own.count
        row = max(MIN_ROW, agent.slots)
        if agent.on_parole or (done_elsewhere and own.failed_in_row >= row):
            self._cool(agent, now)

    def blame(self, agent: AgentView, function: int, now: float) -> None:
        """Note that a task which failed there was good elsewhere."""
        if agent.estimate_of(function).failed_in_row:
            self._cool(agent, now)

    def accuse(self, agent: AgentView, now: float) -> None:
        """Note that two agents contradict its result."""
        agent.must_prove = True
        self._cool(agent, now, _WRONG)

    def thaw(self, agent: AgentView) -> None:
        """Try an agent again, with one task."""
        self._state.timers.clear(("thaw", agent.agent))
        agent.cooling_until = 0.0
        agent.on_parole = True
        agent.window = 1
        self._state.reassess(agent)

    def thaw_if_needed(self) -> None:
        """If no fit agent is left, try the cooling one whose pause ends first."""
        if self._state.fit_count:
            return
        cooling = [each for each in self._state.agents.values() if each.cooling_until > 0.0]
        if cooling:
            self.thaw(min(cooling, key=lambda each: (each.cooling_until, each.index)))

    def _cool(self, agent: AgentView, now: float, why: str = _FAILED) -> None:
        state = self._state
        if agent.cooling_until > 0.0 or state.fit_count - agent.is_fit < 1:
            return
        pause_s = state.settings.cooling_s * 2.0 ** min(agent.cooling_count, MAX_DOUBLINGS)
        agent.cooling_count += 1
        agent.cooling_until = now + pause_s
        agent.cooling_reason = why
        agent.on_parole = False
        state.timers.set(("thaw", agent.agent), agent.cooling_until)
        state.reassess(agent)
