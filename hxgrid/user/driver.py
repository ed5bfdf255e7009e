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
from hxgrid.user.agent_link import AgentLink
from hxgrid.user.attempt_sender import AttemptSender
from hxgrid.user.blobs import BlobShelf
from hxgrid.user.clearing import Clearings, OnOver
from hxgrid.user.connections import Connections
from hxgrid.user.core.actions import (
    AcknowledgeResults,
    Action,
    CancelAttempts,
    CompareResults,
    CompleteTasks,
    ConnectAgent,
    DisconnectAgent,
    DropTasks,
    FailTasks,
    PingAgents,
    RecallAttempts,
    SendAttempts,
    TellDispute,
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
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.delivery import Delivery
from hxgrid.user.failures import AgentNames
from hxgrid.user.global_data import GlobalData
from hxgrid.user.intake import Intake
from hxgrid.user.journal import Journal
from hxgrid.user.network import Network
from hxgrid.user.offers import OfferBook
from hxgrid.user.results import ResultMemory
from hxgrid.user.serving import BlobServer
from hxgrid.user.side import SideThread
from hxgrid.user.verifying import Verifier
from hxgrid.wire.batches import Key, ResultRecord
from hxgrid.wire.messages import (
    AttemptProgress,
    BlobDone,
    BlobHeld,
    BlobRequest,
    CancelAll,
    DataAnswer,
    DataRequest,
    Document,
    Ended,
    ForgetData,
    Goodbye,
    Hello,
    Load,
    Refusal,
    RosterEntry,
    Welcome,
)

GOODBYE_LIMIT_S: Final = 0.5
"""How long a closing session waits for agents to say that nothing of it is left."""

_log: Final = get_logger("user")
_new: Final = tuple.__new__  # without the layer of Python that named tuples have


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
        verifier: Verifier,
    ) -> None:
        self.progress: dict[str, dict[int, AttemptProgress]] = {}
        """What running tasks last reported, by agent and task."""
        self.due: dict[AgentLink, None] = {}
        """Links to look at in this turn; part of `LinkOwner`."""
        self.error_count = 0
        """Orders that could not be carried out for a reason that nobody foresaw."""
        self.on_failed: Callable[[TaskRecord], None] = lambda _record: None
        """Told of every task that has failed for good."""
        self.journal: Journal | None = None
        """Where results of earlier runs are, if there is one."""
        self.dispatcher = dispatcher
        self.connections = Connections(self, network, hello, memory, names)
        self.links = self.connections.links
        """Connections by boot id; other threads may look at a copy."""
        self._loop = network.loop
        self._clock = network.clock
        self._hello = hello
        self._intake = intake
        self._data = data
        self._delivery = delivery
        self._sender = AttemptSender(
            self.links, offers, self.feed, network.loop, network.clock, side
        )
        self.verifier = verifier
        self._names = names
        self._blobs = BlobServer(shelf, self.links, network.clock)
        self._events: deque[Event] = deque()
        self._is_busy = False
        self._has_forgotten = False  # global data, which agents out of reach did not hear of
        self._clearings = Clearings()
        self._next_request = 1
        self._heard: list[tuple[str, float | None]] = []
        self._rtt: dict[str, float] = {}  # best so far: the clock offset was taken then
        self._carry_out: dict[type, Callable[[Any], None]] = {
            SendAttempts: self._sender.send,
            CompleteTasks: self._complete,
            CompareResults: self.verifier.start,
            TellDispute: self.verifier.tell,
            AcknowledgeResults: self._sender.acknowledge,
            CancelAttempts: self._sender.cancel,
            RecallAttempts: self._sender.recall,
            FailTasks: self._fail,
            DropTasks: self._discard,
            ConnectAgent: self.connections.connect,
            DisconnectAgent: self.connections.disconnect,
            PingAgents: self.connections.ping,
        }

    # -- from other threads

    def wake(self, is_alone: bool) -> None:
        """Have submitted tasks taken soon. For one alone somebody will probably turn the loop."""
        if is_alone:
            self._loop.call_in_turn(self._take_submitted)
        else:
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
        self.connections.tick(now)
        acknowledge_at = self._sender.acknowledge_at
        if acknowledge_at is not None and now >= acknowledge_at:
            self._sender.flush_acknowledged()
        self._clearings.tick(now)
        self._blobs.tick(now)

    def next_deadline(self) -> float:
        """Return when `tick` is wanted next."""
        moments = [self.connections.next_deadline()]
        acknowledge_at = self._sender.acknowledge_at
        if acknowledge_at is not None:
            moments.append(acknowledge_at)
        core = self.dispatcher.next_deadline()
        if core is not None:
            moments.append(core)
        if self._clearings:
            moments.append(self._clearings.next_deadline())
        remind_at = self._blobs.next_deadline()
        if remind_at is not None:
            moments.append(remind_at)
        return min(moments)

    def flush(self) -> None:
        """Tell the core who was heard, and send what has gathered."""
        for link in self.due:
            if link.was_heard:
                link.was_heard = False
                self._heard.append((link.agent, None))
        if self._heard:
            heard, self._heard = self._heard, []
            self.feed(_new(AgentsHeard, (heard,)))
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
        self.connections.close()

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
        if self.journal is not None:
            self.journal.forget_data()
        self._has_forgotten = True
        message = ForgetData(names=None if names is None else tuple(names))
        for link in list(self.links.values()):
            if link.is_welcomed:
                link.send(message)

    def renew_hello(self) -> None:
        """Tell agents of changed settings, by a `Hello` that resumes the session."""
        for link in self.connections.open_links():
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

    def _complete(self, action: CompleteTasks) -> None:
        if self.journal is not None:
            self.journal.note(action.completions)
        finished = self._delivery.complete(action.completions)
        if finished:
            self.feed(_new(TasksFinalized, (finished,)))

    def _fail(self, action: FailTasks) -> None:
        for record in action.tasks:
            self.on_failed(record)
        self._delivery.end_badly(action.tasks)

    def _discard(self, action: DropTasks) -> None:
        self._delivery.end_badly(action.tasks)

    # -- what links tell

    def on_results(self, link: AgentLink, records: Sequence[ResultRecord]) -> None:
        """Attempts have ended; part of `LinkOwner`."""
        link.was_heard = False  # this tells the core as well
        self.feed(_new(AttemptsEnded, (link.agent, records)))

    def on_document(self, link: AgentLink, document: Document) -> None:
        """Some other document has arrived; part of `LinkOwner`."""
        match document:
            case Load():
                self.progress[link.agent] = {one.task: one for one in document.progress}
                self.feed(AgentLoadChanged(link.agent, document))
            case BlobRequest():
                self._blobs.asked(link, document)
            case BlobHeld():
                self._blobs.held(link, document)
            case BlobDone():
                self._blobs.done(link, document)
            case DataRequest():
                self._data.request(link.agent, document, partial(self._answer, link, document.name))
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
        self.connections.welcome(link)
        if welcome.resumed and self._has_forgotten:
            # It may have been out of reach. To ask again for one name too many costs little.
            link.send(ForgetData())
        self._blobs.joined(link.agent, welcome.neighbours_served)
        self.feed(AgentWelcomed(link.agent, welcome))
        link.ping(self._clock.now())

    def on_holdings(self, link: AgentLink, keys: Sequence[Key]) -> None:
        """A resumed agent told what it holds; part of `LinkOwner`."""
        self.feed(HoldingsArrived(link.agent, keys))

    def on_renewed(self, link: AgentLink) -> None:
        """A connection was lost and is being opened again; part of `LinkOwner`."""
        self._sender.drop(link.agent)
        self.connections.renew(link)
        self._blobs.renewed(link.agent)
        self.feed(ConnectionRenewed(link.agent))

    def on_refused(self, link: AgentLink, refusal: Refusal) -> None:
        """An agent does not let us in; part of `LinkOwner`."""
        self.connections.drop(link.agent)
        self.feed(AgentRefused(link.agent, refusal.code, refusal.text))

    def on_broken(self, link: AgentLink, why: str) -> None:
        """A connection is of no use any more; part of `LinkOwner`."""
        self.connections.give_up(link)
        self.feed(AgentUnreachable(link.agent, why))

    def on_dropped(self, agent: str, link: AgentLink | None) -> None:
        """An agent is connected no longer; part of `ConnectionsOwner`."""
        if link is not None:
            self._clearings.take_loss(link)
        self._sender.drop(agent)
        self._blobs.gone(agent)
        self.progress.pop(agent, None)

    def on_blob_sent(self, link: AgentLink, request: int) -> None:
        """A blob has arrived at an agent; part of `LinkOwner`."""
        self._blobs.sent(link, request)

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
        tasks: Sequence[TaskRecord] = self._intake.take()
        if self.journal is not None:
            tasks = self.journal.hold(tasks)
        if tasks:
            self.feed(_new(TasksSubmitted, (tasks,)))

    def _answer(self, link: AgentLink, name: str, answer: DataAnswer) -> None:
        if self.journal is not None:
            self.journal.note_given(link.agent, name, answer.digest or "")
        if link.is_open:
            link.send(answer)

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
            message, request, links, self.connections.lately_lost(now), now + limit_s, on_over
        )

    def _take_ended(self, link: AgentLink, ended: Ended) -> None:
        self._clearings.take_ended(link, ended.request)
        if ended.request is not None:
            self.feed(AgentCleared(link.agent))
