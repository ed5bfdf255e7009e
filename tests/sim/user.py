"""The user's side: the real dispatcher between virtual connections, as its driver would put it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hxgrid.user.core.actions import (
    AcknowledgeResults,
    Action,
    CancelAttempts,
    CompareResults,
    CompleteTasks,
    ConnectAgent,
    DisconnectAgent,
    Dispute,
    DropTasks,
    FailTasks,
    PingAgents,
    RecallAttempts,
    SendAttempts,
    TellDispute,
)
from hxgrid.user.core.dispatcher import Dispatcher
from hxgrid.user.core.events import (
    AgentLoadChanged,
    AgentsHeard,
    AgentUnreachable,
    AgentWelcomed,
    AttemptsEnded,
    ConnectionRenewed,
    Event,
    HoldingsArrived,
    ResultsCompared,
    TasksFinalized,
)
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.wire.batches import AttemptRecord
from hxgrid.wire.messages import FunctionOffer, Hello, Load, Welcome, WhoAreYou
from tests.sim.agenda import Agenda
from tests.sim.messages import (
    Acknowledge,
    Attempts,
    Cancel,
    Holdings,
    Message,
    Ping,
    Pong,
    Recall,
    Results,
)
from tests.sim.network import Connection, Network, Program

CONNECT_LIMIT_S = 3.0
FUNCTIONS = (1, 2)


@dataclass
class Link:
    """A connection to one agent."""

    agent: str
    connection: Connection
    handle: int = 0
    is_open: bool = False


class LinkEnd:
    """The near end of one connection: knows whose messages it takes in."""

    is_alive = True
    is_stopped = False
    place = "user"

    def __init__(self, user: SimUser, agent: str) -> None:
        self._user = user
        self._agent = agent

    def receive(self, peer: bytes, message: Message) -> None:
        self._user.receive(self._agent, message)


class SimUser:
    """Runs a dispatcher; the ends of tasks are collected in `endings`."""

    def __init__(
        self,
        agenda: Agenda,
        network: Network,
        find: Callable[[str], Program | None],
        settings: DispatchSettings,
        seed: int,
        session: str,
        endings: dict[int, list[str]],
        answers: dict[int, bytes],
    ) -> None:
        self._agenda = agenda
        self._network = network
        self._find = find
        self.dispatcher = Dispatcher(settings, seed)
        self.links: dict[str, Link] = {}
        self.session = session
        self.is_alive = True
        self.endings = endings
        """For each task how it ended; more than one entry is an error."""
        self.answers = answers
        """What the completed ones brought."""
        self.disputes: list[Dispute | None] = []
        self.after_event: Callable[[], None] = lambda: None
        self._tick_at: float | None = None

    # ------------------------------------------------------------------ facts

    def tell(self, event: Event) -> None:
        """Give the dispatcher a fact and carry its orders out."""
        if not self.is_alive:
            return
        actions = self.dispatcher.handle(event, self._agenda.now)
        self._finish(actions)

    def crash(self) -> None:
        """Die without a word to anybody."""
        self.is_alive = False
        for link in self.links.values():
            link.connection.close()
        self.links.clear()

    def _tick(self, planned_at: float) -> None:
        if planned_at != self._tick_at or not self.is_alive:
            return
        self._tick_at = None
        self._finish(self.dispatcher.tick(self._agenda.now))

    def _finish(self, actions: list[Action]) -> None:
        self.dispatcher.check()
        for action in actions:
            self._carry_out(action)
        deadline = self.dispatcher.next_deadline()
        if deadline is not None and deadline != self._tick_at:
            self._tick_at = deadline
            self._agenda.at(deadline, lambda: self._tick(deadline))
        self.after_event()

    def receive(self, agent: str, message: Message) -> None:
        """Turn a message into a fact."""
        link = self.links.get(agent)
        if link is None:
            return
        if isinstance(message, Welcome):
            self._take_welcome(link, message)
        elif isinstance(message, WhoAreYou):
            self._take_question(link, message)
        elif not link.is_open:
            return
        elif isinstance(message, Results):
            self.tell(AttemptsEnded(agent, message.records))
        elif isinstance(message, Holdings):
            self.tell(HoldingsArrived(agent, message.keys))
        elif isinstance(message, Load):
            self.tell(AgentLoadChanged(agent, message))
        elif isinstance(message, Pong):
            self.tell(AgentsHeard([(agent, self._agenda.now - message.asked_at)]))

    def _take_welcome(self, link: Link, welcome: Welcome) -> None:
        if welcome.boot_id != link.agent:
            self._give_up(link, "another agent answers there")
            return
        link.is_open, link.handle = True, welcome.handle
        for function in FUNCTIONS:
            offer = FunctionOffer(
                function=function,
                kind="installed",
                entry="run",
                module="virtual",
                distribution="virtual",
                distribution_version="1",
            )
            link.connection.send(offer, to_far=True)
        self.tell(AgentWelcomed(link.agent, welcome))

    def _take_question(self, link: Link, question: WhoAreYou) -> None:
        if question.boot_id != link.agent:
            self._give_up(link, "it was started again")
        else:
            self._say_hello(link)
            if link.is_open:
                self.tell(ConnectionRenewed(link.agent))

    # ------------------------------------------------------------------ orders

    def _carry_out(self, action: Action) -> None:  # noqa: C901 - one case for each order
        match action:
            case CompleteTasks():
                ids = [task.id for task, _ in action.completions]
                for task, record in action.completions:
                    self.answers[task.id] = bytes(record.payload)
                    self._note_end(task.id, "completed")
                self._agenda.after(0.0001, lambda: self.tell(TasksFinalized(ids)))
            case FailTasks():
                for task in action.tasks:
                    self._note_end(task.id, "failed")
            case DropTasks():
                for task in action.tasks:
                    self._note_end(task.id, "dropped")
            case CompareResults():
                outputs = [bytes(record.payload) for record in action.results]
                same = ResultsCompared(action.task.id, [outputs.index(each) for each in outputs])
                self._agenda.after(0.001, lambda: self.tell(same))
            case TellDispute():
                self.disputes.append(action.dispute)
            case ConnectAgent():
                self._connect(action.entry.agent)
            case DisconnectAgent():
                self._close(action.agent)
            case PingAgents():
                for agent in action.agents:
                    self._send(agent, Ping(self._agenda.now))
            case _:
                self._send_batch(action)

    def _note_end(self, task_id: int, how: str) -> None:
        self.endings[task_id].append(how)
        assert len(self.endings[task_id]) == 1, f"task {task_id} ended {self.endings[task_id]}"

    def _send_batch(
        self, action: SendAttempts | AcknowledgeResults | CancelAttempts | RecallAttempts
    ) -> None:
        link = self.links.get(action.agent)
        if link is None:
            return
        match action:
            case SendAttempts():
                records = [
                    AttemptRecord(
                        task.id,
                        attempt.number,
                        0,
                        task.function,
                        task.stored_bytes,
                        task.raw_bytes,
                        task.payload,
                    )
                    for task, attempt in action.attempts
                ]
                message: Message = Attempts(link.handle, records)
            case AcknowledgeResults():
                message = Acknowledge(link.handle, action.keys)
            case CancelAttempts():
                message = Cancel(link.handle, action.keys)
            case RecallAttempts():
                message = Recall(link.handle, action.keys)
        link.connection.send(message, to_far=True)

    def _send(self, agent: str, message: Message) -> None:
        link = self.links.get(agent)
        if link is not None:
            link.connection.send(message, to_far=True)

    def _connect(self, agent: str) -> None:
        program = self._find(agent)
        self._close(agent)
        if program is None:
            self._agenda.after(0.01, lambda: self._report_unreachable(agent))
            return
        connection = self._network.connect(LinkEnd(self, agent), program)
        link = self.links[agent] = Link(agent, connection)
        self._say_hello(link)
        self._agenda.after(CONNECT_LIMIT_S, lambda: self._look_at_connect(link))

    def _report_unreachable(self, agent: str) -> None:
        if agent not in self.links:
            self.tell(AgentUnreachable(agent, "nobody listens there"))

    def _look_at_connect(self, link: Link) -> None:
        if self.links.get(link.agent) is link and not link.is_open:
            self._give_up(link, "no answer")

    def _say_hello(self, link: Link) -> None:
        link.connection.send(Hello(session=self.session, ticket="7" * 32), to_far=True)

    def _give_up(self, link: Link, reason: str) -> None:
        self._close(link.agent)
        self.tell(AgentUnreachable(link.agent, reason))

    def _close(self, agent: str) -> None:
        link = self.links.pop(agent, None)
        if link is not None:
            link.connection.close()
