"""Ends of tasks on their way to the application: its objects are told, its memory is given back."""

from __future__ import annotations

from collections.abc import Sequence

from hxgrid.user.callbacks import CallbackRunner, Called
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.intake import SPILL_FROM_BYTES, Intake
from hxgrid.wire.batches import ResultRecord


class Delivery:
    """Ends each task once. Belongs to the loop's thread."""

    def __init__(self, intake: Intake, callbacks: CallbackRunner) -> None:
        self._intake = intake
        self._callbacks = callbacks

    def complete(self, completions: Sequence[tuple[TaskRecord, ResultRecord]]) -> list[int]:
        """Hand over good results; returns the ids of tasks that have no callback to wait for."""
        called: list[Called] = []
        finished: list[int] = []
        freed = 0
        forget = self._intake.forget_input
        for record, result in completions:
            stored = record.stored_bytes
            if stored < SPILL_FROM_BYTES:
                record.payload = None
                freed += stored
            else:
                freed += forget(record)
            front = record.front
            record.front = None  # ends a cycle: a million tasks must not wait for the collector
            if front.end(record, result):
                called.append((front, record.id))
            else:
                finished.append(record.id)
        self._count(len(completions), freed, called)
        return finished

    def end_badly(self, tasks: Sequence[TaskRecord]) -> None:
        """Tell of tasks that have failed or were cancelled."""
        called: list[Called] = []
        freed = 0
        for record in tasks:
            freed += self._intake.forget_input(record)
            front = record.front
            record.front = None
            if front.end(record, None):
                called.append((front, record.id))
        self._count(len(tasks), freed, called)

    def _count(self, ended: int, freed_bytes: int, called: list[Called]) -> None:
        if called:
            self._callbacks.put(called)
        self._intake.end(ended, freed_bytes, len(called))
