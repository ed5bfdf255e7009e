"""The bridge's end of a task: passes its result, or its failure, on to the application."""

from __future__ import annotations

import struct
from typing import Any, Final

from hxgrid.bridge.frames import Kind, Status, pack_text
from hxgrid.bridge.writer import FrameWriter, Window
from hxgrid.streams.buffers import flat_view
from hxgrid.streams.compression import unpack
from hxgrid.user.core.task import TaskRecord, TaskState
from hxgrid.user.session import Session
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.limits import MAX_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag

_COMPRESSED: Final = int(AttemptFlag.COMPRESSED)
_TASK: Final = struct.Struct("<I")
_RESULT: Final = Kind.RESULT
_FAILED: Final = struct.Struct("<II")


class NativeTask:
    """A task that the application knows by a number of its own; part of `Front`."""

    __slots__ = ("_result", "_ways", "number", "record")

    def __init__(self, ways: Ways, number: int) -> None:
        self.number = number
        self.record: TaskRecord | None = None
        """None until it has been submitted."""
        self._ways = ways
        self._result: ResultRecord | None = None

    def end(self, record: TaskRecord, result: ResultRecord | None) -> bool:
        """Tell of a failure at once; a result has to wait for its turn."""
        ways = self._ways
        ways.tasks.pop(self.number, None)
        if result is None:
            ways.tell_failure(self.number, record)
            return False
        self._result = result
        return True

    def call(self) -> None:
        """Pass the result on; waits while the application has too many already."""
        result, self._result = self._result, None
        assert result is not None
        payload: Any = result.payload
        if result.flags & _COMPRESSED:
            payload = unpack(payload, result.raw_bytes, MAX_PAYLOAD_BYTES)
        ways = self._ways
        ways.window.pass_through(len(payload) if type(payload) is bytes else _size(payload))
        ways.writer.put(_RESULT, _TASK.pack(self.number), payload)


class Ways:
    """What the tasks of one session share: the way out, and which of them are under way."""

    def __init__(self, writer: FrameWriter) -> None:
        self.writer = writer
        self.window = Window()
        self.tasks: dict[int, NativeTask] = {}
        """Those that have not ended, by the application's number."""
        self.session: Session | None = None

    def tell_failure(self, number: int, record: TaskRecord) -> None:
        """Say how a task ended that has no result."""
        assert self.session is not None
        error = self.session.error_of(record)
        is_failed = record.state is TaskState.FAILED
        status = Status.FAILED if is_failed else Status.CANCELLED
        head = _FAILED.pack(number, status) + pack_text(error.headline) + pack_text(str(error))
        self.writer.put(Kind.FAILED, head)

    def refuse(self, number: int, status: Status, error: Exception) -> None:
        """Say that a task could not even be submitted."""
        head = _FAILED.pack(number, status) + pack_text(str(error)) + pack_text(str(error))
        self.writer.put(Kind.FAILED, head)


def _size(payload: Any) -> int:
    return flat_view(payload).nbytes
