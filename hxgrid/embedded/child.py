"""One agent process, and the pipes to it."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

from hxgrid.embedded.process import OwnedProcess, hxgrid_command
from hxgrid.errors import HxGridError
from hxgrid.wire.messages import RosterEntry

_LOG_TAIL_CHARS = 2000


class AgentChild:
    """Starts an agent at once; `place` is the folder for all that it keeps on disk."""

    def __init__(self, number: int, place: Path, order: dict[str, Any]) -> None:
        self.number = number
        self._log_path = place / "log.txt"
        self._answer: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        order = {**order, "work_folder": str(place / "work"), "store_folder": str(place / "store")}
        for folder in (place / "work", place / "store"):
            folder.mkdir(parents=True)
        with self._log_path.open("wb") as log:
            self._process = OwnedProcess(hxgrid_command("agent", "--embedded"), log, reads=True)
        threading.Thread(target=self._read_answer, name="hxgrid-embedded", daemon=True).start()
        line = json.dumps({"settings": order, "parent_pid": os.getpid()}).encode() + b"\n"
        self._process.tell(line)

    @property
    def process(self) -> OwnedProcess:
        """The process itself."""
        return self._process

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

    def log_tail(self) -> str:
        """Return the last of what it said on standard error."""
        try:
            return self._log_path.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARS:]
        except OSError:
            return ""

    def _read_answer(self) -> None:
        with self._process.stdout as stdout:
            self._answer.put(stdout.readline())
            # Whatever else it says there must not stop it; nobody is meant to read it.
            while stdout.read(65536):
                pass

    def _last_words(self) -> str:
        # It has closed its end of the line, so it is about to end.
        status = self._process.wait(time.monotonic() + 1.0)
        # Advice stands on indented lines below; the reason is above them.
        lines = [line for line in self.log_tail().splitlines() if line and not line[0].isspace()]
        said = lines[-1].removeprefix("hxgrid: ") if lines else "it said nothing"
        return f"it ended with exit status {status}: {said}"

    def _error(self, why: str, advice: str = "") -> HxGridError:
        return HxGridError(
            f"agent {self.number} of the embedded grid did not start",
            why=why,
            advice=advice or "HXGRID_AGENT_LOG_LEVEL=debug makes it say more.",
        )
