"""Inputs and outputs of attempts between memory, frames and files, inside a task process."""

from __future__ import annotations

import contextlib
import mmap
import os

from hxgrid.errors import StoreError
from hxgrid.streams.buffers import map_file
from hxgrid.tasks.running import DONE, Buffer
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES, SMALL_PAYLOAD_BYTES
from hxgrid_agent.execution import frames, spares
from hxgrid_agent.execution.frames import COMPRESSED, IN_FILE, Assignment, Result, Run


class Outputs:
    """Puts outputs where the agent finds them."""

    def __init__(self, assignment: Assignment) -> None:
        self._threshold = assignment.compress_threshold_bytes
        self._folder = assignment.exchange_folder
        self.plain_bytes = min(self._threshold, SMALL_PAYLOAD_BYTES)
        """Outputs up to this size are neither compressed nor in a file."""

    def large(
        self, serial: int, output: Buffer, started_at: float, ended_at: float, thread: int = 0
    ) -> Result:
        """Compress an output if that pays, and put it into a file if it is still large."""
        from hxgrid.streams.compression import pack

        packed, is_compressed = pack(output, self._threshold)
        payload = packed if isinstance(packed, bytes | bytearray | memoryview) else bytes(packed)
        flags = COMPRESSED if is_compressed else 0
        place, inline = self.place(serial, payload)
        size = len(payload)
        times = (started_at, ended_at)
        return (serial, DONE, flags | place, size, len(output), *times, thread, inline)

    def place(self, serial: int, payload: Buffer) -> tuple[int, bytes]:
        """Return the flag that says where a payload is, and what of it goes into the frame."""
        if len(payload) <= SMALL_PAYLOAD_BYTES:
            return 0, bytes(payload)
        name = frames.output_name(serial, os.getpid())
        write_file(f"{self._folder}{os.sep}{name}", payload)
        return IN_FILE, b""


class Inputs:
    """Shows inputs, one at a time, and gives the files of large ones back."""

    def __init__(self) -> None:
        self._path = ""
        self._mapping: mmap.mmap | None = None

    def expand(self, run: Run) -> Buffer:
        """Return what `expand_input` does; `let_go` follows when the attempt has ended."""
        payload = expand_input(run)
        if run[2] & IN_FILE:
            self._path = os.fsdecode(bytes(run[4]))
            owner = payload.obj if isinstance(payload, memoryview) else None
            self._mapping = owner if isinstance(owner, mmap.mmap) else None
        return payload

    def let_go(self) -> None:
        """Make the last input's file a spare, unless the task holds on to what it was given.

        Then, and if nobody calls this any more, the agent removes the file.
        """
        path, self._path = self._path, ""
        mapping, self._mapping = self._mapping, None
        if not path:
            return
        try:
            if mapping is not None:
                mapping.close()
        except BufferError:
            return
        spares.keep(path)


def expand_input(run: Run) -> Buffer:
    """Return the input of an attempt whose flags say that it is not simply there."""
    _, _, flags, raw_bytes, payload = run
    if flags & IN_FILE:
        payload = map_file(os.fsdecode(bytes(payload)))
    if flags & COMPRESSED:
        from hxgrid.streams.compression import unpack

        payload = unpack(payload, raw_bytes, MAX_PAYLOAD_BYTES)
    return payload


def write_file(path: str, payload: Buffer) -> None:
    """Write a file without a copy in between; raise `StoreError` and leave nothing."""
    size = len(payload)
    try:
        descriptor = spares.open_to_write(path, size)
        try:
            view = memoryview(payload)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            spares.finish(descriptor, size)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - a plain text
        raise StoreError(
            f"an output of {size} bytes cannot be written",
            where=os.path.dirname(path),  # noqa: PTH120
            why=error.strerror or str(error),
        ) from error
