"""Inputs and outputs of attempts between memory, frames and files, inside a task process."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from hxgrid.errors import StoreError
from hxgrid.streams.buffers import map_file
from hxgrid.tasks.running import DONE, Buffer
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES, SMALL_PAYLOAD_BYTES
from hxgrid_agent.execution import frames
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
        write_file(Path(self._folder, frames.output_name(serial, os.getpid())), payload)
        return IN_FILE, b""


def expand_input(run: Run) -> Buffer:
    """Return the input of an attempt whose flags say that it is not simply there."""
    _, _, flags, raw_bytes, payload = run
    if flags & IN_FILE:
        payload = map_file(os.fsdecode(bytes(payload)))
    if flags & COMPRESSED:
        from hxgrid.streams.compression import unpack

        payload = unpack(payload, raw_bytes, MAX_PAYLOAD_BYTES)
    return payload


def write_file(path: Path, payload: Buffer) -> None:
    """Write a new file without a copy in between; raise `StoreError` and leave nothing."""
    try:
        with path.open("xb", buffering=0) as file:
            view = memoryview(payload)
            while view:
                view = view[file.write(view) :]
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise StoreError(
            f"an output of {len(payload)} bytes cannot be written",
            where=str(path.parent),
            why=error.strerror or str(error),
        ) from error
