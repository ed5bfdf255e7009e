"""Sending attempts to agents, and stopping them there: the hot half of the driver's orders.

What goes to one agent in one turn gathers in its link. An attempt whose input lies on disk is read
first, beside the loop. An attempt that the agent will never hear of ends here, as if it had
answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hxgrid.clock import Clock
from hxgrid.transport.loop import Loop
from hxgrid.user.agent_link import AgentLink
from hxgrid.user.core.actions import (
    AcknowledgeResults,
    CancelAttempts,
    RecallAttempts,
    SendAttempts,
)
from hxgrid.user.core.events import AttemptsEnded, Event
from hxgrid.user.core.task import Attempt, TaskRecord
from hxgrid.user.offers import OfferBook
from hxgrid.user.read_back import ReadBack
from hxgrid.user.side import SideThread
from hxgrid.wire.batches import AttemptRecord, Buffer, Key, ResultRecord, pack_attempt
from hxgrid.wire.documents import pack_reason
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import Batch, Outcome, Reason

ACKNOWLEDGE_AFTER_S: Final = 0.02
"""Few results are acknowledged after so long."""

_CANCELLED: Final = int(Outcome.CANCELLED)
_NOT_STARTED: Final = int(Outcome.NOT_STARTED)
_FAILED: Final = int(Outcome.FAILED)
_REFUSED: Final = int(Outcome.REFUSED)


class AttemptSender:
    """Carries out what the core orders about attempts. Belongs to the loop's thread."""

    def __init__(
        self,
        links: Mapping[str, AgentLink],
        offers: OfferBook,
        feed: Callable[[Event], None],
        loop: Loop,
        clock: Clock,
        side: SideThread,
    ) -> None:
        self.acknowledge_at: float | None = None
        """When `flush_acknowledged` is wanted, if it is."""
        self._links = links
        self._offers = offers
        self._feed = feed
        self._clock = clock
        self._read_back = ReadBack(loop, side, self._lose_input)
        self._acknowledging: dict[AgentLink, None] = {}

    def send(self, action: SendAttempts) -> None:
        """Send attempts to one agent, with the functions that it does not know yet."""
        link = self._links.get(action.agent)
        if link is None or not link.is_open:
            return  # the core hears of it before it hears what the agent holds
        offered = link.offered
        heads: list[bytes] = []
        payloads: list[Buffer] = []
        small_bytes = 0
        for record, attempt in action.attempts:
            function = record.function
            if function not in offered and not self._offer(link, record, attempt):
                continue
            payload, stored = record.payload, record.stored_bytes
            fields = (record.id, attempt.number, record.flags, function, stored, record.raw_bytes)
            if type(payload) is bytes and stored <= SMALL_PAYLOAD_BYTES:
                small_bytes += stored
                heads.append(pack_attempt(*fields))
                payloads.append(payload)
            elif isinstance(payload, bytes | memoryview):
                link.add_attempt(AttemptRecord(*fields, payload))
            elif payload is None:
                self._end_here(link.agent, (record.id, attempt.number), _CANCELLED, "it has ended")
            else:
                self._read_back.start(link, record, attempt.number, payload)
        if heads and link.is_open:
            link.add_small(heads, payloads, small_bytes)

    def cancel(self, action: CancelAttempts) -> None:
        """Have attempts stopped."""
        self._stop(action.agent, Batch.CANCEL, action.keys, _CANCELLED)

    def recall(self, action: RecallAttempts) -> None:
        """Have attempts given back that have not started."""
        self._stop(action.agent, Batch.RECALL, action.keys, _NOT_STARTED)

    def drop(self, agent: str) -> None:
        """Forget what was to be sent to an agent."""
        self._read_back.drop(agent)

    def acknowledge(self, action: AcknowledgeResults) -> None:
        """Tell an agent soon that results have arrived."""
        link = self._links.get(action.agent)
        if link is not None and link.acknowledge(action.keys):
            self._acknowledging[link] = None
            if self.acknowledge_at is None:
                self.acknowledge_at = self._clock.now() + ACKNOWLEDGE_AFTER_S

    def flush_acknowledged(self) -> None:
        """Send the acknowledgements that have waited for company."""
        links, self._acknowledging = self._acknowledging, {}
        self.acknowledge_at = None
        for link in links:
            link.flush_acknowledged()

    # -- inside

    def _offer(self, link: AgentLink, record: TaskRecord, attempt: Attempt) -> bool:
        if not link.is_open:
            return False  # lost a moment ago; what is said to a stranger counts for nothing
        document = self._offers.document(record.function, link.platform)
        if document is None:
            why = f"the module set has no files for {link.platform}"
            self._end_here(link.agent, (record.id, attempt.number), _REFUSED, why)
            return False
        if not link.send(document):
            return False
        link.offered.add(record.function)
        return True

    def _stop(self, agent: str, batch: Batch, keys: Sequence[Key], outcome: int) -> None:
        link = self._links.get(agent)
        if link is None:
            return
        unsent = self._read_back.take_unsent(agent, keys)
        if unsent:
            keys = [key for key in keys if key not in unsent]
            for key in unsent:
                self._end_here(agent, key, outcome, "it was not sent yet")
        link.add_keys(batch, keys)
        if batch is Batch.CANCEL:
            ended = link.stop_transfers(keys)
            if ended:
                self._feed(AttemptsEnded(agent, ended))

    def _end_here(self, agent: str, key: Key, outcome: int, why: str) -> None:
        """End an attempt that the agent has never heard of."""
        payload = pack_reason(Reason(text=why))
        record = ResultRecord(*key, outcome, 0, 0, 0, 0, 0.0, 0.0, payload)
        self._feed(AttemptsEnded(agent, [record]))

    def _lose_input(self, agent: str, key: Key, why: str) -> None:
        self._end_here(agent, key, _FAILED, why)
