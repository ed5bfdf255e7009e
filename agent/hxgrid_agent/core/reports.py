"""What users and people are told of the agent's state."""

from __future__ import annotations

from dataclasses import dataclass

from hxgrid.wire.messages import AgentState, AttemptProgress, Load, SlotTrouble
from hxgrid_agent.core.events import ProgressReported
from hxgrid_agent.core.session import Session
from hxgrid_agent.core.suspension import Suspension
from hxgrid_agent.core.table import Table

_PROGRESS_AT_ONCE = 1000
"""Reports of running attempts in one `Load`; there are as many as slots, at most."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The agent in a few numbers, for the coordinator and for people."""

    state: AgentState
    reason: str
    free_cpu: float
    own_cpu: float
    free_memory_bytes: int
    running: int
    waiting: int
    sessions: tuple[str, ...]


class Reports:
    """Tells the users of load, progress and stopped slots."""

    def __init__(self, table: Table, suspension: Suspension) -> None:
        self._table = table
        self._suspension = suspension
        self._load_at = 0.0

    def progressed(self, session: Session, event: ProgressReported) -> None:
        """Keep the newest report of an attempt for the next `Load`."""
        if event.key in session.attempts:
            session.progress[event.key] = AttemptProgress(
                task=event.key[0],
                attempt=event.key[1],
                fraction=min(max(event.fraction, 0.0), 1.0),
                text=event.text[:1024],
            )

    def tick(self, now: float) -> None:
        """Tell everybody, if it is time or something has changed."""
        table = self._table
        if not table.is_load_due and now < self._load_at:
            return
        table.is_load_due = False
        self._load_at = now + table.settings.status_s
        for session in table.sessions.values():
            if not session.is_ending:
                table.send(session.peer, self.load_of(session))

    def tell_now(self, now: float) -> None:
        """Tell everybody at once."""
        self._table.is_load_due = True
        self.tick(now)

    def next_deadline(self) -> float | None:
        """When the next `Load` is due."""
        return self._load_at if self._table.sessions else None

    def load_of(self, session: Session) -> Load:
        """Describe the agent as this session sees it, with the last report of all that runs."""
        table = self._table
        sample = table.sample
        running = {key for process in session.held.values() for key in process.handed}
        session.progress = {k: told for k, told in session.progress.items() if k in running}
        return Load(
            state=self._suspension.state,
            reason=table.reason,
            free_cpu=max(sample.free_cpu, 0.0),
            free_memory_bytes=min(max(sample.free_memory_bytes, 0), 1 << 40),
            sessions=max(1, sum(1 for s in table.sessions.values() if s.held or s.queued)),
            progress=tuple(session.progress.values())[:_PROGRESS_AT_ONCE],
            suspected=tuple(
                SlotTrouble(task=key[0], attempt=key[1])
                for process in session.held.values()
                if process.is_suspected
                for key in process.handed
            ),
        )

    def summary(self, problem: str) -> Summary:
        """Describe the agent as people see it."""
        table = self._table
        sample = table.sample
        return Summary(
            state=self._suspension.state,
            reason=table.reason or problem,
            free_cpu=max(sample.free_cpu, 0.0),
            own_cpu=max(sample.own_cpu, 0.0),
            free_memory_bytes=min(max(sample.free_memory_bytes, 0), 1 << 40),
            running=sum(1 for s in table.sessions.values() for p in s.held.values() if p.handed),
            waiting=table.waiting,
            sessions=tuple(s.who for s in table.sessions.values() if not s.is_ending),
        )
