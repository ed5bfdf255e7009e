"""`HostProcess`: the agent's end of one host process, in which native functions run in threads.

It lives like every task process. What differs: several attempts run at a time, so that its end may
be the fault of any of them. Threads leave stamps in the shared page, and one that dies leaves its
last words; together they say who ran and, mostly, who it was.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hxgrid.tasks.hostpage import HostPage
from hxgrid.tasks.page import SharedPage
from hxgrid.wire.batches import Key
from hxgrid_agent.execution import frames
from hxgrid_agent.execution.exits import core_dump, describe_host_exit
from hxgrid_agent.execution.process import TaskProcess

_LIBRARY_PATHS: Final = {"linux": "LD_LIBRARY_PATH", "darwin": "DYLD_LIBRARY_PATH"}


class HostProcess(TaskProcess):
    """One host process and what it has been given."""

    role = "host"

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(number, folder)
        self._threads = 1
        self._libraries = folder / f"libraries-{self._name}"

    def set_slots(self, slots: Sequence[int]) -> None:
        """Say how many attempts may run at a time from now on, and in which slots."""
        count = len(slots)
        # Threads beyond the number end what they run, in the slots that they had.
        self.slots[:count] = slots
        if count != self._threads:
            self._threads = count
            self._send(frames.pack_json(frames.THREADS, count=count))

    def running(self) -> tuple[Key, float] | None:
        """Return the attempt that has run longest, and since when; None if none runs."""
        stamps = [] if self._is_dead else self._host_page().stamps()
        for stamp in sorted(stamps, key=lambda each: each.serial):
            key = self._keys.get(stamp.serial)
            if key is not None:
                return key, stamp.started_at
        return None

    def _make_page(self, path: Path) -> SharedPage:
        return HostPage.create(path)

    def _adapted(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Have the loader look for libraries where the process will put those that it gets."""
        variable = _LIBRARY_PATHS.get(sys.platform)
        if variable is None:
            return environment
        # It must be there now: loaders remember which folders are not.
        self._libraries.mkdir()
        self._setup["libraries"] = str(self._libraries)
        earlier = environment.get(variable)
        paths = [str(self._libraries), *([earlier] if earlier else [])]
        return {**environment, variable: os.pathsep.join(paths)}

    def _last_attempts(self) -> tuple[Key | None, dict[Key, int]]:
        page = self._host_page()
        keys, slots = self._keys, self.slots
        ran = {
            keys[each.serial]: slots[min(each.thread, len(slots) - 1)]
            for each in page.stamps()
            if each.serial in keys
        }
        crash = page.crash()
        running = keys.get(crash.serial) if crash is not None else None
        return running, ran

    def _has_said_why(self) -> bool:
        return self._host_page().crash() is not None

    def _describe_exit(self, status: int) -> tuple[str, str]:
        crash = self._host_page().crash()
        sentence, signal_name = describe_host_exit(status, crash)
        if self._has_dumped_core:
            sentence = f"{sentence} ({core_dump(self._process.pid, self._folder)})"
        return sentence, signal_name

    def _host_page(self) -> HostPage:
        assert isinstance(self._page, HostPage)
        return self._page

    def _release(self) -> None:
        super()._release()
        shutil.rmtree(self._libraries, ignore_errors=True)
