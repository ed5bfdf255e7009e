"""Futures of the Executor: they end on the loop's thread and are unpickled where they are asked.

Two rules meet here. Results are unpickled in the thread that asks for them, because unpickling
runs code; and the loop's thread never runs code of the application, so a future that has callbacks
ends on the callback thread. `concurrent.futures` knows only values and exceptions, so until
somebody asks, an unopened outcome stands in their place, as a value or as an exception: `wait`,
`as_completed` and `asyncio.wrap_future` see the right kind of end without opening anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from hxgrid.modules.calls import Outcome, Status, open_outcome


class _Unopened(Exception):
    """Stands for an exception that has not been unpickled."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class CallFuture(Future[Any]):
    """One call on the grid: a standard future whose `cancel` stops running calls too."""

    def __init__(self, cancel_task: Callable[[CallFuture], None]) -> None:
        super().__init__()
        self._cancel_task = cancel_task
        self._gate = threading.Lock()
        self._has_callbacks = False
        self._opened: tuple[Any, BaseException | None] | None = None
        self.task: Any = None
        """The record of the task that carries the call; set when it was accepted."""

    def cancel(self) -> bool:
        """Cancel the call, wherever it is; False only if it has ended."""
        if not super().cancel():
            return False
        self._cancel_task(self)
        return True

    def running(self) -> bool:
        """Return whether an agent has the call."""
        return not self.done() and self.task is not None and self.task.state.value == "running"

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Call `fn(future)` when it ends: on the callback thread, or here if it has ended."""
        with self._gate:
            self._has_callbacks = True
        super().add_done_callback(fn)

    def result(self, timeout: float | None = None) -> Any:
        """Return the value, or raise the function's exception in its own type."""
        value, error = self._open(timeout)
        if error is None:
            return value
        try:
            raise error
        finally:
            error = None  # or the traceback would keep this frame, and the frame the error

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the function's exception, or None."""
        return self._open(timeout)[1]

    # -- called by the loop and by the callback thread

    def must_be_called(self) -> bool:
        """Say whether ending it runs code of the application."""
        with self._gate:
            return self._has_callbacks

    def end(self, outcome: Outcome) -> None:
        """End with what came back."""
        if self.set_running_or_notify_cancel_once():
            if outcome.status == Status.VALUE:
                self.set_result(outcome)
            else:
                self.set_exception(_Unopened(outcome))

    def end_badly(self, error: BaseException) -> None:
        """End without anything having come back."""
        if self.set_running_or_notify_cancel_once():
            self.set_exception(error)

    def end_cancelled(self) -> None:
        """End because the session dropped the call."""
        if super().cancel():
            self.set_running_or_notify_cancel()

    def set_running_or_notify_cancel_once(self) -> bool:
        """Leave the pending state; False if it was cancelled (and whoever waits has been told)."""
        return not self.done() and self.set_running_or_notify_cancel()

    def _open(self, timeout: float | None) -> tuple[Any, BaseException | None]:
        standing = super().exception(timeout)
        with self._gate:
            if self._opened is None:
                self._opened = self._opened_now(standing)
            return self._opened

    def _opened_now(self, standing: BaseException | None) -> tuple[Any, BaseException | None]:
        if standing is not None and not isinstance(standing, _Unopened):
            return None, standing
        outcome = super().result() if standing is None else standing.outcome
        try:
            return open_outcome(outcome), None
        except BaseException as error:  # noqa: BLE001 - it is the call's result, handed on
            return None, error
