"""The task library of C, as the host process calls it: statuses become exceptions.

What the functions do stands in `hxg_host.h`, which is also what cffi reads. Nothing here runs per
attempt but once per batch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import cffi

from hxgrid import _native
from hxgrid.errors import HxGridError
from hxgrid.tasks.hostpage import THREADS
from hxgrid.tasks.page import RING
from hxgrid.tasks.running import Buffer
from hxgrid_agent.execution.frames import MAX_BODY_BYTES

_BATCH_BYTES = 256 * 1024
_BATCH_COUNT = 1024
assert _BATCH_BYTES < MAX_BODY_BYTES


class NativeError(HxGridError):
    """The task library refused something; the text is its own."""


class Event(NamedTuple):
    """One of the things that happen one by one; see `hxg_event`."""

    kind: int
    outcome: int
    serial: int
    thread: int
    started_at: float
    ended_at: float
    request: int
    text: str
    is_all: bool
    stream: Any
    """Output of an attempt; to be given to `release`."""


class HostLibrary:
    """The open library and the one host in it."""

    def __init__(self) -> None:
        path = _native.library_path()
        if path is None:
            raise NativeError(_native.why_missing())
        ffi: Any = cffi.FFI()
        self._ffi = ffi
        ffi.cdef(_native.declarations())
        self.lib: Any = ffi.dlopen(str(path))
        """For its constants."""
        self._page: Any = None
        self._host: Any = ffi.NULL
        # Made once: cffi's objects are not cheap.
        self._left_out = ffi.new("uint32_t[]", RING)
        self._size = ffi.new("size_t *")
        self._event = ffi.new("hxg_event *")
        self._batch = ffi.new("uint8_t[]", _BATCH_BYTES)
        self._batch_view = ffi.buffer(self._batch)

    def watch_crashes(self, page: Any) -> None:
        """Have whoever ends this process say so in the page, a writable buffer that stays."""
        self._page = self._ffi.from_buffer(page)
        self._check(self.lib.hxg_host_watch_crashes(self._page))

    def create(self, wake_socket: int, small_bytes: int) -> None:
        """Make the host, with one thread."""
        options = self._ffi.new("hxg_host_options *")
        options.struct_size = self._ffi.sizeof("hxg_host_options")
        options.thread_count = 1
        options.page = self._page
        options.wake_socket = wake_socket
        options.small_bytes = small_bytes
        made = self._ffi.new("hxg_host **")
        self._check(self.lib.hxg_host_create(options, made))
        self._host = made[0]

    def open_session(self, session_id: int, cache_folder: str) -> None:
        """Say which session id tasks may use."""
        folder = os.fsencode(cache_folder)
        self._check(self.lib.hxg_host_open_session(self._host, session_id, folder))

    def set_threads(self, count: int) -> None:
        """Say how many attempts may run at a time."""
        self._check(self.lib.hxg_host_set_threads(self._host, min(count, THREADS)))

    def offer(self, function: int, session_id: int, files: Sequence[str], entry: str) -> None:
        """Say what a function id stands for."""
        texts = [self._ffi.new("char[]", os.fsencode(path)) for path in files]
        array = self._ffi.new("char *[]", texts)
        self._check(
            self.lib.hxg_host_offer(
                self._host, function, session_id, array, len(texts), entry.encode()
            )
        )

    def run_batch(self, body: bytes) -> list[int]:
        """Queue the attempts of a RUN; return the places of those that are left to the caller."""
        size = self._size
        self._check(
            self.lib.hxg_host_run_batch(
                self._host, self._ffi.from_buffer(body), len(body), self._left_out, RING, size
            )
        )
        return list(self._left_out[0 : size[0]])

    def run(self, serial: int, function: int, payload: Buffer) -> None:
        """Queue one attempt."""
        data = self._ffi.from_buffer(payload)
        self._check(self.lib.hxg_host_run(self._host, serial, function, data, len(data)))

    def take_back(self, serials: Sequence[int]) -> list[int]:
        """Take attempts back that have not begun; return those."""
        wanted = self._ffi.new("uint64_t[]", list(serials))
        taken = self._ffi.new("uint64_t[]", max(1, len(serials)))
        size = self._size
        self._check(self.lib.hxg_host_take_back(self._host, wanted, len(serials), taken, size))
        return list(taken[0 : size[0]])

    def take_batch(self) -> memoryview | None:
        """Take small results, as the body of a RESULTS; good until the next call."""
        size = self._size
        self._check(
            self.lib.hxg_host_take_batch(self._host, self._batch, _BATCH_BYTES, _BATCH_COUNT, size)
        )
        return memoryview(self._batch_view)[: size[0]] if size[0] else None

    def take_event(self) -> Event | None:
        """Take the next of the other things."""
        event = self._event
        self._check(self.lib.hxg_host_take_event(self._host, event))
        if event.kind == self.lib.HXG_EVENT_NONE:
            return None
        return Event(
            event.kind,
            event.outcome,
            event.serial,
            event.thread,
            event.started_at,
            event.ended_at,
            event.request,
            self._ffi.string(event.text).decode("utf-8", "replace"),
            bool(event.is_all),
            event.stream,
        )

    def bytes_of(self, stream: Any) -> memoryview:
        """Return the content of a stream, not copied: good until it is released."""
        data = self._ffi.new("uint8_t **")
        size = self._ffi.new("uint64_t *")
        self._check(self.lib.hxg_stream_bytes(stream, data, size))
        return memoryview(self._ffi.buffer(data[0], size[0]))

    def release(self, stream: Any) -> None:
        """Let a stream go."""
        self.lib.hxg_stream_release(stream)

    def answer_data(self, request: int, path: str | None, why: str) -> None:
        """Answer a wish for global data; nobody may be waiting any more."""
        raw = self._ffi.NULL if path is None else os.fsencode(path)
        # What cannot be mapped is told to those who wait.
        self.lib.hxg_host_answer_data(self._host, request, raw, why.encode())

    def forget_data(self, names: Sequence[str] | None) -> None:
        """Have global data of these names asked for again; None: all."""
        for name in [self._ffi.NULL] if names is None else [each.encode() for each in names]:
            self._check(self.lib.hxg_host_forget_data(self._host, name))

    def close(self) -> None:
        """Begin the end; an event tells when it is reached."""
        self._check(self.lib.hxg_host_close(self._host))

    def free(self) -> None:
        """Let the host go, after its last event."""
        self._check(self.lib.hxg_host_free(self._host))
        self._host = self._ffi.NULL

    def _check(self, status: int) -> None:
        if status != self.lib.HXG_OK:
            text = self._ffi.string(self.lib.hxg_last_error()).decode("utf-8", "replace")
            raise NativeError(text)
