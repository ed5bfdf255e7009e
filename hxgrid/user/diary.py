"""What a session writes down for `hxgrid why`: why its tasks wait, and why they failed.

One small file per session, in the folder for state of the person who runs the program, replaced as
a whole and at most every two seconds, by a thread of its own: neither the loop nor the application
waits for the disk. It stays when the program has ended, because that is when people ask; the files
of the last sessions are kept. A diary that cannot be written is not written: no task depends on it.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import platformdirs

from hxgrid.errors import HxGridError
from hxgrid.logs import get_logger
from hxgrid.user.core.explain import Explanation

WRITE_EVERY_S: Final = 2.0
MAX_FAILURES: Final = 100
"""Failures that are kept, the last ones."""
MAX_DIARIES: Final = 20
MAX_BYTES: Final = 1024 * 1024
"""A larger file is not ours."""
MAX_TEXT_CHARS: Final = 500

_log = get_logger("user")


class Look(NamedTuple):
    """How a session stands at one moment."""

    counts: dict[str, int]
    """Tasks by what became of them."""
    explanations: Sequence[Explanation]


class Diary:
    """Writes the diary of one session.

    `look` is called by the diary's thread, `count` by the one that closes the session.
    """

    def __init__(
        self,
        header: dict[str, Any],
        look: Callable[[], Look],
        count: Callable[[], dict[str, int]],
        folder: Path | None = None,
        every_s: float = WRITE_EVERY_S,
    ) -> None:
        self._header = {**header, "started_at": time.time()}
        self._look = look
        self._count = count
        self._folder = folder if folder is not None else diaries_folder()
        self._every_s = every_s
        self._failures: deque[dict[str, Any]] = deque(maxlen=MAX_FAILURES)
        self._last = Look({}, ())
        self._has_written = False
        self._closing = threading.Event()
        self._writing = threading.Lock()  # held while a page is written: the last one goes last
        self._thread = threading.Thread(target=self._run, name="hxgrid-diary", daemon=True)

    def start(self) -> None:
        """Begin to write, if there is something to tell."""
        self._thread.start()

    def note_failure(self, task_id: int, text: str) -> None:
        """Remember why a task failed; from any thread."""
        self._failures.append({"task": task_id, "state": "failed", "text": _short(text)})

    def close(self) -> None:
        """Write for the last time. Never blocks for long; twice is harmless."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._has_written or self._failures:
            # What waits now will never run: only what has failed is still worth knowing.
            with self._writing:
                self._write(Look(self._count(), ()), ended_at=time.time())

    def _run(self) -> None:
        while not self._closing.wait(self._every_s):
            try:
                look = self._look()
            except HxGridError:
                return  # the session has just been closed
            with self._writing:
                if look != self._last and not self._closing.is_set():
                    self._last = look
                    self._write(look)

    def _write(self, look: Look, ended_at: float | None = None) -> None:
        waiting = [
            {"task": one.subject, "state": "waiting", "text": _short(one.text)}
            for one in look.explanations
            if one.kind == "task"
        ]
        agents = [
            {"agent": one.subject, "text": _short(one.text)}
            for one in look.explanations
            if one.kind == "agent"
        ]
        page = {
            **self._header,
            "updated_at": time.time(),
            "ended_at": ended_at,
            "counts": look.counts,
            "tasks": [*list(self._failures), *waiting],
            "agents": agents,
        }
        try:
            _replace(self._folder / f"{self._header['session']}.json", json.dumps(page))
            if not self._has_written:
                _forget_old(self._folder)
        except OSError as error:
            _log.debug("diary not written", folder=self._folder, why=error)
        self._has_written = True


def diaries_folder() -> Path:
    """Return the folder of this person's diaries."""
    return Path(platformdirs.user_state_dir("hxgrid", appauthor=False)) / "sessions"


def read_diaries(folder: Path | None = None) -> list[dict[str, Any]]:
    """Return the diaries that there are, the latest first; what is not one is left out."""
    found = []
    for path in _by_age(folder if folder is not None else diaries_folder()):
        try:
            with path.open(encoding="utf-8") as file:
                page = json.loads(file.read(MAX_BYTES))
            if isinstance(page.get("tasks"), list) and isinstance(page.get("agents"), list):
                found.append(page)
        except (OSError, ValueError, AttributeError):
            continue
    return found


def _replace(path: Path, text: str) -> None:
    # For the owner alone: the texts of failures may hold data.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix="diary-", suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(aside).replace(path)


def _forget_old(folder: Path) -> None:
    for path in _by_age(folder)[MAX_DIARIES:]:
        path.unlink(missing_ok=True)


def _by_age(folder: Path) -> list[Path]:
    """Return the diaries, the latest first."""
    dated = []
    for path in folder.glob("*.json"):
        try:
            dated.append((path.stat().st_mtime_ns, path))
        except OSError:
            continue  # its owner has just replaced it
    return [path for _, path in sorted(dated, reverse=True)]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT_CHARS else line[: MAX_TEXT_CHARS - 1] + "…"
