"""The user's driver: turns messages into facts for the dispatcher and carries its orders out.

Everything here runs on the loop's thread, but for `wake`, `post` and what is marked. Within a turn
of the loop facts are handled as they come; what they bring about is gathered per agent and leaves
in `flush`, so that one message carries all that is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from hxgrid.errors import TransportError
from hxgrid.logs import get_logger
from hxgrid.transport.sockets import Socket, is_loopback
from hxgrid.user.agent_link import AgentLink
from hxgrid.user.blobs import BlobShelf
from hxgrid.user.clearing import Clearings, OnOver
from hxgrid.user.core.actions import (
    AcknowledgeResults,
    Action,
    CancelAttempts,
    CompleteTasks,
    ConnectAgent,
    DisconnectAgent,
    DropTasks,
    FailTasks,
    PingAgents,
    RecallAttempts,
    SendAttempts,
)
from hxgrid.user.core.dispatcher import Dispatcher
from hxgrid.user.core.events import (
    AgentCleared,
    AgentLoadChanged,
    AgentRefused,
    AgentsHeard,
    AgentUnreachable,
    AgentWelcomed,
    AllTasksCancelled,
    AttemptsEnded,
    ConnectionRenewed,
    Event,
    HoldingsArrived,
    InputProgressed,
    RosterChanged,
    TasksFinalized,
    TasksSubmitted,
)
from hxgrid.user.core.task import Attempt, TaskRecord
from hxgrid.user.delivery import Delivery
from hxgrid.user.failures import AgentNames
from hxgrid.user.global_data import GlobalData
from hxgrid.user.intake import Intake
from hxgrid.user.network import Network
from hxgrid.user.offers import OfferBook
from hxgrid.user.read_back import ReadBack
from hxgrid.user.results import ResultMemory
from hxgrid.user.seeking import Seeker
from hxgrid.user.side import SideThread
from hxgrid.wire.batches import AttemptRecord, Buffer, Key, ResultRecord, pack_attempt
from hxgrid.wire.documents import pack_reason
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import (
    AttemptProgress,
    Batch,
    BlobRequest,
    CancelAll,
    DataRequest,
    Document,
    Ended,
    ForgetData,
    Goodbye,
    Hello,
    Load,
    Outcome,
    Reason,
    Refusal,
    RosterEntry,
    Welcome,
)

LEASE_PARTS: Final = 5
"""A session lease is renewed so often before it could end."""

ACKNOWLEDGE_AFTER_S: Final = 0.02
"""Few results are acknowledged after so long."""

GOODBYE_LIMIT_S: Final = 0.5
"""How long a closing session waits for agents to say that nothing of it is left."""

_CANCELLED = int(Outcome.CANCELLED)
_NOT_STARTED = int(Outcome.NOT_STARTED)
_FAILED = int(Outcome.FAILED)
_REFUSED = int(Outcome.REFUSED)

_log = get_logger("user")


class Driver:
    """Carries out what the dispatcher decides. One per session."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        network: Network,
        *,
        hello: Callable[[], Hello],
        intake: Intake,
        delivery: Delivery,
        offers: OfferBook,
        data: GlobalData,
        side: SideThread,
        memory: ResultMemory,
        names: AgentNames,
        shelf: BlobShelf,
    ) -> None:
        self.links: dict[str, AgentLink] = {}
        """Connections by boot id; other threads may look at a copy."""
        self.progress: dict[str, dict[int, AttemptProgress]] = {}
        """What running tasks last reported, by agent and task."""
        self.due: dict[AgentLink, None] = {}
        """Links to look at in this turn; part of `LinkOwner`."""
        self.error_count = 0
        """Orders that could not be carried out for a reason that nobody foresaw."""
        self.on_failed: Callable[[TaskRecord], None] = lambda _record: None
        """Told of every task that has failed for good."""
        self.dispatcher = dispatcher
        self._network = network
        self._loop = network.loop
        self._clock = network.clock
        self._hello = hello
        self._intake = intake
        self._offers = offers
        self._data = data
        self._delivery = delivery
        self._read_back = ReadBack(network.loop, side, self._lose_input)
        self._memory = memory
        self._names = names
        self._shelf = shelf
        self._seekers: dict[str, Seeker] = {}
        self._greeting: dict[str, AgentLink] = {}  # links that wait for Welcome
        self._renew_leases_at = 0.0
        self._acknowledging: dict[AgentLink, None] = {}
        self._acknowledge_at: float | None = None
        self._events: deque[Event] = deque()
        self._is_busy = False
        self._clearings = Clearings()
        self._next_request = 1
        self._lost_at: dict[str, float] = {}  # when we gave agents up that may still hold tasks
        self._heard: list[tuple[str, float | None]] = []
        self._rtt: dict[str, float] = {}  # best so far: the clock offset was taken then
        self._carry_out: dict[type, Callable[[Any], None]] = {
            SendAttempts: self._send_attempts,
            CompleteTasks: self._complete,
            AcknowledgeResults: self._acknowledge,
            CancelAttempts: self._cancel,
            RecallAttempts: self._recall,
            FailTasks: self._fail,
            DropTasks: self._discard,
            ConnectAgent: self._connect,
            DisconnectAgent: self._disconnect,
            PingAgents: self._ping,
        }

    # -- from other threads

    def wake(self) -> None:
        """Have submitted tasks taken soon."""
        self._loop.call_soon_threadsafe(self._take_submitted)

    def post(self, event: Event) -> None:
        """Have an event handled soon."""
        self._loop.call_soon_threadsafe(partial(self.feed, event))

    def report_finalized(self, task_ids: list[int]) -> None:
        """Tell the core soon that callbacks have returned."""
        self._loop.call_soon_threadsafe(partial(self.feed, TasksFinalized(task_ids)))

    # -- the loop's handler

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._run_core(partial(self.dispatcher.tick, now))
        for seeker in list(self._seekers.values()):
            seeker.tick(now)
        for link in list(self._greeting.values()):
            if link.greet_deadline is not None and now >= link.greet_deadline:
                self.on_broken(link, "no answer to Hello")
        if now >= self._renew_leases_at:
            self._renew_leases(now)
        if self._acknowledge_at is not None and now >= self._acknowledge_at:
            self._flush_acknowledged()
        self._clearings.tick(now)

    def next_deadline(self) -> float:
        """Return when `tick` is wanted next."""
        moments = [self._renew_leases_at]
        if self._acknowledge_at is not None:
            moments.append(self._acknowledge_at)
        core = self.dispatcher.next_deadline()
        if core is not None:
            moments.append(core)
        if self._clearings:
            moments.append(self._clearings.next_deadline())
        if self._seekers or self._greeting:
            moments += [seeker.deadline for seeker in self._seekers.values()]
            moments += [link.greet_deadline or 0.0 for link in self._greeting.values()]
        return min(moments)

    def flush(self) -> None:
        """Tell the core who was heard, and send what has gathered."""
        for link in self.due:
            if link.was_heard:
                link.was_heard = False
                self._heard.append((link.agent, None))
        if self._heard:
            heard, self._heard = self._heard, []
            self.feed(AgentsHeard(heard))
        if not self.due:
            return
        due, self.due = self.due, {}
        now = self._clock.now()
        for link in due:
            try:
                link.flush(now)
            except TransportError as error:
                self.on_broken(link, str(error))

    def feed(self, event: Event) -> None:
        """Give the core a fact and do what it orders.

        Facts that arise while orders are carried out wait until that is done: the core must not
        decide on a world of which half is old.
        """
        self._events.append(event)
        if not self._is_busy:
            self._run_core(None)

    def close(self) -> None:
        """Let go of all sockets. Twice is harmless."""
        for seeker in self._seekers.values():
            seeker.close()
        for link in self.links.values():
            link.close()
        self._seekers.clear()
        self.links.clear()

    # -- the session's wishes

    def cancel_all(self, limit_s: float, on_over: OnOver) -> None:
        """Drop all tasks; tells the names of agents that have not confirmed it in time."""
        request, self._next_request = self._next_request, self._next_request + 1
        message = CancelAll(session=self._hello().session, request=request)
        self._clear(message, request, limit_s, on_over)

    def say_goodbye(self, on_over: OnOver) -> None:
        """End the session at all agents, and wait a moment for them to say so."""
        message = Goodbye(session=self._hello().session)
        self._clear(message, None, GOODBYE_LIMIT_S, on_over)

    def forget_data(self, names: list[str] | None) -> None:
        """Have global data asked for again."""
        self._data.forget(names)
        message = ForgetData(names=None if names is None else tuple(names))
        for link in self._open_links():
            link.send(message)

    def renew_hello(self) -> None:
        """Tell agents of changed settings, by a `Hello` that resumes the session."""
        for link in self._open_links():
            link.set_hello(self._hello())

    # -- orders of the core

    def _run_core(self, first: Callable[[], Sequence[Action]] | None) -> None:
        events, handle, now = self._events, self.dispatcher.handle, self._clock.now()
        self._is_busy = True
        try:
            if first is not None:
                self._execute(first())
            while events:
                self._execute(handle(events.popleft(), now))
        finally:
            self._is_busy = False

    def _execute(self, actions: Sequence[Action]) -> None:
        """Carry out orders. One that fails must not stop the others: the core counts on them."""
        for action in actions:
            try:
                self._carry_out[type(action)](action)
            except Exception:  # noqa: BLE001 - said in the log, counted, and the session goes on
                self.error_count += 1
                _log.exception("order failed", order=type(action).__name__)

    def _send_attempts(self, action: SendAttempts) -> None:
        link = self.links.get(action.agent)
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

    def _acknowledge(self, action: AcknowledgeResults) -> None:
        link = self.links.get(action.agent)
        if link is not None and link.acknowledge(action.keys):
            self._acknowledging[link] = None
            if self._acknowledge_at is None:
                self._acknowledge_at = self._clock.now() + ACKNOWLEDGE_AFTER_S

    def _cancel(self, action: CancelAttempts) -> None:
        self._stop(action.agent, Batch.CANCEL, action.keys, _CANCELLED)

    def _recall(self, action: RecallAttempts) -> None:
        self._stop(action.agent, Batch.RECALL, action.keys, _NOT_STARTED)

    def _stop(self, agent: str, batch: Batch, keys: Sequence[Key], outcome: int) -> None:
        link = self.links.get(agent)
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
                self.feed(AttemptsEnded(agent, ended))

    def _complete(self, action: CompleteTasks) -> None:
        finished = self._delivery.complete(action.completions)
        if finished:
            self.feed(TasksFinalized(finished))

    def _fail(self, action: FailTasks) -> None:
        for record in action.tasks:
            self.on_failed(record)
        self._delivery.end_badly(action.tasks)

    def _discard(self, action: DropTasks) -> None:
        self._delivery.end_badly(action.tasks)

    def _connect(self, action: ConnectAgent) -> None:
        entry = action.entry
        self._names.set_name(entry.agent, entry.name)
        self._drop(entry.agent)
        addresses = entry.addresses
        if self._network.security.is_loopback_only:
            # The token is for this computer; it must not be shown to another.
            addresses = tuple(a for a in addresses if is_loopback(a.host))
        seeker = Seeker(
            self._loop,
            entry,
            self._clock.now(),
            partial(self._found, entry),
            partial(self._not_found, entry.agent),
        )
        self._seekers[entry.agent] = seeker
        seeker.start(self._network.factory, addresses)

    def _found(self, entry: RosterEntry, socket: Socket) -> None:
        self._seekers.pop(entry.agent, None)
        link = AgentLink(self, self._network, socket, entry, self._hello(), self._memory)
        self.links[entry.agent] = self._greeting[entry.agent] = link
        link.start()

    def _not_found(self, agent: str, why: str) -> None:
        self._seekers.pop(agent, None)
        self.feed(AgentUnreachable(agent, why))

    def _disconnect(self, action: DisconnectAgent) -> None:
        link = self.links.get(action.agent)
        if link is not None:
            _log.info("agent left alone", agent=link.name, why=action.reason)
            self._lost_at[action.agent] = self._clock.now()
        self._drop(action.agent)

    def _drop(self, agent: str) -> None:
        seeker = self._seekers.pop(agent, None)
        if seeker is not None:
            seeker.close()
        link = self.links.pop(agent, None)
        self._greeting.pop(agent, None)
        if link is not None:
            link.close()
            self._clearings.take_loss(link)
        self._read_back.drop(agent)
        self.progress.pop(agent, None)

    def _ping(self, action: PingAgents) -> None:
        now = self._clock.now()
        for agent in action.agents:
            link = self.links.get(agent)
            if link is not None:
                link.ping(now)

    # -- what links tell

    def on_results(self, link: AgentLink, records: Sequence[ResultRecord]) -> None:
        """Attempts have ended; part of `LinkOwner`."""
        link.was_heard = False  # this tells the core as well
        self.feed(AttemptsEnded(link.agent, records))

    def on_document(self, link: AgentLink, document: Document) -> None:
        """Some other document has arrived; part of `LinkOwner`."""
        match document:
            case Load():
                self.progress[link.agent] = {one.task: one for one in document.progress}
                self.feed(AgentLoadChanged(link.agent, document))
            case BlobRequest():
                answer, content = self._shelf.answer(document)
                link.send(answer)
                if content is not None:
                    link.add_blob(document.request, content, document.offset)
            case DataRequest():
                self._data.request(link.agent, document, partial(self._reply, link))
            case Ended():
                self._take_ended(link, document)
            case _:
                _log.debug("unexpected message dropped", what=type(document).__name__)

    def on_pong(self, link: AgentLink, asked_at: float, answered_at: float) -> None:
        """A PING was answered; part of `LinkOwner`."""
        now = self._clock.now()
        round_trip = max(now - asked_at, 0.0)
        if round_trip <= self._rtt.get(link.agent, round_trip):
            self._rtt[link.agent] = round_trip
            offset = answered_at - (asked_at + now) / 2
            self._names.set_clock_offset(link.agent, offset)
        link.was_heard = False
        self._heard.append((link.agent, round_trip))

    def on_welcome(self, link: AgentLink, welcome: Welcome) -> None:
        """A session is open; part of `LinkOwner`."""
        self._names.set_name(link.agent, welcome.agent_name)
        self._lost_at.pop(link.agent, None)
        self._greeting.pop(link.agent, None)
        self.feed(AgentWelcomed(link.agent, welcome))
        link.ping(self._clock.now())

    def on_holdings(self, link: AgentLink, keys: Sequence[Key]) -> None:
        """A resumed agent told what it holds; part of `LinkOwner`."""
        self.feed(HoldingsArrived(link.agent, keys))

    def on_renewed(self, link: AgentLink) -> None:
        """A connection was lost and is being opened again; part of `LinkOwner`."""
        self._read_back.drop(link.agent)
        self._greeting[link.agent] = link
        self.feed(ConnectionRenewed(link.agent))

    def on_refused(self, link: AgentLink, refusal: Refusal) -> None:
        """An agent does not let us in; part of `LinkOwner`."""
        self._drop(link.agent)
        self.feed(AgentRefused(link.agent, refusal.code, refusal.text))

    def on_broken(self, link: AgentLink, why: str) -> None:
        """A connection is of no use any more; part of `LinkOwner`."""
        self._lost_at[link.agent] = self._clock.now()
        self._drop(link.agent)
        self.feed(AgentUnreachable(link.agent, why))

    def on_input_sent(self, link: AgentLink, key: Key, sent_bytes: int, is_complete: bool) -> None:
        """A piece of a large input has left; part of `LinkOwner`."""
        self.feed(InputProgressed(link.agent, *key, sent_bytes, is_complete))

    # -- what the coordinator tells

    def on_roster_changed(
        self, entries: Sequence[RosterEntry], left: Sequence[str], is_whole: bool
    ) -> None:
        """Agents have joined, changed or left."""
        for entry in entries:
            self._names.set_name(entry.agent, entry.name)
        self.feed(RosterChanged(entries, left, is_whole))

    # -- inside

    def _take_submitted(self) -> None:
        tasks = self._intake.take()
        if tasks:
            self.feed(TasksSubmitted(tasks))

    def _renew_leases(self, now: float) -> None:
        """Let every agent hear from us in time, also one to which there is nothing to say."""
        self._renew_leases_at = now + self._hello().lease_s / LEASE_PARTS
        for link in self._open_links():
            if not link.has_sent:
                link.ping(now)
            link.has_sent = False

    def _flush_acknowledged(self) -> None:
        links, self._acknowledging = self._acknowledging, {}
        self._acknowledge_at = None
        for link in links:
            link.flush_acknowledged()

    def _open_links(self) -> list[AgentLink]:
        return [link for link in self.links.values() if link.is_open]

    def _reply(self, link: AgentLink, document: Document) -> None:
        if link.is_open:
            link.send(document)

    def _end_here(self, agent: str, key: Key, outcome: int, why: str) -> None:
        """End an attempt that the agent has never heard of."""
        payload = pack_reason(Reason(text=why))
        record = ResultRecord(*key, outcome, 0, 0, 0, 0, 0.0, 0.0, payload)
        self.feed(AttemptsEnded(agent, [record]))

    def _lose_input(self, agent: str, key: Key, why: str) -> None:
        self._end_here(agent, key, _FAILED, why)

    # -- leaving agents

    def _clear(
        self, message: Document, request: int | None, limit_s: float, on_over: OnOver
    ) -> None:
        self._take_submitted()
        self.feed(AllTasksCancelled())
        now = self._clock.now()
        links = list(self.links.values())
        for link in links:
            link.flush(now)
        self._clearings.start(
            message, request, links, self._lately_lost(now), now + limit_s, on_over
        )

    def _lately_lost(self, now: float) -> list[str]:
        """Return the names of agents that we gave up, and that may not have given us up yet."""
        lease_s = self._hello().lease_s
        self._lost_at = {a: at for a, at in self._lost_at.items() if now - at <= lease_s}
        return [self._names.name(agent) for agent in self._lost_at if agent not in self.links]

    def _take_ended(self, link: AgentLink, ended: Ended) -> None:
        self._clearings.take_ended(link, ended.request)
        if ended.request is not None:
            self.feed(AgentCleared(link.agent))
