"""Session: what an application holds of the grid."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from hxgrid.errors import ConfigError, HxGridError
from hxgrid.settings import UserSettings
from hxgrid.streams import Stream
from hxgrid.streams.compression import compress_stream
from hxgrid.transport.security import Security
from hxgrid.user.acceptance import Acceptance
from hxgrid.user.core.events import TasksCancelled
from hxgrid.user.core.requirements import Requirements
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.fronts import Front
from hxgrid.user.functions import FunctionBook
from hxgrid.user.global_data import GetData
from hxgrid.user.inputs import check_data_name
from hxgrid.user.journal import Journal
from hxgrid.user.journal_calls import CallJournal
from hxgrid.user.mapping import GridMap
from hxgrid.user.offers import Modules, Offered
from hxgrid.user.progress import progress_of
from hxgrid.user.session_life import Owned
from hxgrid.user.session_views import SessionViews
from hxgrid.user.task import Finalize, Task
from hxgrid.user.verifying import Compare
from hxgrid.user.waiting import wait_event
from hxgrid.wire.batches import Buffer
from hxgrid.wire.messages import AttemptFlag

_CANCEL_MARGIN_S = 0.45
"""Beyond `cancel_grace_s`, for agents to confirm; half a second is promised in all."""

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
    "journal",
)
"""Settings that take effect when a session is made, and not later."""

_COMPRESSED = int(AttemptFlag.COMPRESSED)


class Session(SessionViews):
    """One connected run of an application. Made by `hxgrid.connect`; use it in a `with` statement.

    All methods may be called from any thread. After `close()` they raise `SessionClosed`.
    """

    def __init__(
        self,
        settings: UserSettings,
        security: Security,
        *,
        owned: Owned | None = None,
        journal: Journal | None = None,
    ) -> None:
        super().__init__(settings, security, owned=owned, journal=journal)
        self.acceptance = Acceptance(self, self._engine.offers, self._intake, journal)
        """Takes tasks in. For other parts of the library."""
        self.acceptance.apply(settings)
        self._accept = self.acceptance.run_task
        self._functions = FunctionBook(self._engine.offers)
        self.call_journal = (
            CallJournal(journal, self._functions.plan) if journal is not None else None
        )
        """Finds calls in the journal; None if there is none. For the Executor and `map`."""
        self._seen_ends = 0  # what wait_for_completion_event has told of

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
        no_progress_limit_s: float | None = None,
        cost: float | None = None,
    ) -> Task | None:
        """Submit a task: `function` of the file `modules` is run on `in_stream` somewhere.

        `modules` is a path, a list of paths (the first holds the function) or a `ModuleSet`.
        `finalize(out)` or `finalize(task, out)` is called with the output on the callback thread.
        While the queue is full the call waits; with `blocking=False`, or when `timeout` seconds are
        over, it returns None and the stream still belongs to the caller. Otherwise the stream
        belongs to the session. On the callback thread a task is always accepted.

        An attempt that takes longer than `time_limit_s`, or reports nothing new for
        `no_progress_limit_s` (None: the setting), is ended and counts as failed. `cost` is how long
        the task is expected to take, in any unit that is the same for all tasks of the function:
        one that is known to be long is neither taken for late nor sent ahead of its time.

        Raises `ModuleError` if a file cannot be read, `SessionClosed` after `close()`.
        """
        return self._accept(
            modules,
            function,
            in_stream,
            finalize,
            blocking,
            timeout,
            requires,
            idempotent,
            time_limit_s,
            no_progress_limit_s,
            cost,
        )

    def offer(self, modules: Modules, function: str, time_limit_s: float | None = None) -> Offered:
        """Return a function of module files as `acceptance.add` wants it.

        Raises `ModuleError` if a file is missing or cannot be read.
        """
        self._check_usable()
        return self.acceptance.find(modules, function, time_limit_s)

    def submit_calls(
        self,
        function: Callable[..., Any],
        packed: tuple[bytes, frozenset[str]],
        front: Front,
        *,
        idempotent: bool = True,
        keys: tuple[bytes | None, ...] | None = None,
    ) -> TaskRecord:
        """Submit a packed batch of calls as one task, for the Executor and `map`; never blocks.

        `keys`: where the journal keeps their outcomes.
        """
        payload, modules = packed
        offered = self._functions.find(self._functions.plan(function), modules)
        return self.acceptance.add_calls(offered, payload, front, idempotent, keys)

    def map(
        self,
        function: Callable[..., Any],
        iterable: Iterable[Any],
        *,
        ordered: bool = True,
        chunksize: int | Literal["auto"] = "auto",
        progress: Any = None,
        journal_key: str | None = None,
    ) -> Iterator[Any]:
        """Give `function(item)` for each item, lazily: a window of items is under way at a time.

        `ordered=False` gives results as they come. `chunksize` calls travel as one task; "auto"
        follows what was measured. `progress=True` shows a bar on stderr; or give an object with
        tqdm's `update` and `close`. An exception of the function is raised in its place, in its
        own type with the remote traceback as cause, and ends the iteration. `journal_key` lets a
        journal keep a function that travels by reference: change it when the function changes.
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
                journal_key=journal_key,
            )
        )

    def compress_stream(self, stream: Stream) -> None:
        """Compress a stream in place, as `run_task` would; once is enough, twice is harmless."""
        compress_stream(stream, self.settings.compress_threshold_bytes)

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
        self._engine.helm.call_back()
        if not self._intake.wait_idle(timeout):
            return False
        self._raise_failures()
        return True

    def wait_for_completion_event(self, timeout: float | None = None) -> bool:
        """Wait until some task has ended since the last call, or none is left; False: timed out.

        For loops that show progress in between.
        """
        self._check_usable()
        self._engine.helm.call_back()
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
        if self._journal is not None:
            self._engine.loop.call_soon_threadsafe(self._journal.forget_data)

    def compare_results(self, compare: Compare | None) -> None:
        """Have results of verified tasks compared by this, on the callback thread; None: as bytes.

        `compare(one, other)` gets two read-only streams, or two values of a call, and says whether
        they agree.
        """
        self._check_usable()
        self._engine.driver.verifier.compare = compare

    def forget_data(self, name: str | None = None) -> None:
        """Have global data of this name (None: all) asked for again when it is wanted next.

        Tasks submitted after this call get the new data, on all agents; streams that running tasks
        hold stay as they are. Raises `TypeError` for a name that is no text.
        """
        self._check_usable()
        names = None if name is None else [check_data_name(name)]
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
        self.acceptance.apply(settings)
        self._engine.apply(settings)
        return settings

    # ------------------------------------------------------------------ cancelling

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
