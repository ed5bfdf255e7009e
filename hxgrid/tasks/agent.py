"""`TaskAgent`: what a task sees of the agent that runs it.

It is made for use by one attempt after another, and by all threads of the process at once. What
leaves the process goes through a `Link`, so that the same class serves a task process and a task
that runs in the application itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from hxgrid.errors import DataUnavailable, HxGridError
from hxgrid.streams import Stream
from hxgrid.streams.buffers import map_file
from hxgrid.tasks.locks import GlobalLock
from hxgrid.tasks.page import SharedPage, flag_of

_SUSPENDED_POLL_S: Final = 0.02


class Link(Protocol):
    """The way out of the task: to the agent, or to the application that is its own agent."""

    def ask_data(self, name: str) -> tuple[str | None, str]:
        """Return the path of a file with this global data, or None and why there is none."""
        ...

    def free_data(self, name: str | None) -> None:
        """Say that the computer's copy of this global data (None: of all) is not needed."""
        ...


class TaskAgent:
    """The agent as a task sees it; the first argument of `run_task`."""

    __slots__ = (
        "_ask_lock",
        "_cache_directory",
        "_data",
        "_data_lock",
        "_flag",
        "_flags",
        "_forget_count",
        "_global_lock",
        "_link",
        "_never",
        "_page",
        "_serial",
    )

    def __init__(
        self, page: SharedPage, link: Link, cache_directory: Path, global_lock: GlobalLock
    ) -> None:
        self._page = page
        self._flags = page.flags
        self._link = link
        self._cache_directory = cache_directory
        self._global_lock = global_lock
        # The running attempt, and where in the page its cancel flag is.
        self._serial = 0
        self._flag = flag_of(0)
        # Mapped global data by name, kept until freed or forgotten. The first lock makes two
        # threads ask once; whoever waits for an answer holds it, and reads frames meanwhile. So
        # forgetting must not need it: the second one guards both fields, and nobody waits in it.
        self._data: dict[str, memoryview] = {}
        self._forget_count = 0
        self._ask_lock = threading.Lock()
        self._data_lock = threading.Lock()
        self._never = threading.Event()

    def test_connection(self) -> bool:
        """Tell whether to go on. False: the result is not wanted any more; return False soon.

        Does not return while the computer's owner needs it. Cheap enough for inner loops: two
        bytes of memory are read.
        """
        flags = self._flags
        if flags[self._flag] or flags[0]:
            return self._test_slowly()
        return True

    def get_data(self, name: str) -> Stream:
        """Return the session's global data of this name, read-only and mapped, at position 0.

        The first call on a computer fetches it from the application; all tasks there share one
        copy. Raises `DataUnavailable` if the application has none; it is asked again next time.
        """
        view = self._data.get(name)
        if view is None:
            view = self._fetch(name)
        return Stream(view, readonly=True)

    def free_cached_data(self, name: str | None = None) -> None:
        """Drop this computer's copy of global data; of all names if none is given.

        Streams that tasks hold stay valid; the next `get_data` fetches it again.
        """
        self.forget_data(None if name is None else [name])
        self._link.free_data(name)

    @property
    def session_cache_directory(self) -> Path:
        """A folder for files of this session's tasks on this computer; gone with the session."""
        return self._cache_directory

    @property
    def global_lock(self) -> GlobalLock:
        """One lock for all tasks of this session on this computer, freed if its holder dies."""
        return self._global_lock

    def report(self, fraction: float, text: str = "") -> None:
        """Tell the application how far this task is: 0 to 1, and a few words.

        Costs a microsecond; the application sees the last report about once a second.
        """
        self._page.write_report(self._serial, min(max(float(fraction), 0.0), 1.0), text)

    @property
    def is_cancelled(self) -> bool:
        """Whether this task was cancelled; never waits."""
        return bool(self._flags[self._flag])

    def forget_data(self, names: Iterable[str] | None) -> None:
        """Have `get_data` ask again for these names, None: for all. Not for tasks.

        Never waits. An answer that is on its way was asked for before: it is not kept.
        """
        with self._data_lock:
            self._forget_count += 1
            if names is None:
                self._data.clear()
                return
            for name in names:
                self._data.pop(name, None)

    def begin(self, serial: int) -> None:
        """Serve the attempt with this serial from now on. Not for tasks."""
        self._serial = serial
        self._flag = flag_of(serial)

    def _test_slowly(self) -> bool:
        while not self.is_cancelled:
            if not self._flags[0]:
                return True
            self._never.wait(_SUSPENDED_POLL_S)
        return False

    def _fetch(self, name: str) -> memoryview:
        with self._ask_lock:
            view = self._data.get(name)
            if view is None:
                count = self._forget_count
                view = self._map(name)
                with self._data_lock:
                    if count == self._forget_count:
                        self._data[name] = view
            return view

    def _map(self, name: str) -> memoryview:
        path, reason = self._link.ask_data(name)
        if path is not None:
            try:
                return map_file(path)
            except HxGridError as error:
                reason = str(error)
        raise DataUnavailable(
            f"there is no global data named {name!r}",
            why=reason,
            advice="It comes from the callback given to session.bind_get_data().",
        )
