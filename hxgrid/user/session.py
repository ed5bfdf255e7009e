"""Session: what an application holds of the grid.

Submitting is the hot path. What a small task costs here is one look into the book of offers, two
small objects, and one lock; the loop is woken only if it has nothing to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from hxgrid.errors import ConfigError, HxGridError, SessionClosed, TaskError
from hxgrid.logs import get_logger
from hxgrid.settings import UserSettings
from hxgrid.streams import Stream
from hxgrid.streams.buffers import flat_view
from hxgrid.streams.compression import compress_stream, pack
from hxgrid.transport.security import Security
from hxgrid.user import lifetime
from hxgrid.user.callables import takes_task
from hxgrid.user.core.events import TasksCancelled
from hxgrid.user.core.explain import Explanation
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.engine import Engine
from hxgrid.user.failures import error_of, merge
from hxgrid.user.fronts import Front
from hxgrid.user.functions import FunctionBook
from hxgrid.user.global_data import GetData
from hxgrid.user.intake import refused
from hxgrid.user.mapping import GridMap
from hxgrid.user.offers import Modules, Offered
from hxgrid.user.progress import progress_of
from hxgrid.user.task import Finalize, Task
from hxgrid.user.waiting import wait_event
from hxgrid.wire.batches import Buffer
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag, RosterEntry

MAX_KEPT_FAILURES = 1000
"""Uncollected failures that are kept; of further ones only the log tells."""

_CANCEL_MARGIN_S = 0.45
"""Beyond `cancel_grace_s`, for agents to confirm; half a second is promised in all."""

_CLOSE_S = 0.8
"""What a closing session takes with all that it owns, whatever that is doing: a second is promised,
and force takes some time as well."""
_OWNED_GRACE_S = 0.1
"""What is left to what it owns at the least."""

_FIXED = (
    "name",
    "trust_network",
    "public_key",
    "secret_key",
    "allowed_keys",
    "coordinator",
    "coordinator_key",
    "allow_discard_coordinator",
    "beacon_port",
    "discover_s",
    "spill_folder",
    "max_message_bytes",
    "max_connections",
)
"""Settings that take effect when a session is made, and not later."""

_COMPRESSED = int(AttemptFlag.COMPRESSED)

_log = get_logger("user")


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


class Owned(Protocol):
    """Something that ends with the session, such as an embedded grid."""

    def close(self, grace_s: float) -> None:
        """End it, by force after the grace time."""


class Session:
    """One connected run of an application. Made by `hxgrid.connect`; use it in a `with` statement.

    All methods may be called from any thread. After `close()` they raise `SessionClosed`.
    """

    def __init__(
        self, settings: UserSettings, security: Security, *, owned: Owned | None = None
    ) -> None:
        self._engine = Engine(settings, security, f"hxgrid-session-{lifetime.next_number()}")
        self._intake = self._engine.intake
        self._find = self._engine.offers.find
        self._functions = FunctionBook(self._engine.offers)
        self._owned = owned
        self._threshold = settings.compress_threshold_bytes
        self._failures: dict[int, Task] = {}  # not collected, by task
        self._seen_ends = 0  # what wait_for_completion_event has told of
        self._lock = threading.Lock()  # guards the two flags below
        self._is_closing = False
        self._is_cancelling = False
        self._closed = threading.Event()
        self.names = self._engine.names
        """Names of agents by boot id."""

    def open(self, entries: list[RosterEntry] | None, timeout: float) -> None:
        """Start; without `entries` of known agents a grid is looked for.

        Called by `connect`. Raises `NoGridFound`, `VersionMismatch` or `AuthenticationError`, and
        is closed then.
        """
        lifetime.add(self)
        try:
            self._engine.start(entries)
            if entries is None:
                wait_event(self._engine.found, timeout)
                if not self._engine.is_grid_found:
                    raise self._engine.no_grid_found(timeout)
        except BaseException:
            self.close(cancel=True)
            raise

    # ------------------------------------------------------------------ submitting

    def run_task(
        self,
        modules: Modules,
        function: str,
        in_stream: Stream | Buffer = b"",
        finalize: Finalize | None = None,
        *,
        blocking: bool = True,
        timeout: float | None = None,
        requires: Requirements | Mapping[str, Any] | None = None,
        idempotent: bool = True,
        time_limit_s: float | None = None,
        cost: float | None = None,
    ) -> Task | None:
        """Submit a task: `function` of the file `modules` is run on `in_stream` somewhere.

        `modules` is a path, a list of paths (the first holds the function) or a `ModuleSet`.
        `finalize(out)` or `finalize(task, out)` is called with the output on the callback thread.
        While the queue is full the call waits; with `blocking=False`, or when `timeout` seconds are
        over, it returns None and the stream still belongs to the caller. Otherwise the stream
        belongs to the session. On the callback thread a task is always accepted.

        Raises `ModuleError` if a file cannot be read, `SessionClosed` after `close()`.
        """
        offered = self._find(modules, function, time_limit_s)
        if type(in_stream) is bytes and len(in_stream) <= self._threshold:
            payload: Buffer = in_stream
            stored = raw = len(in_stream)
            flags = 0
        else:
            payload, stored, raw, flags = _prepare(in_stream, self._threshold)
        if requires is not None or offered.platforms:
            requires = _requirements(requires, offered)
        record = TaskRecord(
            0,
            offered.id,
            payload,
            stored_bytes=stored,
            raw_bytes=raw,
            flags=flags,
            idempotent=idempotent,
            requires=requires,
            cost=cost,
        )
        with_task = finalize is not None and takes_task(finalize)
        task = record.front = Task(self, record, finalize, with_task)
        if self._intake.add(record, blocking, timeout):
            return task
        if isinstance(payload, memoryview):
            payload.release()  # the caller may go on with the stream
        return None

    def offer(self, modules: Modules, function: str, time_limit_s: float | None = None) -> Offered:
        """Return a function of module files as `submit_payload` wants it.

        Raises `ModuleError` if a file is missing or cannot be read.
        """
        self._check_usable()
        return self._find(modules, function, time_limit_s)

    def submit_payload(
        self,
        offered: Offered,
        payload: bytes,
        front: Front,
        *,
        idempotent: bool = True,
        requires: Requirements | None = None,
        cost: float | None = None,
    ) -> TaskRecord:
        """Submit one task for another part of the library; never blocks."""
        record = self._record(offered, payload, front, idempotent, requires, cost)
        self._intake.add_many((record,))
        return record

    def submit_calls(
        self,
        function: Callable[..., Any],
        packed: tuple[bytes, frozenset[str]],
        front: Front,
        *,
        idempotent: bool = True,
    ) -> TaskRecord:
        """Submit a packed batch of calls as one task, for the Executor and `map`; never blocks."""
        payload, modules = packed
        offered = self._functions.find(self._functions.plan(function), modules)
        return self.submit_payload(offered, payload, front, idempotent=idempotent)

    def map(
        self,
        function: Callable[..., Any],
        iterable: Iterable[Any],
        *,
        ordered: bool = True,
        chunksize: int | Literal["auto"] = "auto",
        progress: Any = None,
    ) -> Iterator[Any]:
        """Give `function(item)` for each item, lazily: a window of items is under way at a time.

        `ordered=False` gives results as they come. `chunksize` calls travel as one task; "auto"
        follows what was measured. `progress=True` shows a bar on stderr; or give an object with
        tqdm's `update` and `close`. An exception of the function is raised in its place, in its
        own type with the remote traceback as cause, and ends the iteration.
        """
        self._check_usable()
        if chunksize != "auto" and chunksize < 1:
            raise ValueError(f'chunksize must be "auto" or at least 1, not {chunksize}')
        return iter(
            GridMap(
                self,
                function,
                (((item,), {}) for item in iterable),
                ordered=ordered,
                chunksize=None if chunksize == "auto" else chunksize,
                progress=progress_of(progress, iterable),
            )
        )

    def _record(
        self,
        offered: Offered,
        payload: bytes,
        front: Front,
        idempotent: bool,
        requires: Requirements | None,
        cost: float | None,
    ) -> TaskRecord:
        packed, stored, raw, flags = _prepare(payload, self._threshold)
        return TaskRecord(
            0,
            offered.id,
            packed,
            stored_bytes=stored,
            raw_bytes=raw,
            flags=flags,
            idempotent=idempotent,
            requires=requires,
            cost=cost,
            front=front,
        )

    def compress_stream(self, stream: Stream) -> None:
        """Compress a stream in place, as `run_task` would; once is enough, twice is harmless."""
        compress_stream(stream, self._threshold)

    # ------------------------------------------------------------------ waiting

    def wait_for_completion(self, timeout: float | None = None) -> bool:
        """Wait until every task has ended and every `finalize` has returned; False: timed out.

        Raises `TaskFailed` for failures that nobody has collected with `result()` or `exception()`
        (all of them are in its `failures`), and what a `finalize` has raised.
        """
        self._check_usable()
        if self._engine.callbacks.is_callback_thread():
            raise HxGridError(
                "wait_for_completion() was called in a callback, which it would wait for",
                advice="Wait in another thread, or submit the next tasks and return.",
            )
        if not self._intake.wait_idle(timeout):
            return False
        self._raise_failures()
        return True

    def wait_for_completion_event(self, timeout: float | None = None) -> bool:
        """Wait until some task has ended since the last call, or none is left; False: timed out.

        For loops that show progress in between.
        """
        self._check_usable()
        has_changed, ends = self._intake.wait_change(self._seen_ends, timeout)
        self._seen_ends = ends
        return has_changed

    @property
    def is_complete(self) -> bool:
        """Whether nothing is queued, running or being finalized; true on a fresh session."""
        self._check_usable()
        return self._intake.open_count == 0

    # ------------------------------------------------------------------ global data, settings

    def bind_get_data(self, callback: GetData | None, *, volatile: bool = False) -> None:
        """Have `callback(name)` answer `get_data(name)` of tasks, on the callback thread.

        It returns bytes, a `Stream`, a `pathlib.Path` (mapped; leave the file as it is) or None.
        Asked once per name, or with `volatile` once per agent and after `free_cached_data`.
        """
        self._check_usable()
        if callback is not None and not callable(callback):
            raise TypeError(f"a get_data callback must be callable, not {callback!r}")
        self._engine.data.bind(callback, volatile)

    def forget_data(self, name: str | None = None) -> None:
        """Have global data of this name (None: all) asked for again when it is wanted next."""
        self._check_usable()
        names = None if name is None else [name]
        self._engine.ask(lambda: self._engine.driver.forget_data(names))

    @property
    def settings(self) -> UserSettings:
        """The settings in force."""
        return self._engine.settings

    def update_settings(self, **changes: Any) -> UserSettings:
        """Change settings, in force at once, and return all. Raises `ConfigError`."""
        self._check_usable()
        before = self._engine.settings
        settings = before.with_changes(**changes)
        fixed = [name for name in _FIXED if getattr(settings, name) != getattr(before, name)]
        if fixed:
            raise ConfigError(
                f"{fixed[0]} cannot be changed in a session", advice="Give it to hxgrid.connect()."
            )
        self._threshold = settings.compress_threshold_bytes
        self._engine.apply(settings)
        return settings

    # ------------------------------------------------------------------ cancelling, looking

    def cancel_tasks(self) -> list[str]:
        """Drop every task submitted so far, and wait for the agents to confirm it.

        Returns the names of agents that could not be reached within `cancel_grace_s` + 0.5 s; they
        drop the tasks when their session lease ends. The session stays usable.
        """
        self._check_usable()
        engine = self._engine
        limit_s = engine.settings.cancel_grace_s + _CANCEL_MARGIN_S
        over = threading.Event()
        missed: list[str] = []

        def on_over(names: list[str]) -> None:
            missed.extend(names)
            over.set()

        engine.loop.call_soon_threadsafe(lambda: engine.driver.cancel_all(limit_s, on_over))
        wait_event(over, limit_s + 1.0)
        return sorted(set(missed))

    def cancel(self, task_ids: list[int]) -> None:
        """Have these tasks dropped soon; those that have ended are left alone."""
        self._engine.driver.post(TasksCancelled(task_ids))

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

    def explain(self) -> list[Explanation]:
        """Say in one sentence each why tasks wait and why agents get no work."""
        self._check_usable()
        engine = self._engine
        return engine.ask(lambda: engine.driver.dispatcher.explain(engine.clock.now()))

    def why(self, task_id: int) -> str:
        """Say in one sentence where a task stands and why it is not further."""
        engine = self._engine
        return engine.ask(lambda: engine.driver.dispatcher.why(task_id, engine.clock.now()))

    def progress(self, task_id: int) -> tuple[float, str]:
        """Return what a running task last reported of itself."""
        found = [of[task_id] for of in list(self._engine.driver.progress.values()) if task_id in of]
        best = max(found, key=lambda one: one.fraction, default=None)
        return (best.fraction, best.text) if best is not None else (0.0, "")

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
                self._intake.wait_idle(None, closing=_closed())
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
        self._intake.refuse(_closed())
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
                lifetime.remove(self)
                self._closed.set()

    def refuse_in_child(self) -> None:
        """Make the copy of this session in a forked process say what it is."""
        self._intake.refusal = SessionClosed(
            "the session belongs to the process that this one was forked from",
            advice="Call hxgrid.connect() in the child.",
        )

    def check_waitable(self) -> None:
        """Raise if nothing will ever happen in this session any more."""
        if self._closed.is_set() or lifetime.is_forked(self):
            self._check_usable()

    def __enter__(self) -> Self:
        self._check_usable()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(cancel=error is not None)

    def __repr__(self) -> str:
        if self._closed.is_set():
            return "<Session closed>"
        return f"<Session {self._engine.session_id[:8]} with {self._intake.open_count} tasks>"

    def _check_usable(self) -> None:
        refusal = self._intake.refusal
        if refusal is not None:
            raise refused(refusal)


def _closed() -> SessionClosed:
    return SessionClosed("the session is closed", advice="Make a new one with hxgrid.connect().")


def _prepare(given: Stream | Buffer, threshold: int) -> tuple[Buffer, int, int, int]:
    """Return an input as it travels: payload, its size, its size expanded, flags."""
    if isinstance(given, Stream):
        view = given.getbuffer()
        if given.is_compressed:
            return view, len(view), given.raw_size, _COMPRESSED
    elif type(given) is bytes:
        view = memoryview(given)
    else:
        # The owner of a mutable buffer may change it any time.
        view = memoryview(bytes(flat_view(given)))
    raw = len(view)
    packed, is_compressed = pack(view, threshold)
    if is_compressed:
        return memoryview(packed), memoryview(packed).nbytes, raw, _COMPRESSED
    if raw <= SMALL_PAYLOAD_BYTES:
        return bytes(view), raw, raw, 0
    return view, raw, raw, 0


def _requirements(given: Requirements | Mapping[str, Any] | None, offered: Offered) -> Requirements:
    required = Requirements.of(given)
    if offered.platforms and not required.platforms:
        return replace(required, platforms=offered.platforms)
    return required
