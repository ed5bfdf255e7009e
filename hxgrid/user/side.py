"""One thread beside the loop for what may wait for a disk or keep a processor busy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from hxgrid.logs import get_logger

_log = get_logger("user")

Work = Callable[[], None]


class SideThread:
    """Does work in the order in which it comes. Work reports its own errors to who asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, work: Work) -> None:
        """Have `work` done soon. Called by the loop's thread only."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._queue.put(work)

    def stop(self, timeout_s: float) -> None:
        """End the thread after what it does now; wait for that at most `timeout_s`."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - a fault of ours; the thread serves others too
                _log.exception("work beside the loop failed")
