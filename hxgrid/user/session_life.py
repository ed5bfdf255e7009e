"""How a session begins and ends, and the failures that it keeps until somebody asks.

`Session` stands on this and adds what an application does with it in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, Self

from hxgrid.errors import HxGridError, SessionClosed, TaskError
from hxgrid.logs import get_logger
from hxgrid.settings import UserSettings
from hxgrid.transport.security import Security
from hxgrid.user import lifetime
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.engine import Engine
from hxgrid.user.failures import error_of, merge, session_closed
from hxgrid.user.intake import refused
from hxgrid.user.journal import Journal
from hxgrid.user.task import Task
from hxgrid.user.waiting import wait_event
from hxgrid.wire.messages import RosterEntry

MAX_KEPT_FAILURES = 1000
"""Uncollected failures that are kept; of further ones only the log tells."""

_CLOSE_S = 0.8
"""What a closing session takes with all that it owns, whatever that is doing: a second is promised,
and force takes some time as well."""
_OWNED_GRACE_S = 0.1
"""What is left to what it owns at the least."""

_log = get_logger("user")


class Owned(Protocol):
    """Something that ends with the session, such as an embedded grid."""

    def close(self, grace_s: float) -> None:
        """End it, by force after the grace time."""


class SessionLife:
    """The life of one session: made, opened, used, closed. See `Session`."""

    def __init__(
        self,
        settings: UserSettings,
        security: Security,
        *,
        owned: Owned | None = None,
        journal: Journal | None = None,
    ) -> None:
        label = f"hxgrid-session-{lifetime.next_number()}"
        self._engine = Engine(settings, security, label, journal)
        self._journal = journal
        self._intake = self._engine.intake
        self._owned = owned
        self._failures: dict[int, Task] = {}  # not collected, by task
        self._lock = threading.Lock()  # guards the flag below
        self._is_closing = False
        self._closed = threading.Event()
        self.names = self._engine.names
        """Names of agents by boot id."""

    def open(self, entries: list[RosterEntry] | None, timeout: float) -> None:
        """Start; without `entries` of known agents a grid is looked for.

        Called by `connect`. Raises `NoGridFound`, `VersionMismatch` or `AuthenticationError`, and
        is closed then; `SessionClosed` as soon as another thread has closed it.
        """
        engine = self._engine
        lifetime.add(self)
        try:
            engine.start(entries)
            if entries is None:
                wait_event(engine.found, timeout)
                if engine.is_stopped:
                    raise SessionClosed("the session was closed while a grid was looked for")
                if not engine.is_grid_found:
                    raise engine.no_grid_found(timeout)
        except BaseException:
            self.close(cancel=True)
            lifetime.remove(self)  # unless whoever closed it was there before it was added
            raise

    @property
    def has_work(self) -> bool:
        """Whether something is queued, running or being finalized."""
        return self._intake.open_count > 0

    # ------------------------------------------------------------------ failures

    def error_of(self, record: TaskRecord) -> TaskError:
        """Return the error of a task that ended badly."""
        return error_of(record, self.names)

    def note_failure(self, task: Task) -> None:
        """Remember a failure until somebody collects it."""
        if len(self._failures) < MAX_KEPT_FAILURES:
            self._failures[task.id] = task
        else:
            _log.warning("failure not kept, too many are uncollected", task=task.id)

    def collect(self, task_id: int) -> None:
        """Forget a failure: the application has seen it."""
        self._failures.pop(task_id, None)

    def _raise_failures(self) -> None:
        failures, self._failures = self._failures, {}
        errors = self._engine.callbacks.take_errors()
        if failures or errors:
            raise merge([task.failure() for task in failures.values()], errors)

    # ------------------------------------------------------------------ closing

    def close(self, cancel: bool = False) -> None:
        """End the session: wait as `wait_for_completion`, or drop all tasks with `cancel`.

        Raises what `wait_for_completion` raises, unless `cancel`; the session is closed all the
        same. Closing twice is harmless.
        """
        if lifetime.is_forked(self):
            return
        with self._lock:
            is_first, self._is_closing = not self._is_closing, True
        if not is_first:
            self._close_again(cancel)
            return
        is_over = False
        try:
            if not cancel:
                if self._engine.callbacks.is_callback_thread():
                    raise HxGridError("close() was called in a callback, which it would wait for")
                self._engine.helm.call_back()
                self._intake.wait_idle(None, closing=session_closed())
                is_over = True
        finally:
            # Also when Ctrl-C ends the wait.
            self._finish(drop=not is_over)
        if not cancel:
            self._raise_failures()

    def _close_again(self, cancel: bool) -> None:
        if self._engine.callbacks.is_callback_thread():
            return
        if cancel and not self._closed.is_set():
            driver = self._engine.driver
            self._engine.loop.call_soon_threadsafe(lambda: driver.cancel_all(0.0, lambda _: None))
        wait_event(self._closed, None)

    def _finish(self, *, drop: bool) -> None:
        self._intake.refuse(session_closed())
        now = self._engine.clock.now
        deadline = now() + _CLOSE_S
        try:
            self._engine.stop(drop_callbacks=drop)
        finally:
            # Also when Ctrl-C comes once more: what we started must not stay behind.
            try:
                if self._owned is not None:
                    self._owned.close(max(_OWNED_GRACE_S, deadline - now()))
            finally:
                if self._journal is not None:
                    self._journal.close(cancel=drop)
                lifetime.remove(self)
                self._closed.set()

    def refuse_in_child(self) -> None:
        """Make the copy of this session in a forked process say what it is."""
        self._intake.refusal = SessionClosed(
            "the session belongs to the process that this one was forked from",
            advice="Call hxgrid.connect() in the child.",
        )

    def attend(self, is_over: Callable[[], bool], deadline: float | None) -> None:
        """Turn the loop for a thread that waits for the only task; part of `task.Home`.

        Raises if nothing will ever happen in this session any more.
        """
        if self._closed.is_set() or lifetime.is_forked(self):
            self._check_usable()
        helm = self._engine.helm
        if helm.is_mine():
            raise HxGridError(
                "a task was waited for by code that runs inside its session",
                why="perhaps a __del__ method that Python has called at that moment",
                advice="Wait for it in a thread, or before the object is let go.",
            )
        if self._intake.open_count == 1 and self._journal is None:
            helm.turn_until(is_over, deadline)
        if not is_over():
            helm.call_back()

    def __enter__(self) -> Self:
        self._check_usable()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close(cancel=error is not None)

    def __repr__(self) -> str:
        if self._closed.is_set():
            return "<Session closed>"
        return f"<Session {self._engine.session_id[:8]} with {self._intake.open_count} tasks>"

    def _check_usable(self) -> None:
        refusal = self._intake.refusal
        if refusal is not None:
            raise refused(refusal)
