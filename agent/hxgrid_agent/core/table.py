"""The books of the agent: sessions, processes, slots, and the orders given so far.

The parts of the core (`sessions`, `admission`, `pool`, ...) share this one object and keep nothing
of each other's. Moves that more than one part makes stand here, so that the counters can only be
changed together with what they count.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.messages import AttemptFlag, Document
from hxgrid_agent.core.actions import Action, DropInput, SendDocument, SendResults
from hxgrid_agent.core.attempt import Attempt, Phase
from hxgrid_agent.core.events import Sampled

if TYPE_CHECKING:
    from hxgrid_agent.core.process import SlotProcess
    from hxgrid_agent.core.session import Session
    from hxgrid_agent.core.settings import CoreSettings

_CHUNKED: Final = int(AttemptFlag.CHUNKED)


class Table:
    """All state that more than one part of the core reads."""

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        self.out: list[Action] = []
        """Orders since the driver took them last."""
        self.sessions: dict[int, Session] = {}
        """By handle."""
        self.by_id: dict[str, Session] = {}
        self.by_peer: dict[bytes, Session] = {}
        self.processes: dict[int, SlotProcess] = {}
        self.spares: dict[int, SlotProcess] = {}
        """Slot processes of nobody, ready; the oldest first."""
        self.spare_hosts: dict[int, SlotProcess] = {}
        """The same of host processes."""
        self.free_slots = list(range(settings.slots))
        """A heap: the lowest number is dealt first."""
        self.hungry: dict[int, Session] = {}
        """Sessions with attempts in phase QUEUED."""
        self.waiting = 0
        """Attempts in the phases before HANDED, of all sessions."""
        self.result_bytes = 0
        """Results not acknowledged, of all sessions."""
        self.filed_bytes = 0
        """Of these, in files; the others are in memory."""
        self.unmet = 0
        """Slots that could run something if a slot process were ready."""
        self.unmet_hosts = 0
        """Sessions that could run something if a host process were ready."""
        self.wants_hosts = False
        """Somebody has offered a native function: a host process is kept ready."""
        self.is_frozen = False
        self.is_draining = False
        self.is_leaving = False
        self.reason = ""
        """Why the agent is frozen or draining, one sentence."""
        self.is_load_due = False
        """Something that users must know at once has changed."""
        self.sample = Sampled(float(settings.slots), 0.0, 1 << 62)
        self.dropped = 0
        """Messages and records of peers that made no sense."""
        self._numbers = 0

    @property
    def is_full_of_results(self) -> bool:
        """Say whether nothing new may start until users acknowledge what they have got."""
        settings = self.settings
        return (
            self.result_bytes > settings.max_results_waiting_bytes
            or self.result_bytes - self.filed_bytes > settings.result_memory_bytes
        )

    def next_number(self) -> int:
        """Return a number that was not used before: for processes and requests alike."""
        self._numbers += 1
        return self._numbers

    def send(self, peer: bytes, document: Document) -> None:
        """Order a JSON message."""
        self.out.append(SendDocument(peer, document))

    def session_of(self, peer: bytes, handle: int) -> Session | None:
        """Return the session that this peer may speak for."""
        session = self.by_peer.get(peer)
        if session is None or session.handle != handle or session.is_ending:
            return None
        return session

    def whose(self, process: SlotProcess) -> Session | None:
        """Return the session that a process belongs to."""
        return None if process.handle is None else self.sessions.get(process.handle)

    def enqueue(self, session: Session, attempt: Attempt, *, first: bool = False) -> None:
        """Make an attempt wait for a slot, behind or before all others of its session."""
        attempt.phase = Phase.QUEUED
        if first:
            session.queue.appendleft(attempt)
        else:
            session.queue.append(attempt)
        session.queued += 1
        self.waiting += 1
        self.hungry[session.handle] = session

    def leave_queue(self, session: Session, attempt: Attempt) -> None:
        """Take an attempt out of the phases before HANDED; `queue` forgets it later."""
        self.waiting -= 1
        if attempt.phase is Phase.QUEUED:
            session.queued -= 1
            if session.queued == 0:
                session.queue.clear()
                self.hungry.pop(session.handle, None)

    def end(self, session: Session, attempt: Attempt, record: ResultRecord) -> None:
        """Give an attempt that is in no process its result, and tell the user."""
        if attempt.phase < Phase.HANDED:
            self.leave_queue(session, attempt)
        self.book_result(session, attempt, record, "")
        self.out.append(SendResults(session, (attempt,)))

    def book_result(
        self, session: Session, attempt: Attempt, record: ResultRecord, file: str
    ) -> None:
        """Make an attempt ENDED; it is kept until the user acknowledges it."""
        if attempt.record.flags & _CHUNKED:
            self.out.append(DropInput(session, attempt))
        attempt.phase = Phase.ENDED
        attempt.process = None
        attempt.kill_at = None
        attempt.result = record
        attempt.file = file
        session.result_bytes += record.stored_bytes
        self.result_bytes += record.stored_bytes
        if file:
            self.filed_bytes += record.stored_bytes

    def spares_of(self, process: SlotProcess) -> dict[int, SlotProcess]:
        """Return the spare processes of the kind of this one."""
        return self.spare_hosts if process.is_host else self.spares

    def free_slots_of(self, process: SlotProcess, count: int, now: float) -> None:
        """Take so many slots from a process and charge its session for the time."""
        session = self.whose(process)
        if count <= 0 or session is None or not process.slots:
            return
        for _ in range(min(count, len(process.slots))):
            slot, dealt_at = process.slots.popitem()
            heapq.heappush(self.free_slots, slot)
            session.used_s += (now - dealt_at) / session.weight
        if not process.slots:
            del session.held[process.number]
