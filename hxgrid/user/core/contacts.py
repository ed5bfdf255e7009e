"""Agents come, go, fall silent and return: who is connected, suspected, given up, tried again.

Silence is measured from the last message of any kind and looked at in sweeps: after `heartbeat_s` a
PING, after `suspect_after_s` its attempts are in doubt, after `lost_after_s` they are given up and
the connection is closed. An agent that is still in the roster is then tried again, with growing
pauses, if it is needed (`demand`). Leaving the roster does not end a connection. If *we* were
stopped (a laptop that slept), nobody was silent: a sweep that comes late moves all last signs of
life by its delay.

An agent that resumes the session first tells what it holds. What it does not hold of what was sent
before we asked never arrived (two questions may overlap, and attempts be sent between them). What
it holds and we have given up counts again if its task still waits for a result; what nobody wants
any more is stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from hxgrid.user.core.actions import ConnectAgent, DisconnectAgent
from hxgrid.user.core.agentview import AgentView, Contact
from hxgrid.user.core.demand import NOT_NEEDED, Demand
from hxgrid.user.core.endings import LOST, Endings
from hxgrid.user.core.events import (
    AgentCleared,
    AgentLoadChanged,
    AgentRefused,
    AgentsHeard,
    AgentUnreachable,
    AgentWelcomed,
    ConnectionRenewed,
    ContactEvent,
    HoldingsArrived,
    RosterChanged,
)
from hxgrid.user.core.state import DispatchState
from hxgrid.user.core.task import Attempt, AttemptState, TaskState
from hxgrid.wire.batches import Key
from hxgrid.wire.messages import RosterEntry

SWEEPS_PER_HEARTBEAT: Final = 2.0
FIRST_RECONNECT_S: Final = 0.25
LONGEST_RECONNECT_S: Final = 10.0
RETRIED_REFUSALS: Final = frozenset({"busy", "draining"})
"""Reasons that pass by themselves; of the others somebody must change something."""
ROUND_TRIP_WEIGHT: Final = 0.2


class Contacts:
    """Roster, connections and liveness."""

    __slots__ = ("_demand", "_endings", "_state", "_swept_at")

    def __init__(self, state: DispatchState, endings: Endings) -> None:
        self._state = state
        self._endings = endings
        self._swept_at: float | None = None
        self._demand = Demand(state)

    def take(self, event: ContactEvent, now: float) -> None:
        """Take in one fact about an agent."""
        match event:
            case RosterChanged():
                self._take_roster(event)
            case AgentWelcomed():
                self._take_welcome(event, now)
            case HoldingsArrived():
                self._take_holdings(event, now)
            case ConnectionRenewed():
                self._take_renewal(event.agent, now)
            case AgentCleared():
                self._take_cleared(event.agent, now)
            case AgentRefused():
                self._take_refusal(event, now)
            case AgentUnreachable():
                self._take_unreachable(event.agent, event.reason, now)
            case AgentLoadChanged():
                self._take_load(event, now)
            case AgentsHeard():
                self._take_heard(event.agents, now)
            case _:
                assert_never(event)

    def check(self) -> None:
        """Assert that connections are counted as they are."""
        self._demand.check()

    # ------------------------------------------------------------------ roster

    def _take_roster(self, event: RosterChanged) -> None:
        """Learn of agents that joined, changed or left."""
        for entry in event.entries:
            self._take_entry(entry)
        left = list(event.left)
        if event.is_whole:
            present = {entry.agent for entry in event.entries}
            left += [name for name in self._state.agents if name not in present]
        for name in left:
            agent = self._state.agents.get(name)
            if agent is not None:
                agent.in_roster = False
                self._forget_if_gone(agent)

    def _take_entry(self, entry: RosterEntry) -> None:
        agent = self._state.agents.get(entry.agent)
        if agent is None:
            agent = self._add(entry.agent, entry)
        else:
            if agent.entry != entry and agent.contact is Contact.ABSENT:
                agent.refused_for_good = False
                agent.connect_tries = 0
                self._state.timers.clear(("connect", agent.agent))
            agent.entry, agent.in_roster = entry, True
        if not self._state.timers.is_set(("connect", agent.agent)):
            self.connect(agent)

    def _add(self, name: str, entry: RosterEntry | None) -> AgentView:
        state = self._state
        agent = state.agents[name] = AgentView(name, state.next_index, entry)
        agent.min_free_cpu = state.settings.agent_min_free_cpu
        state.next_index += 1
        return agent

    # ------------------------------------------------------------------ connecting

    def connect(self, agent: AgentView) -> None:
        """Open a connection if there is none, none is being made, and one is left."""
        if agent.contact is not Contact.ABSENT or agent.refused_for_good:
            return
        if agent.entry is None or not agent.in_roster:
            return
        why_not = self._demand.why_not()
        if why_not:
            agent.reason = why_not
            self._demand.sleeping[agent.agent] = None
            return
        self._dial(agent)

    def _dial(self, agent: AgentView) -> None:
        if agent.contact is not Contact.ABSENT or agent.entry is None or not agent.in_roster:
            return
        self._demand.sleeping.pop(agent.agent, None)
        self._turn(agent, Contact.CONNECTING)
        agent.asked_about = dict.fromkeys(agent.held)
        self._state.orders.connects.append(ConnectAgent(agent.entry))
        self._state.reassess(agent)

    def _turn(self, agent: AgentView, contact: Contact) -> None:
        self._demand.note(agent, contact)
        agent.contact = contact

    def _connect_later(self, agent: AgentView, now: float) -> None:
        pause_s = min(FIRST_RECONNECT_S * 2.0 ** min(agent.connect_tries, 16), LONGEST_RECONNECT_S)
        agent.connect_tries += 1
        pause_s *= 0.75 + 0.5 * self._state.jitter.next()
        self._state.timers.set(("connect", agent.agent), now + pause_s)
        self.follow_demand()

    def follow_demand(self) -> None:
        """Connect to further agents, if what there is to do needs them."""
        if self._demand.sleeping:
            self._demand.wake(self._dial)

    def _take_refusal(self, event: AgentRefused, now: float) -> None:
        """An agent is there but does not let us in."""
        agent = self._state.agents.get(event.agent)
        if agent is not None:
            agent.refused_for_good = event.code not in RETRIED_REFUSALS
            self._lose_contact(agent, f"refused ({event.code}): {event.text}", now)

    def _take_unreachable(self, name: str, reason: str, now: float) -> None:
        """There is no connection to an agent, or no longer."""
        agent = self._state.agents.get(name)
        if agent is not None and agent.contact is not Contact.ABSENT:
            self._lose_contact(agent, reason, now)

    def _lose_contact(self, agent: AgentView, reason: str, now: float) -> None:
        self._turn(agent, Contact.ABSENT)
        agent.reason = reason
        self._state.orders.forget_agent(agent.agent)
        self._state.reassess(agent)
        if agent.in_roster and not agent.refused_for_good:
            self._connect_later(agent, now)
        self._forget_if_gone(agent)
        self.follow_demand()

    def _forget_if_gone(self, agent: AgentView) -> None:
        if agent.in_roster or agent.held or agent.is_connected:
            return
        state = self._state
        if agent.contact is Contact.CONNECTING:
            state.orders.disconnects.append(DisconnectAgent(agent.agent, "left the roster"))
            self._turn(agent, Contact.ABSENT)
            self.follow_demand()
        for timer in ("connect", "thaw"):
            state.timers.clear((timer, agent.agent))
        state.reassess(agent)
        state.ready.drop(agent)
        state.fresh.pop(agent, None)
        self._demand.sleeping.pop(agent.agent, None)
        del state.agents[agent.agent]

    # ------------------------------------------------------------------ sessions at agents

    def _take_welcome(self, event: AgentWelcomed, now: float) -> None:
        """A session is open at an agent, new or resumed."""
        state, welcome = self._state, event.welcome
        agent = state.agents.get(event.agent) or self._add(event.agent, None)
        self._demand.note_slots(agent, welcome.slots)
        agent.capabilities, agent.slots = welcome.capabilities, welcome.slots
        agent.busy_at = now
        agent.load = welcome.load
        agent.unmet.clear()
        agent.pending_bytes = 0
        agent.heard_at = now
        agent.connect_tries, agent.reason = 0, ""
        state.timers.clear(("connect", agent.agent))
        agent.window = 1 if agent.on_parole else max(agent.window, agent.slots + 1)
        self._turn(agent, Contact.RECONCILING if welcome.resumed else Contact.OPEN)
        if welcome.resumed:
            self._set_reconcile_limit(agent, now)
        else:
            self._lose_all(agent, "the agent no longer knew the session", now)
        if self._swept_at is None:
            self._swept_at = now
        state.reassess(agent)
        self.follow_demand()

    def _take_renewal(self, name: str, now: float) -> None:
        """A connection was renewed: hold back until the agent has told what it holds."""
        agent = self._state.agents.get(name)
        if agent is not None and agent.is_connected:
            self._turn(agent, Contact.RECONCILING)
            agent.asked_about = dict.fromkeys(agent.held)
            agent.heard_at = now
            self._set_reconcile_limit(agent, now)
            self._state.reassess(agent)

    def _set_reconcile_limit(self, agent: AgentView, now: float) -> None:
        key = ("reconcile", agent.agent)
        self._state.timers.set(key, now + self._state.settings.lost_after_s)

    def _take_holdings(self, event: HoldingsArrived, now: float) -> None:
        """Compare what a resumed agent holds with what we believe it does."""
        state = self._state
        agent = state.agents.get(event.agent)
        if agent is None or agent.contact is not Contact.RECONCILING:
            return
        state.timers.clear(("reconcile", agent.agent))
        agent.heard_at = now
        self._turn(agent, Contact.OPEN)
        there = set(event.keys)
        for attempt, task in list(agent.held.items()):
            if attempt in agent.asked_about and (task.id, attempt.number) not in there:
                self._endings.lose(attempt, task, "it never arrived at the agent", now, sure=True)
        for key in event.keys:
            self._take_held(agent, key)
        state.reassess(agent)

    def _take_held(self, agent: AgentView, key: Key) -> None:
        attempt = self._find(agent, key)
        if attempt is not None and attempt in agent.held:
            if attempt.state is AttemptState.RECALLED:
                attempt.state = AttemptState.SENT
            if attempt.state is not AttemptState.STOPPING:
                return
        elif attempt is not None and attempt.outcome == LOST:
            task = self._state.tasks[key[0]]
            if task.state in (TaskState.WAITING, TaskState.RUNNING):
                self._endings.revive(attempt, task)
                return
        self._state.orders.cancel(agent.agent, key)

    def _find(self, agent: AgentView, key: Key) -> Attempt | None:
        task = self._state.tasks.get(key[0])
        if task is None or not 0 < key[1] <= len(task.attempts):
            return None
        attempt = task.attempts[key[1] - 1]
        return attempt if attempt.agent == agent.agent else None

    def _take_cleared(self, name: str, now: float) -> None:
        """An agent has dropped everything that was to stop."""
        agent = self._state.agents.get(name)
        if agent is None:
            return
        for attempt, task in list(agent.held.items()):
            if attempt.state is AttemptState.STOPPING:
                self._state.detach(attempt, now)
                attempt.outcome, attempt.reason = "CANCELLED", "stopped on request"
                self._state.forget_if_over(task)
        self._state.refresh(agent)

    # ------------------------------------------------------------------ load and life

    def _take_load(self, event: AgentLoadChanged, now: float) -> None:
        """An agent told of its state, memory and stuck slots."""
        agent = self._state.agents.get(event.agent)
        if agent is None:
            return
        agent.load = event.load
        agent.pending_bytes = 0
        found = [self._find(agent, (each.task, each.attempt)) for each in event.load.suspected]
        troubled = {each: None for each in found if each is not None and each in agent.held}
        changed = [
            each
            for each in (*agent.troubled, *troubled)
            if (each in agent.troubled) != (each in troubled)
        ]
        agent.troubled = troubled
        self._state.reassess(agent)
        for attempt in changed:
            self._state.review(agent.held[attempt])
        self.hear(agent, now)

    def _take_heard(self, agents: Sequence[tuple[str, float | None]], now: float) -> None:
        """Messages arrived from these agents."""
        for name, round_trip_s in agents:
            agent = self._state.agents.get(name)
            if agent is None:
                continue
            self.hear(agent, now)
            if round_trip_s is not None and round_trip_s >= 0.0:
                agent.round_trip_s += (round_trip_s - agent.round_trip_s) * ROUND_TRIP_WEIGHT

    def hear(self, agent: AgentView, now: float) -> None:
        """Note a sign of life."""
        agent.heard_at = now
        if agent.contact is Contact.SUSPECTED:
            self._turn(agent, Contact.OPEN)
            self._state.reassess(agent)

    # ------------------------------------------------------------------ silence

    def next_sweep_at(self) -> float | None:
        """Return when silence must be looked at; None while nobody could be silent."""
        if self._swept_at is None:
            return None
        return self._swept_at + self._interval_s()

    def _interval_s(self) -> float:
        return self._state.settings.heartbeat_s / SWEEPS_PER_HEARTBEAT

    def sweep(self, now: float) -> None:
        """Look for silence."""
        assert self._swept_at is not None
        delay_s = now - self._swept_at - self._interval_s()
        self._swept_at = now
        settings = self._state.settings
        is_watching = False
        for agent in list(self._state.agents.values()):
            if not agent.is_connected and not agent.held:
                continue
            is_watching = True
            if delay_s > settings.heartbeat_s:
                agent.heard_at = min(agent.heard_at + delay_s, now)
            silent_s = now - agent.heard_at
            # Half a sweep early rather than half a sweep late.
            if silent_s + 0.5 * self._interval_s() >= settings.heartbeat_s:
                self._take_silence(agent, silent_s, now)
        if not is_watching:
            self._swept_at = None
        elif self._demand.sleeping and len(self._state.lanes):
            self._demand.wake_suiting(self._dial)
        else:
            self._close_idle(now)

    def _close_idle(self, now: float) -> None:
        for agent in self._demand.idle(now):
            self._turn(agent, Contact.ABSENT)
            agent.reason = NOT_NEEDED
            self._demand.sleeping[agent.agent] = None
            self._state.orders.disconnects.append(
                DisconnectAgent(agent.agent, NOT_NEEDED, is_idle=True)
            )
            self._state.reassess(agent)

    def _take_silence(self, agent: AgentView, silent_s: float, now: float) -> None:
        settings = self._state.settings
        if silent_s >= settings.lost_after_s:
            self._give_up(agent, f"nothing was heard for {silent_s:.1f} s", now)
            return
        if silent_s >= settings.suspect_after_s and agent.contact is Contact.OPEN:
            self._turn(agent, Contact.SUSPECTED)
            self._state.reassess(agent)
        if agent.is_connected and now - agent.pinged_at >= 0.75 * settings.heartbeat_s:
            agent.pinged_at = now
            self._state.orders.pings.append(agent.agent)

    def give_up_reconciling(self, name: str, now: float) -> None:
        """An agent never told what it holds: start over with it."""
        agent = self._state.agents.get(name)
        if agent is not None and agent.contact is Contact.RECONCILING:
            self._give_up(agent, "it did not tell what it holds", now)

    def _give_up(self, agent: AgentView, why: str, now: float) -> None:
        was_connected = agent.is_connected
        if was_connected:
            self._turn(agent, Contact.ABSENT)
            agent.reason = why
            self._state.orders.forget_agent(agent.agent)
            self._state.orders.disconnects.append(DisconnectAgent(agent.agent, why))
        self._lose_all(agent, f"the agent was lost: {why}", now)
        self._state.reassess(agent)
        if was_connected and agent.in_roster:
            self._connect_later(agent, now)
        self._forget_if_gone(agent)

    def _lose_all(self, agent: AgentView, why: str, now: float) -> None:
        for attempt, task in list(agent.held.items()):
            self._endings.lose(attempt, task, why, now, sure=False)
