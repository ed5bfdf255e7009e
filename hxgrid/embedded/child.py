"""One agent process, and the pipes to it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from hxgrid.errors import HxGridError
from hxgrid.logs import get_logger
from hxgrid.wire.messages import RosterEntry

# -P: a file in the working directory that is called like a standard module is not meant.
COMMAND: list[str] = [sys.executable, "-P", "-m", "hxgrid", "agent", "--embedded"]
"""What starts an agent."""

_LOG_TAIL_CHARS = 2000

_log = get_logger("embedded")


class AgentChild:
    """Starts an agent at once; `place` is the folder for all that it keeps on disk."""

    def __init__(self, number: int, place: Path, order: dict[str, Any]) -> None:
        self.number = number
        self._log_path = place / "log.txt"
        self._answer: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        order = {**order, "work_folder": str(place / "work"), "store_folder": str(place / "store")}
        for folder in (place / "work", place / "store"):
            folder.mkdir(parents=True)
        self._process = self._spawn()
        threading.Thread(target=self._read_answer, name="hxgrid-embedded", daemon=True).start()
        line = json.dumps({"settings": order, "parent_pid": os.getpid()}).encode() + b"\n"
        # One that has ended already is reported by whoever waits for its answer.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line)
            self._stdin.flush()

    @property
    def process_id(self) -> int:
        """Number of the agent's process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for_answer(self, deadline: float) -> RosterEntry:
        """Return what it says of itself once it listens."""
        try:
            line = self._answer.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise self._error("it has not answered in time") from None
        try:
            answer = json.loads(line) if line else {"error": self._last_words()}
            if isinstance(answer, dict) and "error" in answer:
                raise self._error(str(answer["error"]), str(answer.get("advice", "")))
            return RosterEntry.model_validate_json(line)
        except ValueError:  # of json and of pydantic
            raise self._error(f"it answered {line[:200]!r}") from None

    def ask_to_end(self) -> None:
        """Close the line to it, which tells it to end."""
        with contextlib.suppress(OSError):  # what was not written is of no interest any more
            self._stdin.close()

    def wait_for_end(self, deadline: float) -> None:
        """Wait until it has ended; kill it and what it started when the deadline is there."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("embedded agent killed", agent=self.number, pid=self._process.pid)
            _kill_tree(self._process.pid)
            self._process.wait()

    def log_tail(self) -> str:
        """Return the last of what it said on standard error."""
        try:
            return self._log_path.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARS:]
        except OSError:
            return ""

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _spawn(self) -> subprocess.Popen[bytes]:
        if not sys.executable:
            raise HxGridError(
                "an embedded grid cannot be started", why="this program has no Python interpreter"
            )
        try:
            with self._log_path.open("wb") as log:
                return subprocess.Popen(
                    COMMAND,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Ctrl-C at the terminal is for the application, which then ends us in order.
                    start_new_session=True,
                )
        except OSError as error:
            raise HxGridError(
                "an embedded grid cannot be started", where=COMMAND[0], why=str(error)
            ) from error

    def _read_answer(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            self._answer.put(stdout.readline())
            # Whatever else it says there must not stop it; nobody is meant to read it.
            while stdout.read(65536):
                pass

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # it has closed its end of the line, so it is about to end
        lines = [line for line in self.log_tail().splitlines() if line.strip()]
        said = lines[-1].strip() if lines else "it said nothing"
        return f"it ended with exit status {self._process.returncode}: {said}"

    def _error(self, why: str, advice: str = "") -> HxGridError:
        return HxGridError(
            f"agent {self.number} of the embedded grid did not start",
            why=why,
            advice=advice or "HXGRID_AGENT_LOG_LEVEL=debug makes it say more.",
        )


def _kill_tree(process_id: int) -> None:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        family = [*process.children(recursive=True), process]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
