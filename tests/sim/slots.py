"""Virtual task processes: they take virtual time, fail where they are told to, and can be stopped.

What an attempt does is written in its input as "seconds" or "seconds fail" or "seconds crash"; an
agent that is a black hole fails everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.messages import Outcome
from tests.sim.agenda import Agenda


@dataclass
class Run:
    """One attempt in a slot."""

    record: AttemptRecord
    slot: int
    left_s: float
    started_at: float
    resumed_at: float
    serial: int = 0
    is_running: bool = True


@dataclass
class Slots:
    """The slots of one agent. `ended` is called with each result."""

    agenda: Agenda
    count: int
    slowness: float
    is_black_hole: bool
    ended: Callable[[ResultRecord], None]
    runs: dict[Key, Run] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    """Slots whose process was stopped from outside."""
    is_suspended: bool = False
    is_frozen: bool = False
    """The whole machine stands still."""

    @property
    def free(self) -> list[int]:
        """Numbers of the slots without a run, without stopped ones."""
        taken = {run.slot for run in self.runs.values()} | self.stopped
        return [slot for slot in range(self.count) if slot not in taken]

    def start(self, record: AttemptRecord) -> None:
        """Run an attempt in a free slot."""
        words = bytes(record.payload).decode().split()
        left_s = 0.001 if self.is_black_hole else float(words[0]) * self.slowness
        now = self.agenda.now
        run = Run(record, self.free[0], left_s, now, now, is_running=False)
        self.runs[(record.task, record.attempt)] = run
        self.update()

    def update(self) -> None:
        """Let every run go on that may, and none that may not."""
        for run in list(self.runs.values()):
            may_run = not (self.is_suspended or self.is_frozen or run.slot in self.stopped)
            if may_run and not run.is_running:
                run.is_running, run.resumed_at = True, self.agenda.now
                run.serial += 1
                self.agenda.after(max(run.left_s, 0.0), partial(self._end, run, run.serial))
            elif run.is_running and not may_run:
                run.is_running = False
                run.left_s -= self.agenda.now - run.resumed_at

    def is_stuck(self, key: Key) -> bool:
        """Say whether an attempt is in a slot that was stopped."""
        run = self.runs.get(key)
        return run is not None and run.slot in self.stopped

    def remove(self, key: Key) -> Run | None:
        """End a run without a result; its process is killed, so that its slot is whole again."""
        run = self.runs.pop(key, None)
        if run is not None:
            run.is_running = False
            run.serial += 1
            self.stopped.discard(run.slot)
        return run

    def _end(self, run: Run, serial: int) -> None:
        if run.serial != serial or not run.is_running:
            return
        assert not self.is_suspended, "something ran while its agent was suspended"
        record = run.record
        del self.runs[(record.task, record.attempt)]
        words = bytes(record.payload).decode().split()
        outcome = Outcome.DONE
        if self.is_black_hole or "fail" in words:
            outcome = Outcome.FAILED
        elif "crash" in words:
            outcome = Outcome.CRASHED
        self.ended(result_of(record, outcome, run.slot, run.started_at, self.agenda.now))


def answer_to(work: bytes) -> bytes:
    """What a task makes of its input, wherever it runs."""
    return work[::-1]


def result_of(
    record: AttemptRecord, outcome: Outcome, slot: int, started_at: float, ended_at: float
) -> ResultRecord:
    """Make a result without any reason; good ones answer with what their input makes."""
    payload = answer_to(bytes(record.payload)) if outcome is Outcome.DONE else b""
    size = len(payload)
    return ResultRecord(
        record.task, record.attempt, outcome, 0, slot, size, size, started_at, ended_at, payload
    )
