"""Reading spilled inputs when they are to be sent again, without the loop waiting for the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from hxgrid.errors import StoreError
from hxgrid.transport.loop import Loop
from hxgrid.user.agent_link import AgentLink
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.intake import Spilled
from hxgrid.user.side import SideThread
from hxgrid.wire.batches import AttemptRecord, Key
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES


class ReadBack:
    """Attempts whose input is being read; they are sent when it is there."""

    def __init__(
        self, loop: Loop, side: SideThread, on_lost: Callable[[str, Key, str], None]
    ) -> None:
        self._loop = loop
        self._side = side
        self._on_lost = on_lost  # gets agent, attempt and why its input cannot be read
        self._reading: set[tuple[str, Key]] = set()  # by agent and attempt

    def start(self, link: AgentLink, record: TaskRecord, number: int, spilled: Spilled) -> None:
        """Have an attempt sent as soon as its input has been read."""
        key = (record.id, number)
        self._reading.add((link.agent, key))
        self._side.put(partial(self._read, link, record, key, spilled))

    def take_unsent(self, agent: str, keys: Sequence[Key]) -> set[Key]:
        """Give up those of these attempts that are still being read; returns which."""
        if not self._reading:
            return set()
        unsent = {key for key in keys if (agent, key) in self._reading}
        self._reading.difference_update((agent, key) for key in unsent)
        return unsent

    def drop(self, agent: str) -> None:
        """Give up all attempts that were to be sent to an agent."""
        self._reading = {one for one in self._reading if one[0] != agent}

    def _read(self, link: AgentLink, record: TaskRecord, key: Key, spilled: Spilled) -> None:
        """Read an input; on the side thread."""
        payload: bytes | memoryview | None = None
        why = ""
        try:
            view = spilled.read()
            payload = view if len(view) > SMALL_PAYLOAD_BYTES else bytes(view)
        except StoreError as error:
            why = f"its spilled input cannot be read: {error}"
        self._loop.call_soon_threadsafe(partial(self._send, link, record, key, payload, why))

    def _send(
        self,
        link: AgentLink,
        record: TaskRecord,
        key: Key,
        payload: bytes | memoryview | None,
        why: str,
    ) -> None:
        if (link.agent, key) not in self._reading:
            return
        self._reading.discard((link.agent, key))
        if payload is None:
            self._on_lost(link.agent, key, why)
            return
        sizes = (record.stored_bytes, record.raw_bytes)
        link.add_attempt(AttemptRecord(*key, record.flags, record.function, *sizes, payload))
