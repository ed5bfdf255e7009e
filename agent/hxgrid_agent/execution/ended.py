"""What a task process says of attempts that have ended, checked against what it was given."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag, Outcome
from hxgrid_agent.execution import frames
from hxgrid_agent.execution.events import Ended
from hxgrid_agent.execution.frames import IN_FILE, FrameError

_LAST_OUTCOME: Final = max(Outcome)
_CHUNKED: Final = int(AttemptFlag.CHUNKED)


def read_ended(
    body: bytes, keys: dict[int, Key], slots: Sequence[int], outputs: str, pid: int
) -> Ended:
    """Read a RESULTS frame of the process of this number, and take its attempts out of `keys`.

    `slots` are those of its threads, `outputs` the folder of its large outputs. Raises `FrameError`
    for what cannot be true.
    """
    records: list[ResultRecord] = []
    files: dict[Key, str] = {}
    # Twice as fast as calling the class.
    new, kind = tuple.__new__, ResultRecord
    for result in frames.read_results(body, SMALL_PAYLOAD_BYTES, _LAST_OUTCOME):
        serial, outcome, flags, stored, raw, started_at, ended_at, thread, payload = result
        key = keys.pop(serial, None)
        if key is None:
            raise FrameError(f"a result of attempt {serial}, which it does not hold")
        if thread >= len(slots):
            raise FrameError(f"a result of thread {thread} of {len(slots)}")
        if flags & IN_FILE:
            files[key] = _output_file(Path(outputs, frames.output_name(serial, pid)), stored)
            flags = flags & ~IN_FILE | _CHUNKED
        task, attempt = key
        where = slots[thread]
        fields = (
            task, attempt, outcome, flags, where, stored, raw, started_at, ended_at, payload
        )  # fmt: skip
        records.append(new(kind, fields))
    return new(Ended, (records, files))


def _output_file(path: Path, stored_bytes: int) -> str:
    try:
        # Not followed: a link could point to what the loop would wait for.
        status = path.lstat()
    except OSError as error:
        raise FrameError(f"the file of a result cannot be read: {error}") from error
    if not stat.S_ISREG(status.st_mode) or status.st_size != stored_bytes:
        raise FrameError(f"the file of a result has {status.st_size} bytes, not {stored_bytes}")
    return str(path)
