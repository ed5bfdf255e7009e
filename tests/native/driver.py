"""Drives the task library as the host process does, in the test's own process.

No agent and no grid: a page of ordinary memory, a socket pair for the wake-up bytes, and what comes
out is collected until a test has what it waits for.
"""

from __future__ import annotations

import mmap
import select
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi

from hxgrid import _native
from hxgrid_agent.execution import frames
from tests.harness.wait import Stopwatch

SESSION = 0xF00D0001
LONGEST_S = 60.0

ffi: Any = cffi.FFI()


def open_library(path: Path | None = None) -> Any:
    """Open the task library, the installed one unless another is given."""
    library = path or _native.library_path()
    assert library is not None, _native.why_missing()
    return ffi.dlopen(str(library))


if _native.library_path() is not None:
    ffi.cdef(_native.declarations())
# Exports of test modules that are no tasks.
ffi.cdef("uint32_t count_from_threads(void *stream, uint32_t threads, uint32_t times);")
ffi.cdef("void EndSession(void *agent, uint32_t session_id);")


class NativeError(Exception):
    """A call of the library failed; the text is the library's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"status {status}: {text}")
        self.status = status


@dataclass
class Ended:
    """How an attempt ended."""

    serial: int
    outcome: int
    output: bytes
    text: str
    started_at: float
    ended_at: float
    thread: int
    was_batched: bool


class Driver:
    """One host, and what came out of it."""

    def __init__(
        self,
        *,
        threads: int = 1,
        cache_folder: str = "/tmp",
        small_bytes: int = 65536,
        library: Any = None,
        watch_crashes: bool = False,
        page: mmap.mmap | None = None,
    ) -> None:
        self.lib = library or open_library()
        self.page = page or mmap.mmap(-1, self.lib.HXG_PAGE_BYTES)
        self._address = ffi.cast("void *", ffi.from_buffer(self.page))
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        self._files: list[Any] = []
        self.results: dict[int, Ended] = {}
        self.wanted: list[tuple[int, str]] = []
        self.freed: list[str | None] = []
        self.is_closed = False
        self.data: Callable[[str], str | None] | None = None
        self._buffer = ffi.new("uint8_t[]", 1 << 20)
        options = ffi.new("hxg_host_options *")
        options.struct_size = ffi.sizeof("hxg_host_options")
        options.thread_count = threads
        options.page = self._address
        options.wake_socket = self._theirs.fileno()
        options.small_bytes = small_bytes
        if watch_crashes:
            self.check(self.lib.hxg_host_watch_crashes(self._address))
        host = ffi.new("hxg_host **")
        self.check(self.lib.hxg_host_create(options, host))
        self.host = host[0]
        self.check(self.lib.hxg_host_open_session(self.host, SESSION, cache_folder.encode()))

    def check(self, status: int) -> None:
        if status != self.lib.HXG_OK:
            raise NativeError(status, ffi.string(self.lib.hxg_last_error()).decode())

    # -- in

    def offer(
        self, function: int, files: Path | Iterable[Path], entry: str, session: int = SESSION
    ) -> None:
        paths = [files] if isinstance(files, Path) else list(files)
        texts = [ffi.new("char[]", str(path).encode()) for path in paths]
        array = ffi.new("char *[]", texts)
        self.check(
            self.lib.hxg_host_offer(self.host, function, session, array, len(paths), entry.encode())
        )

    def run(self, serial: int, function: int = 1, data: bytes = b"") -> None:
        self.check(self.lib.hxg_host_run(self.host, serial, function, data, len(data)))

    def run_file(self, serial: int, function: int, path: Path) -> None:
        self.check(self.lib.hxg_host_run_file(self.host, serial, function, str(path).encode()))

    def run_batch(self, runs: Sequence[frames.Run]) -> list[int]:
        """Queue a RUN frame as it is; return the indices of what it left out."""
        body = frames.pack_run(runs)[5:]
        left = ffi.new("uint32_t[]", 64)
        count = ffi.new("size_t *")
        self.check(self.lib.hxg_host_run_batch(self.host, body, len(body), left, 64, count))
        return list(left[0 : count[0]])

    def take_back(self, serials: list[int]) -> list[int]:
        taken = ffi.new("uint64_t[]", max(len(serials), 1))
        count = ffi.new("size_t *")
        wanted = ffi.new("uint64_t[]", serials)
        self.check(self.lib.hxg_host_take_back(self.host, wanted, len(serials), taken, count))
        return list(taken[0 : count[0]])

    def cancel(self, serial: int) -> None:
        self.page[self.lib.HXG_PAGE_FLAGS_AT + serial % self.lib.HXG_PAGE_RING] = 1

    def set_state(self, state: int) -> None:
        self.page[0:8] = struct.pack("<Q", state)

    def stamp(self, thread: int) -> Any:
        at = self.lib.HXG_PAGE_THREADS_AT + thread * ffi.sizeof("hxg_stamp")
        return ffi.cast("hxg_stamp *", ffi.cast("char *", self._address) + at)

    def running(self) -> set[int]:
        """Return the serials of all attempts that run, as the stamps say."""
        return {self.stamp(each).serial for each in range(self.lib.HXG_PAGE_THREADS)} - {0}

    def answer(self, request: int, path: str | None, why: str = "nothing there") -> None:
        raw = ffi.NULL if path is None else path.encode()
        self.check(self.lib.hxg_host_answer_data(self.host, request, raw, why.encode()))

    def forget(self, name: str | None) -> None:
        raw = ffi.NULL if name is None else name.encode()
        self.check(self.lib.hxg_host_forget_data(self.host, raw))

    # -- out

    def pump(self, until: Callable[[], object], limit_s: float = LONGEST_S) -> None:
        """Take what comes, serving data if the test says how, until the condition holds."""
        watch = Stopwatch()
        while not until():
            left_s = limit_s - watch.elapsed_s()
            assert left_s > 0, f"nothing for {limit_s} s; {len(self.results)} results so far"
            if select.select([self._ours], [], [], left_s)[0]:
                self._ours.recv(4096)
                self.take()

    def take(self) -> None:
        while self._take_batch():
            pass
        while self._take_event():
            pass

    def wait_for(self, *serials: int) -> list[Ended]:
        self.pump(lambda: all(serial in self.results for serial in serials))
        return [self.results[serial] for serial in serials]

    def call(self, serial: int, function: int = 1, data: bytes = b"") -> Ended:
        """Run one attempt and wait for its end."""
        self.run(serial, function, data)
        return self.wait_for(serial)[0]

    def close(self) -> None:
        """Close the host and free it; every test ends so."""
        self.check(self.lib.hxg_host_close(self.host))
        self.pump(lambda: self.is_closed)
        self.check(self.lib.hxg_host_free(self.host))
        self._ours.close()
        self._theirs.close()

    def _take_batch(self) -> bool:
        used = ffi.new("size_t *")
        self.check(
            self.lib.hxg_host_take_batch(self.host, self._buffer, len(self._buffer), 4096, used)
        )
        body = bytes(ffi.buffer(self._buffer, used[0]))
        if not body:
            return False
        for result in frames.read_results(body, 1 << 20, 6):
            serial, outcome, _flags, _stored, _raw, started, ended, thread, payload = result
            self.results[serial] = Ended(
                serial, outcome, bytes(payload), "", started, ended, thread, was_batched=True
            )
        return True

    def _take_event(self) -> bool:
        event = ffi.new("hxg_event *")
        self.check(self.lib.hxg_host_take_event(self.host, event))
        text = ffi.string(event.text).decode("utf-8", "replace")
        if event.kind == self.lib.HXG_EVENT_NONE:
            return False
        if event.kind == self.lib.HXG_EVENT_RESULT:
            self.results[event.serial] = Ended(
                event.serial,
                event.outcome,
                self._bytes_of(event.stream),
                text,
                event.started_at,
                event.ended_at,
                event.thread,
                was_batched=False,
            )
        elif event.kind == self.lib.HXG_EVENT_DATA_WANTED:
            self.wanted.append((event.request, text))
            if self.data is not None:
                self.answer(event.request, self.data(text))
        elif event.kind == self.lib.HXG_EVENT_DATA_FREED:
            self.freed.append(None if event.is_all else text)
        elif event.kind == self.lib.HXG_EVENT_CLOSED:
            self.is_closed = True
        return True

    def _bytes_of(self, stream: Any) -> bytes:
        if stream == ffi.NULL:
            return b""
        data = ffi.new("uint8_t **")
        size = ffi.new("uint64_t *")
        self.check(self.lib.hxg_stream_bytes(stream, data, size))
        copy = bytes(ffi.buffer(data[0], size[0]))
        self.lib.hxg_stream_release(stream)
        return copy
