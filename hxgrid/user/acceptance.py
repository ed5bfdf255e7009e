"""From the arguments of `run_task` to a task in the queue, in the caller's thread.

Submitting is the hot path. What a small task costs here is one look into the book of offers, two
small objects, and one lock; the loop is woken only if it has nothing to do.

Arguments arrive as the application gave them, whatever the signature of `run_task` says: each is
looked at where it is used, and a wrong one is answered there.
"""

from __future__ import annotations

from typing import Any

from hxgrid.settings import UserSettings
from hxgrid.user.callables import takes_task
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.fronts import Front
from hxgrid.user.inputs import check_cost, prepare, requirements_for
from hxgrid.user.intake import Intake
from hxgrid.user.journal import Journal
from hxgrid.user.offers import OfferBook, Offered
from hxgrid.user.task import Home, Task


class Acceptance:
    """Makes tasks and puts them into the queue. Any thread may call it."""

    def __init__(
        self, home: Home, offers: OfferBook, intake: Intake, journal: Journal | None
    ) -> None:
        self._home = home
        self._offers = offers
        self._intake = intake
        self._journal = journal
        self._threshold: Any = 0
        self._no_progress_limit_s: Any = None

    def apply(self, settings: UserSettings) -> None:
        """Put settings in force for tasks that are still to come."""
        self._threshold = settings.compress_threshold_bytes
        self._no_progress_limit_s = settings.no_progress_limit_s

    def run_task(  # noqa: PLR0917 - names would cost each task as much as its lock
        self,
        modules: Any,
        function: Any,
        in_stream: Any,
        finalize: Any,
        blocking: Any,
        timeout: Any,
        requires: Any,
        idempotent: Any,
        time_limit_s: Any,
        no_progress_limit_s: Any,
        cost: Any,
    ) -> Task | None:
        """Do what `Session.run_task` says."""
        if cost is not None:
            check_cost(cost)
        if no_progress_limit_s is None:
            no_progress_limit_s = self._no_progress_limit_s
        offered = self._offers.find(modules, function, time_limit_s, no_progress_limit_s)
        payload = in_stream
        if type(in_stream) is bytes and len(in_stream) <= self._threshold:
            stored = raw = len(in_stream)
            flags = 0
        else:
            payload, stored, raw, flags = prepare(in_stream, self._threshold)
        required = offered.requires
        if requires is not None:
            required = requirements_for(requires, required)
        record = TaskRecord(
            0,
            offered.id,
            payload,
            stored_bytes=stored,
            raw_bytes=raw,
            flags=flags,
            idempotent=bool(idempotent),
            requires=required,
            cost=cost,
        )
        with_task = finalize is not None and takes_task(finalize)
        task = record.front = Task(self._home, record, finalize, with_task)
        journal = self._journal
        if journal is not None:
            identity = self._offers.identity(offered.id)
            record.journal = journal.key_of(identity, payload, flags)
        if self._intake.add(record, bool(blocking), timeout):
            return task
        if journal is not None:
            journal.take_back(identity, payload, flags)
        if isinstance(payload, memoryview):
            payload.release()  # the caller may go on with the stream
        return None

    def find(self, modules: Any, function: Any, time_limit_s: Any) -> Offered:
        """Return a function of module files, under the limits in force."""
        return self._offers.find(modules, function, time_limit_s, self._no_progress_limit_s)

    def add(
        self,
        offered: Offered,
        payload: bytes,
        front: Front,
        *,
        idempotent: bool = True,
        requires: Requirements | None = None,
        cost: float | None = None,
    ) -> TaskRecord:
        """Accept one task for another part of the library; never blocks."""
        record = self._record(offered, payload, front, idempotent)
        record.requires, record.cost = requires, cost
        if self._journal is not None:
            identity = self._offers.identity(offered.id)
            record.journal = self._journal.key_of(identity, record.payload, record.flags)
        self._intake.add_many((record,))
        return record

    def add_calls(
        self, offered: Offered, payload: bytes, front: Front, idempotent: bool, keys: Any
    ) -> TaskRecord:
        """Accept a packed batch of calls as one task; never blocks.

        `keys`: where the journal keeps their outcomes, or None.
        """
        record = self._record(offered, payload, front, idempotent)
        record.journal = keys
        self._intake.add_many((record,))
        return record

    def _record(
        self, offered: Offered, payload: bytes, front: Front, idempotent: bool
    ) -> TaskRecord:
        packed, stored, raw, flags = prepare(payload, self._threshold)
        return TaskRecord(
            0,
            offered.id,
            packed,
            stored_bytes=stored,
            raw_bytes=raw,
            flags=flags,
            idempotent=idempotent,
            front=front,
        )
