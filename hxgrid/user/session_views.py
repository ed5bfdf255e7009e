"""What a session can tell of itself: its connections, its tasks, and why they are not further."""

from __future__ import annotations

from typing import NamedTuple

from hxgrid.user.core.explain import Explanation
from hxgrid.user.journal import JournalStatus
from hxgrid.user.session_life import SessionLife
from hxgrid.user.verifying import VerificationReport, report_of


class ConnectionStatus(NamedTuple):
    """What `Session.connection_status` tells."""

    connected_to_coordinator: bool
    """Whether the coordinator answers; a running session does without it."""
    connected_agents: int
    """Agents where this session is open."""
    slots: int
    """Slots of these agents, for all their users together."""
    grid: str
    """Name of the grid; empty if it has none."""


class SessionViews(SessionLife):
    """The questions that a session answers. See `Session`."""

    @property
    def connection_status(self) -> ConnectionStatus:
        """How the session is connected at the moment."""
        self._check_usable()
        roster = self._engine.roster
        links = [link for link in list(self._engine.driver.links.values()) if link.is_open]
        return ConnectionStatus(
            connected_to_coordinator=roster is not None and roster.is_linked,
            connected_agents=len(links),
            slots=sum(link.slots for link in links),
            grid=roster.grid if roster is not None else "",
        )

    def slot_count(self) -> int:
        """Return the slots of the agents connected now."""
        return sum(link.slots for link in list(self._engine.driver.links.values()) if link.is_open)

    @property
    def journal_status(self) -> JournalStatus | None:
        """How the journal stands; None if the session has none. Usable after `close()` too."""
        return None if self._journal is None else self._journal.status

    @property
    def verification(self) -> VerificationReport:
        """What has come of verifying tasks. Usable after `close()` too."""
        return report_of(self._engine.driver.dispatcher.verdicts, self.names)

    def explain(self) -> list[Explanation]:
        """Say in one sentence each why tasks wait and why agents get no work."""
        self._check_usable()
        engine = self._engine
        texts = engine.ask(lambda: engine.driver.dispatcher.explain(engine.clock.now()))
        if self._journal is not None:
            texts += self._journal.explain()
        return texts

    def why(self, task_id: int) -> str:
        """Say in one sentence where a task stands and why it is not further."""
        engine = self._engine
        return engine.ask(lambda: engine.driver.dispatcher.why(task_id, engine.clock.now()))

    def progress(self, task_id: int) -> tuple[float, str]:
        """Return what a running task last reported of itself."""
        found = [of[task_id] for of in list(self._engine.driver.progress.values()) if task_id in of]
        best = max(found, key=lambda one: one.fraction, default=None)
        return (best.fraction, best.text) if best is not None else (0.0, "")
