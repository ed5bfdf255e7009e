"""`connect("inline")`: a session without a grid, for debugging.

Tasks run at once, in the thread that submits them, from their own files: breakpoints work, and a
profiler sees everything. What an agent would do is done by the same code (`hxgrid.tasks`), so a
task module behaves as it does there, apart from what needs other processes: nothing runs twice,
nothing is cancelled once it runs, and a crash is the application's own.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Self

from hxgrid.errors import ModuleError, TaskError
from hxgrid.modules.calls import Call
from hxgrid.modules.images import is_native
from hxgrid.modules.sets import ModuleSet
from hxgrid.settings import UserSettings
from hxgrid.streams import Stream
from hxgrid.streams.buffers import flat_view
from hxgrid.streams.compression import compress_stream, unpack
from hxgrid.tasks.agent import TaskAgent
from hxgrid.tasks.loading import FunctionSpec
from hxgrid.tasks.locks import GlobalLock
from hxgrid.tasks.page import SharedPage
from hxgrid.tasks.running import DONE, Functions, Runner, calls_runner, judge
from hxgrid.user.callables import takes_task
from hxgrid.user.core.explain import Explanation
from hxgrid.user.core.task import Attempt, AttemptState, TaskRecord, TaskState
from hxgrid.user.failures import AgentNames, error_of, merge, session_closed
from hxgrid.user.fronts import Front
from hxgrid.user.global_data import GetData
from hxgrid.user.inputs import check_data_name
from hxgrid.user.journal_calls import CallJournal
from hxgrid.user.mapping import GridMap
from hxgrid.user.offers import Modules
from hxgrid.user.progress import progress_of
from hxgrid.user.session_views import ConnectionStatus
from hxgrid.user.task import Finalize, Task
from hxgrid.wire.batches import Buffer, ResultRecord
from hxgrid.wire.documents import read_reason
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES
from hxgrid.wire.messages import Outcome

AGENT = "inline"
"""What stands for the agent in `Task.attempts`."""


class _DataLink:
    """Answers `get_data` of tasks from the application's callback; part of `tasks.agent.Link`."""

    def __init__(self, folder: Path) -> None:
        self.callback: GetData | None = None
        self._folder = folder
        self._paths: dict[str, Path] = {}
        self._files: dict[str, Path] = {}  # of these, those that were made here
        self._numbers = itertools.count(1)

    def ask_data(self, name: str) -> tuple[str | None, str]:
        """Return the path of a file with this global data, or None and why there is none."""
        path = self._paths.get(name)
        if path is None:
            if self.callback is None:
                return None, "the application has bound no callback: session.bind_get_data(...)"
            given = self.callback(name)
            if given is None:
                return None, "the application's callback returned None"
            path = given if isinstance(given, Path) else self._write(name, given)
            self._paths[name] = path
        return str(path), ""

    def free_data(self, name: str | None) -> None:
        """Ask the callback again for this name (None: all) when it is wanted next."""
        for each in list(self._paths) if name is None else [name]:
            self._paths.pop(each, None)
            file = self._files.pop(each, None)
            if file is not None:
                with contextlib.suppress(OSError):  # Windows, while a task has it mapped
                    file.unlink()

    def _write(self, name: str, given: Any) -> Path:
        path = self._files[name] = self._folder / f"data-{next(self._numbers)}"
        path.write_bytes(_bytes_of(given))
        return path


class InlineSession:
    """A `Session` whose tasks run in the calling thread. Same methods, same meaning."""

    call_journal: CallJournal | None = None
    """Nothing is written down here; part of `mapping.Submitter`."""

    def __init__(self, settings: UserSettings) -> None:
        self.settings = settings
        self.names = AgentNames()
        self.names.set_name(AGENT, "this program")
        self._folder = Path(tempfile.mkdtemp(prefix="hxgrid-inline-"))
        (self._folder / "data").mkdir()
        (self._folder / "cache").mkdir()
        self._page = SharedPage()
        self._link = _DataLink(self._folder / "data")
        self._lock = GlobalLock(self._folder / "global.lock")
        self._agent = TaskAgent(self._page, self._link, self._folder / "cache", self._lock)
        self._functions = Functions(self._agent, 1)
        self._function_ids: dict[object, int] = {}
        self._task_ids = itertools.count(1)
        self._failures: dict[int, Task] = {}
        self._callback_errors: list[BaseException] = []
        self._import_folders: list[str] = []
        self._is_closed = False

    # ------------------------------------------------------------------ running

    def run_task(
        self,
        modules: Modules,
        function: str,
        in_stream: Stream | Buffer = b"",
        finalize: Finalize | None = None,
        **_unused: Any,
    ) -> Task:
        """Run a task now, and its `finalize`. Limits and requirements do not matter here."""
        self._check_usable()
        number = self._function_id(modules, function)
        payload = _bytes_of(in_stream)
        record = self._record(number, payload)
        task = Task(self, record, finalize, finalize is not None and takes_task(finalize))
        self._run(record, task, lambda: self._functions.runner(number), payload)
        return task

    def submit_calls(
        self,
        function: Callable[..., Any],
        packed: tuple[bytes, frozenset[str]],
        front: Front,
        *,
        idempotent: bool = True,  # noqa: ARG002 - nothing runs twice here
        keys: tuple[bytes | None, ...] | None = None,  # noqa: ARG002 - there is no journal
    ) -> TaskRecord:
        """Run a packed batch of calls now, for the Executor and `map`."""
        self._check_usable()
        record = self._record(0, packed[0])
        self._run(record, front, lambda: calls_runner(function, self._agent), packed[0])
        return record

    def map(
        self,
        function: Callable[..., Any],
        iterable: Iterable[Any],
        *,
        ordered: bool = True,
        chunksize: int | Literal["auto"] = "auto",
        progress: Any = None,
        journal_key: str | None = None,  # noqa: ARG002 - there is no journal
    ) -> Iterator[Any]:
        """Give `function(item)` for each item; each runs when its result is near."""
        self._check_usable()
        calls: Iterator[Call] = (((item,), {}) for item in iterable)
        size = 1 if chunksize == "auto" else chunksize
        shown = progress_of(progress, iterable)
        # One piece at a time, or a whole window would run before the first result is given.
        return iter(
            GridMap(
                self,
                function,
                calls,
                ordered=ordered,
                chunksize=size,
                buffersize=size,
                progress=shown,
            )
        )

    def _run(
        self, record: TaskRecord, front: Front, find: Callable[[], Runner], payload: Buffer
    ) -> None:
        attempt = Attempt(1, AGENT, time.monotonic(), False)
        record.attempts = [*record.attempts, attempt]
        record.state = TaskState.RUNNING
        self._agent.begin(record.id)
        attempt.started_at = time.monotonic()
        try:
            output = bytes(find()(payload))
            outcome = DONE
        except Exception as error:  # noqa: BLE001 - the task's own; Ctrl-C is the application's
            outcome, output = judge(error, False, b"")
        attempt.ended_at = time.monotonic()
        attempt.state = AttemptState.ENDED
        attempt.outcome = Outcome(outcome).name
        if outcome == DONE:
            self._complete(record, front, attempt, output)
        else:
            attempt.reason = read_reason(output)
            record.state = TaskState.FAILED
            front.end(record, None)

    def _complete(self, record: TaskRecord, front: Front, attempt: Attempt, output: bytes) -> None:
        began, ended = attempt.started_at, attempt.ended_at
        size = len(output)
        result = ResultRecord(record.id, 1, DONE, 0, 0, size, size, began, ended, output)
        record.state = TaskState.FINALIZING
        if front.end(record, result):
            try:
                front.call()
            except Exception as error:  # noqa: BLE001 - kept for wait_for_completion
                self._callback_errors.append(error)
        record.state = TaskState.DONE

    def _record(self, function: int, payload: bytes) -> TaskRecord:
        size = len(payload)
        return TaskRecord(next(self._task_ids), function, None, stored_bytes=size, raw_bytes=size)

    def _function_id(self, modules: Modules, function: str) -> int:
        if not isinstance(modules, (str, Path, ModuleSet)):
            modules = tuple(modules)  # type: ignore[arg-type]  # what is left is iterable
        key = (modules, function)
        number = self._function_ids.get(key)
        if number is None:
            module_set = modules if isinstance(modules, ModuleSet) else ModuleSet(modules)
            (_, path), *others = module_set.files(module_set.platforms[0])
            if is_native(path.name):
                raise ModuleError(
                    f"{path.name!r} is a native module, which does not run inline",
                    advice='Use connect("local").',
                )
            self._make_importable(other.parent for _, other in others)
            number = self._function_ids[key] = len(self._function_ids) + 1
            spec = FunctionSpec(
                "module",
                entry=function,
                folder=str(path.resolve().parent),
                paths=(path.name,),
                label=f"{path.name}:{function}",
            )
            self._functions.offer(number, spec)
        return number

    def _make_importable(self, folders: Iterable[Path]) -> None:
        for folder in dict.fromkeys(str(folder.resolve()) for folder in folders):
            if folder not in sys.path:
                sys.path.append(folder)
                self._import_folders.append(folder)

    # ------------------------------------------------------------------ the rest of a Session

    def compress_stream(self, stream: Stream) -> None:
        """Compress a stream in place."""
        compress_stream(stream, self.settings.compress_threshold_bytes)

    def wait_for_completion(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Raise what has failed and was not collected; nothing is ever under way."""
        self._check_usable()
        self._raise_failures()
        return True

    def wait_for_completion_event(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Return at once: nothing is ever under way."""
        self._check_usable()
        return True

    @property
    def is_complete(self) -> bool:
        """Always true."""
        self._check_usable()
        return True

    def bind_get_data(self, callback: GetData | None, *, volatile: bool = False) -> None:  # noqa: ARG002
        """Have `callback(name)` answer `get_data(name)` of tasks, in the calling thread."""
        self._check_usable()
        self._link.callback = callback

    def forget_data(self, name: str | None = None) -> None:
        """Have global data of this name (None: all) asked for again when it is wanted next."""
        self._check_usable()
        self._agent.free_cached_data(None if name is None else check_data_name(name))

    def update_settings(self, **changes: Any) -> UserSettings:
        """Change settings and return all."""
        self._check_usable()
        self.settings = self.settings.with_changes(**changes)
        return self.settings

    def cancel_tasks(self) -> list[str]:
        """Return at once: nothing is ever under way."""
        self._check_usable()
        return []

    def cancel(self, task_ids: list[int]) -> None:
        """Do nothing: every task has ended."""

    @property
    def connection_status(self) -> ConnectionStatus:
        """One slot, and no coordinator."""
        self._check_usable()
        return ConnectionStatus(False, 0, 1, AGENT)

    def slot_count(self) -> int:
        """Return 1."""
        return 1

    def explain(self) -> list[Explanation]:
        """Return nothing: no task ever waits."""
        self._check_usable()
        return []

    def why(self, task_id: int) -> str:
        """Say where a task stands."""
        return f"task {task_id} runs in the thread that submitted it"

    def progress(self, task_id: int) -> tuple[float, str]:
        """Return what the running task last reported of itself."""
        report = self._page.report()
        return (report.fraction, report.text) if report and task_id else (0.0, "")

    def error_of(self, record: TaskRecord) -> TaskError:
        """Return the error of a task that ended badly."""
        return error_of(record, self.names)

    def note_failure(self, task: Task) -> None:
        """Remember a failure until somebody collects it."""
        self._failures[task.id] = task

    def collect(self, task_id: int) -> None:
        """Forget a failure: the application has seen it."""
        self._failures.pop(task_id, None)

    def attend(self, _is_over: Callable[[], bool], _deadline: float | None) -> None:
        """Do nothing: nobody ever waits."""

    def _raise_failures(self) -> None:
        failures, self._failures = self._failures, {}
        errors, self._callback_errors = self._callback_errors, []
        if failures or errors:
            raise merge([task.failure() for task in failures.values()], errors)

    # ------------------------------------------------------------------ closing

    def close(self, cancel: bool = False) -> None:
        """End the session; raises what `wait_for_completion` raises, unless `cancel`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._callback_errors += self._functions.end_session()
        self._lock.close()
        for folder in self._import_folders:
            sys.path.remove(folder)
        shutil.rmtree(self._folder, ignore_errors=True)
        if not cancel:
            self._raise_failures()

    def __enter__(self) -> Self:
        self._check_usable()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close(cancel=error is not None)

    def _check_usable(self) -> None:
        if self._is_closed:
            raise session_closed()


def _bytes_of(given: Stream | Buffer) -> bytes:
    if isinstance(given, Stream):
        if given.is_compressed:
            return bytes(unpack(given.getbuffer(), given.raw_size, MAX_PAYLOAD_BYTES))
        return given.getvalue()
    return bytes(flat_view(given))
