"""Where tasks run: on the grid, or on the processors of this computer in this process."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import hxgrid

from ..errors import JobError
from .gantt import Span
from .library import Library, load
from .mb_task import EXACT, Request, Stopped, compute

TASK_FILE = Path(__file__).with_name("mb_task.py")
KINDS = ("cpp", "python")
HERE = "this computer"

Place = Callable[["Placement | None", bytes], None]
"""Called with where a task ran, and its answer."""


class Placement(NamedTuple):
    """Who has a task, or had it."""

    agent: str
    slot: int | None
    """None: not known as long as the agent has not said so."""


class Handle(Protocol):
    """A task that was submitted."""

    def placement(self) -> Placement | None:
        """Return who has or had it; None while nobody has."""

    def spans(self) -> list[Span]:
        """Return when and where it ran, each attempt that has ended."""


class Runner(Protocol):
    """Runs tasks; each answer goes to its `place`, one at a time and in any order."""

    def slots(self) -> int:
        """Return how many tasks can run at a time."""

    def speed(self, arithmetic: int) -> float:
        """Return how many steps a task takes in the time of one of the fastest kind."""

    def share(self, name: str, data: bytes) -> None:
        """Have the reference of this name ready for tasks; older ones may go."""

    def submit(self, request: Request, place: Place, cost: float) -> Handle:
        """Hand a task over."""

    def wait(self) -> None:
        """Wait until all have ended. Raises what a task has failed with."""

    def cancel(self) -> None:
        """Drop all tasks that have not ended, and wait until none runs."""


class Code:
    """The task code: C++ compiled when it is wanted first, or Python."""

    def __init__(self, kind: str = "cpp") -> None:
        if kind not in KINDS:
            raise JobError(f"the task exists in {' and '.join(KINDS)}, not in {kind!r}")
        self.kind = kind
        self._lock = threading.Lock()
        self._loaded: dict[bool, Library | None] = {}

    def library(self, arithmetic: int) -> Library | None:
        """Return the compiled task for an arithmetic; None: the one in Python is to be used.

        Long numbers in C++ need GMP. Where that is missing, Python has them too.
        """
        if self.kind == "python":
            return None
        exact = arithmetic == EXACT
        with self._lock:
            if exact not in self._loaded:
                try:
                    self._loaded[exact] = load(exact=exact)
                except JobError:
                    if not exact:
                        raise
                    self._loaded[exact] = None
            return self._loaded[exact]


@dataclass
class GridHandle:
    """A task on the grid."""

    task: hxgrid.Task | None = None

    def placement(self) -> Placement | None:
        """Return who has or had its newest attempt that is wanted."""
        attempts = self.task.attempts if self.task is not None else ()
        for attempt in reversed(attempts):
            # Agents tell of a task when it has ended: until then it is "sent".
            if attempt.outcome in {"sent", "done"}:
                return Placement(attempt.agent, attempt.slot)
        return None

    def spans(self) -> list[Span]:
        """Return its attempts as the session knows them."""
        return [
            Span(attempt.agent, attempt.slot or 0, attempt.started, attempt.ended)
            for attempt in (self.task.attempts if self.task is not None else ())
            if attempt.started is not None and attempt.ended is not None
        ]


class GridRunner:
    """Runs tasks on the grid of a session."""

    def __init__(self, session: hxgrid.Session, code: Code) -> None:
        self._session = session
        self._code = code
        self._shared: dict[str, bytes] = {}
        session.bind_get_data(self._shared.get)
        self._is_remote = isinstance(session, hxgrid.Session)

    def slots(self) -> int:
        """Return the slots of the agents that are connected now."""
        return max(1, self._session.connection_status.slots)

    def speed(self, arithmetic: int) -> float:
        """Return the speed of what would compute this."""
        return _speed(arithmetic, self._library(arithmetic))

    def share(self, name: str, data: bytes) -> None:
        """Answer `get_data` with these bytes from now on; forget what came before."""
        for old in list(self._shared):
            del self._shared[old]
            self._session.forget_data(old)
        self._shared[name] = data

    def submit(self, request: Request, place: Place, cost: float) -> Handle:
        """Hand a task to the session."""
        library = self._library(request.arithmetic)
        modules, function = [TASK_FILE], "run_task"
        if library is not None:
            modules, function = library.files, "RunTask"
        handle = GridHandle()

        def finalize(task: hxgrid.Task, out: hxgrid.Stream) -> None:
            handle.task = task
            place(handle.placement(), bytes(out.getbuffer()))

        # 0 means that nobody knows, which the session calls None.
        known = cost or None
        task = self._session.run_task(modules, function, request.pack(), finalize, cost=known)
        handle.task = task
        return handle

    def wait(self) -> None:
        """Wait until the session has nothing more to do."""
        self._session.wait_for_completion()

    def cancel(self) -> None:
        """Have the agents drop what they have, and confirm it."""
        self._session.cancel_tasks()

    def _library(self, arithmetic: int) -> Library | None:
        # In the calling thread there is no host for native modules: there the Python task runs.
        return self._code.library(arithmetic) if self._is_remote else None


@dataclass
class LocalHandle:
    """A task in a thread of this process."""

    future: Future[None] | None = None
    slot: int | None = None
    started: float | None = None
    ended: float | None = None

    def placement(self) -> Placement | None:
        """Return the thread that has it."""
        return None if self.slot is None else Placement(HERE, self.slot)

    def spans(self) -> list[Span]:
        """Return when the thread had it."""
        if self.slot is None or self.started is None or self.ended is None:
            return []
        return [Span(HERE, self.slot, self.started, self.ended)]


class LocalRunner:
    """Runs tasks in threads of this process, one for each processor."""

    def __init__(self, code: Code, threads: int | None = None) -> None:
        self._code = code
        self._count = threads or os.cpu_count() or 1
        self._numbers = itertools.count()
        self._thread = threading.local()
        self._pool = ThreadPoolExecutor(self._count, initializer=self._number_thread)
        self._references: dict[str, bytes] = {}
        self._handles: list[LocalHandle] = []
        self._lock = threading.Lock()
        self._is_stopped = threading.Event()

    def slots(self) -> int:
        """Return the number of threads."""
        return self._count

    def speed(self, arithmetic: int) -> float:
        """Return the speed of what would compute this."""
        return _speed(arithmetic, self._code.library(arithmetic))

    def share(self, name: str, data: bytes) -> None:
        """Keep this reference instead of the one before."""
        self._references = {name: data}

    def submit(self, request: Request, place: Place, cost: float) -> Handle:  # noqa: ARG002
        """Queue a task; threads take them in order, whatever they cost."""
        handle = LocalHandle()
        handle.future = self._pool.submit(self._run, handle, request, place)
        self._handles.append(handle)
        return handle

    def wait(self) -> None:
        """Wait until every thread is idle."""
        handles, self._handles = self._handles, []
        for handle in handles:
            if handle.future is not None and not handle.future.cancelled():
                handle.future.result()
        self._is_stopped.clear()

    def cancel(self) -> None:
        """Stop the threads; whoever waits for them comes back soon."""
        self._is_stopped.set()

    def close(self) -> None:
        """End the threads."""
        self.cancel()
        self._pool.shutdown(cancel_futures=True)

    def _number_thread(self) -> None:
        self._thread.number = next(self._numbers)

    def _run(self, handle: LocalHandle, request: Request, place: Place) -> None:
        if self._is_stopped.is_set():
            return
        handle.slot, handle.started = self._thread.number, time.monotonic()
        try:
            answer = self._answer(request)
        except Stopped:
            return
        handle.ended = time.monotonic()
        with self._lock:
            place(handle.placement(), answer)

    def _answer(self, request: Request) -> bytes:
        def go_on() -> bool:
            return not self._is_stopped.is_set()

        library = self._code.library(request.arithmetic)
        reference = self._references.get(request.reference, b"")
        if library is None:
            return compute(request, reference, go_on)
        return library.compute(request.pack(), reference, go_on)


def _speed(arithmetic: int, library: Library | None) -> float:
    slower = 30.0 if library is None else 1.0
    return 1.0 / (slower * (30.0 if arithmetic == EXACT else 1.0))
