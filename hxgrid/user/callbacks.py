"""The threads that run code of the application: `finalize` and the get-data callback.

There is one of them unless `finalize_threads` says otherwise, started when the first callback is
due. Questions for global data go before queued results: whole agents stand still until they are
answered. Ends are reported in groups, but a slow callback is reported by itself at once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Final

from hxgrid.logs import get_logger
from hxgrid.user.fronts import Front

REPORT_EVERY_S: Final = 0.005
"""Longest time that returned callbacks wait for their group to be reported."""

MAX_KEPT_ERRORS: Final = 100
"""Exceptions kept for `wait_for_completion`; beyond, they are counted and logged only."""

_log = get_logger("user")

Called = tuple[Front, int]
"""What is to be called, and the id of its task."""


class CallbackRunner:
    """Runs callbacks one after another per thread, and tells who asked when they have returned."""

    def __init__(self, name: str, report: Callable[[list[int]], None]) -> None:
        self.error_count = 0
        """Exceptions that callbacks have raised."""
        self._name = name
        self._report = report
        self._wanted_threads = 1
        self._threads: list[threading.Thread] = []
        self._idents: set[int] = set()
        self._queue: SimpleQueue[Sequence[Called] | None] = SimpleQueue()
        self._urgent: deque[Callable[[], None]] = deque()
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()  # guards starting, stopping and the errors
        self._is_stopped = False
        self._is_dropping = False

    def set_threads(self, count: int) -> None:
        """Set how many callbacks may run at once; fewer takes effect in the next session."""
        self._wanted_threads = count

    def put(self, called: Sequence[Called]) -> None:
        """Have these called in order; never waits."""
        if len(self._threads) < self._wanted_threads:
            self._start()
        if self._wanted_threads == 1:
            self._queue.put(called)
            return
        for one in called:
            self._queue.put((one,))

    def put_urgent(self, call: Callable[[], None]) -> None:
        """Have this called before everything that waits."""
        if not self._threads:
            self._start()
        self._urgent.append(call)
        self._queue.put(())

    def is_callback_thread(self) -> bool:
        """Tell whether the caller is a callback."""
        return threading.get_ident() in self._idents

    def take_errors(self) -> list[BaseException]:
        """Return what callbacks have raised since the last time."""
        with self._lock:
            errors, self._errors = self._errors, []
        return errors

    def stop(self, timeout_s: float, *, drop: bool) -> None:
        """End the threads after what waits, or after what runs if `drop`.

        Waits for that at most `timeout_s`.
        """
        with self._lock:
            self._is_stopped = True
            self._is_dropping = drop
            threads = list(self._threads)
        for _ in threads:
            self._queue.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0.0))

    def _start(self) -> None:
        with self._lock:
            while len(self._threads) < self._wanted_threads and not self._is_stopped:
                name = f"{self._name}-callbacks-{len(self._threads)}"
                # Daemons: a callback that hangs must not keep the application from ending.
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        self._idents.add(threading.get_ident())
        while True:
            called = self._queue.get()
            if called is None:
                return
            self._run_urgent()
            if called:
                self._run_group(called)

    def _run_urgent(self) -> None:
        while self._urgent:
            try:
                call = self._urgent.popleft()
            except IndexError:  # another callback thread was faster
                return
            self._guarded(call, "get_data answer")

    def _run_group(self, called: Sequence[Called]) -> None:
        done: list[int] = []
        reported_at = time.monotonic()
        for front, task_id in called:
            if self._urgent:
                self._run_urgent()
            if not self._is_dropping:
                self._guarded(front.call, task_id)
            done.append(task_id)
            now = time.monotonic()
            if now - reported_at > REPORT_EVERY_S:
                self._report(done)
                done, reported_at = [], now
        if done:
            self._report(done)

    def _guarded(self, call: Callable[[], None], what: object) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the application's; it learns of it below
            with self._lock:
                self.error_count += 1
                if len(self._errors) < MAX_KEPT_ERRORS:
                    self._errors.append(error)
            _log.exception("callback raised", task=what, errors=self.error_count)
