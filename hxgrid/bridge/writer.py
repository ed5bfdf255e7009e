"""The way out: frames are queued by any thread and written by one.

Whoever has something to say never waits for the application to read it, apart from results, which
are held back by `Window` while too many are under way: the application's callbacks are slower than
the grid, and what waits for them must be bounded.
"""

from __future__ import annotations

import os
import threading
from typing import Final

from hxgrid.bridge.frames import Kind, make_frame
from hxgrid.streams.buffers import flat_view
from hxgrid.wire.batches import Buffer

JOIN_BELOW_BYTES: Final = 64 * 1024
"""Smaller pieces are written together; copying them costs less than a call of the system."""

WINDOW_BYTES: Final = 32 * 1024 * 1024
WINDOW_COUNT: Final = 4096


class FrameWriter:
    """Writes frames to a pipe, in the order in which they were put."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()  # taken by itself it costs less than through the condition
        self._changed = threading.Condition(self._lock)
        self._pieces: list[Buffer] = []
        self._is_waiting = False
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="hxgrid-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, kind: Kind, head: bytes = b"", payload: Buffer = b"", call: int = 0) -> None:
        """Queue a frame; never waits. After the end it goes nowhere."""
        if type(payload) is bytes and len(payload) < JOIN_BELOW_BYTES:
            frame = make_frame(kind, call, head, len(payload)) + payload
            payload = b""
        else:
            frame = make_frame(kind, call, head, flat_view(payload).nbytes)
        with self._lock:
            if self._is_over:
                return
            self._pieces.append(frame)
            if payload:
                self._pieces.append(payload)
            if self._is_waiting:
                self._is_waiting = False
                self._changed.notify()

    def stop(self, limit_s: float) -> None:
        """Write what is queued, but no longer than that, and end."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join(limit_s)

    def _run(self) -> None:
        try:
            while pieces := self._take():
                for piece in _joined(pieces):
                    _write_all(self._descriptor, piece)
        except OSError:
            # The application has gone; the reader learns of it too, and ends everything.
            with self._changed:
                self._is_over = True
                self._pieces.clear()

    def _take(self) -> list[Buffer]:
        with self._changed:
            while not self._pieces and not self._is_over:
                self._is_waiting = True
                self._changed.wait()
            pieces, self._pieces = self._pieces, []
        return pieces


class Window:
    """Holds back results while the application has too many that it has not taken."""

    def __init__(self, max_bytes: int = WINDOW_BYTES, max_count: int = WINDOW_COUNT) -> None:
        self._max_bytes = max_bytes
        self._max_count = max_count
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._sent_bytes = self._sent_count = 0
        self._taken_bytes = self._taken_count = 0
        self._is_open = False

    def pass_through(self, size_bytes: int) -> None:
        """Wait until there is room for a result of this size, and take it."""
        with self._lock:
            if not self._has_room():
                self._changed.wait_for(self._has_room)
            self._sent_bytes += size_bytes
            self._sent_count += 1

    def taken(self, count: int, size_bytes: int) -> None:
        """Note how much has been taken in all."""
        with self._changed:
            self._taken_count = count
            self._taken_bytes = size_bytes
            self._changed.notify_all()

    def open(self) -> None:
        """Hold back nothing any more."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        count = self._sent_count - self._taken_count
        under_way = self._sent_bytes - self._taken_bytes
        # Not counting the new one: what is told of as taken lags behind a little, and must not keep
        # a single large result for ever.
        return self._is_open or (count < self._max_count and under_way < self._max_bytes)


def _joined(pieces: list[Buffer]) -> list[Buffer]:
    """Return the pieces with runs of small ones made into one."""
    joined: list[Buffer] = []
    small: list[Buffer] = []
    for piece in pieces:
        size = len(piece) if type(piece) is bytes else flat_view(piece).nbytes
        if size < JOIN_BELOW_BYTES:
            small.append(piece)
            continue
        if small:
            joined.append(b"".join(small))
            small = []
        joined.append(piece)
    if small:
        joined.append(b"".join(small))
    return joined


def _write_all(descriptor: int, data: Buffer) -> None:
    view = flat_view(data)
    while view.nbytes:
        view = view[os.write(descriptor, view) :]
