"""Task: what `run_task` gives to the application.

Nothing is allocated for waiting until somebody waits: a task that is only fire-and-forget, or has a
`finalize`, costs no lock. How waiting and ending find each other: the loop stores the end and then
looks for a gate; the waiter stores a gate and then looks for the end. Whichever comes second sees
the other. The gate is a bare lock, locked until the end; a `threading.Event` takes several times
as long to make, to wait for and to set, which is felt when tasks are run one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from hxgrid.errors import AttemptRecord, TaskError
from hxgrid.streams import Stream
from hxgrid.streams.compression import unpack
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.failures import AgentNames, error_of, history
from hxgrid.user.waiting import closed_gate, deadline_after, open_gate, pass_gate
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag

_COMPRESSED: Final = int(AttemptFlag.COMPRESSED)

Finalize = Callable[..., object]


class Home(Protocol):
    """What a task needs of its session."""

    names: AgentNames

    def cancel(self, task_ids: list[int]) -> None:
        """Ask for these tasks to be dropped."""

    def why(self, task_id: int) -> str:
        """Say in one sentence why the task is where it is."""

    def progress(self, task_id: int) -> tuple[float, str]:
        """Return what a running task last reported of itself."""

    def note_failure(self, task: Task) -> None:
        """Remember a failure until somebody collects it."""

    def collect(self, task_id: int) -> None:
        """Forget a failure: the application has seen it."""

    def attend(self, is_over: Callable[[], bool], deadline: float | None) -> None:
        """Do for a thread that is about to wait what can be done; returns at any time.

        Raises if nothing will ever happen any more.
        """


class Task:
    """A unit of work whose result reaches the application once.

    All methods may be called from any thread, also after the session was closed.
    """

    __slots__ = (
        "__weakref__",
        "_finalize",
        "_gate",
        "_has_ended",
        "_home",
        "_record",
        "_result",
        "_takes_task",
    )

    def __init__(
        self, home: Home, record: TaskRecord, finalize: Finalize | None, takes_task: bool
    ) -> None:
        self._home = home
        self._record = record
        self._finalize = finalize
        self._takes_task = takes_task
        self._result: ResultRecord | None = None
        self._has_ended = False
        self._gate: threading.Lock | None = None

    def __repr__(self) -> str:
        return f"<Task {self._record.id} {self.state}>"

    @property
    def id(self) -> int:
        """Number of the task in its session, from 1."""
        return self._record.id

    @property
    def state(self) -> str:
        """Where it stands: waiting, running, finalizing, done, failed or cancelled."""
        if self._result is not None:
            # Said from here, because the core learns a moment later that finalize has returned.
            return "finalizing" if self._finalize is not None else "done"
        return self._record.state.value

    @property
    def progress(self) -> float:
        """How far it is, 0 to 1, by what the task code has reported."""
        if self._has_ended:
            return 1.0 if self._result is not None else 0.0
        return self._home.progress(self._record.id)[0]

    @property
    def progress_text(self) -> str:
        """What the task code last said with `report`; empty if nothing."""
        return "" if self._has_ended else self._home.progress(self._record.id)[1]

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """Where it was tried and how that ended, oldest first."""
        return history(self._record.attempts, self._home.names)

    def result(self, timeout: float | None = None) -> Stream:
        """Wait for the output and return it as a read-only stream at position 0.

        It is there as soon as it has arrived, also while `finalize` runs. Raises `TaskFailed`,
        `TaskCancelled`, or `TimeoutError` when `timeout` seconds are over.
        """
        self._wait(timeout)
        if self._result is None:
            raise self._error()
        return self._output()

    def exception(self, timeout: float | None = None) -> TaskError | None:
        """Wait for the end and return its error, or None if it went well.

        A failure that was asked for here is not raised again by `wait_for_completion`.
        """
        self._wait(timeout)
        return None if self._result is not None else self._error()

    def cancel(self) -> bool:
        """Ask for the task to be dropped; False if it has ended already.

        What runs is told to stop, and is killed after `cancel_grace_s`.
        """
        if self._has_ended:
            return False
        self._home.cancel([self._record.id])
        return True

    def why(self) -> str:
        """Say in one sentence why it waits, where it runs, or how it ended."""
        if self._result is not None:
            last = self.attempts[-1:]
            return f"task {self.id} is done" + (f", by {last[0].agent}" if last else "")
        if self._has_ended:
            return error_of(self._record, self._home.names).headline
        return self._home.why(self._record.id)

    # -- called by the loop and by the callback thread

    def end(self, record: TaskRecord, result: ResultRecord | None) -> bool:
        """Take the end of the task; part of `Front`."""
        if result is None:
            self._finalize = None
            if record.state.value == "failed":
                self._home.note_failure(self)
        self._result = result
        self._has_ended = True
        gate = self._gate
        if gate is not None:
            open_gate(gate)
        return self._finalize is not None

    def call(self) -> None:
        """Run `finalize`; part of `Front`."""
        finalize = self._finalize
        if finalize is None:
            return
        try:
            if self._takes_task:
                finalize(self, self._output())
            else:
                finalize(self._output())
        finally:
            self._finalize = None

    def failure(self) -> TaskError:
        """Return the error of a task that ended badly, without taking it for collected."""
        return error_of(self._record, self._home.names)

    # -- inside

    def _wait(self, timeout: float | None) -> None:
        if self._has_ended:
            return
        deadline = deadline_after(timeout)
        self._home.attend(self._is_over, deadline)
        if self._is_over():
            return
        with _making_gates:
            gate = self._gate
            if gate is None:
                gate = self._gate = closed_gate()
        if not pass_gate(gate, self._is_over, deadline):
            raise TimeoutError(f"task {self.id} has not ended in {timeout:g} s: {self.why()}")

    def _is_over(self) -> bool:
        return self._has_ended

    def _error(self) -> TaskError:
        self._home.collect(self._record.id)
        return self.failure()

    def _output(self) -> Stream:
        result = self._result
        assert result is not None
        if result.flags & _COMPRESSED:
            payload: Any = unpack(result.payload, result.raw_bytes, MAX_PAYLOAD_BYTES)
            self._result = result = result._replace(flags=0, payload=payload)
        return Stream(result.payload, readonly=True)


# Two threads that wait for one task must get one gate. Held for that alone.
_making_gates = threading.Lock()
