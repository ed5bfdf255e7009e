"""A small agent that keeps the protocol: what the dispatcher is tried against on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.messages import (
    AgentState,
    Capabilities,
    Hello,
    Load,
    Outcome,
    SlotTrouble,
    Welcome,
    WhoAreYou,
)
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
from tests.sim.slots import Slots, result_of

STATUS_S = 1.0
SLOT_SUSPECT_S = 1.5
CANCEL_GRACE_S = 0.5
CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.7",
    processors=4,
    memory_bytes=8 << 30,
)


@dataclass
class AgentSession:
    """What an agent keeps of one user's session."""

    user_session: str
    handle: int
    peer: bytes
    lease_s: float
    heard_at: float
    waiting: dict[Key, AttemptRecord] = field(default_factory=dict)
    results: dict[Key, ResultRecord] = field(default_factory=dict)


class ModelAgent:
    """One user's session, first in first out, results kept until acknowledged."""

    def __init__(
        self,
        agenda: Agenda,
        boot_id: str,
        slots: int,
        send: Callable[[bytes, Message], None],
        *,
        slowness: float = 1.0,
        is_black_hole: bool = False,
    ) -> None:
        self._agenda = agenda
        self.boot_id = boot_id
        self._send = send
        self.slots = Slots(agenda, slots, slowness, is_black_hole, self._take_ended)
        self.is_alive = True
        self.session: AgentSession | None = None
        self._handles = 6
        self._stopped_since: dict[Key, float] = {}
        agenda.after(STATUS_S, self._tell_status)

    # ------------------------------------------------------------------ as seen from outside

    @property
    def is_stopped(self) -> bool:
        return self.slots.is_frozen

    @property
    def is_well(self) -> bool:
        """Alive, running and not standing back."""
        return self.is_alive and not self.slots.is_frozen and not self.slots.is_suspended

    @property
    def place(self) -> str:
        return self.boot_id[:16]

    def serves(self, user_session: str, key: Key) -> bool:
        """Say whether an attempt waits here, runs here, or has a result here."""
        session = self.session
        if session is None or session.user_session != user_session:
            return False
        if not self.is_well or self.slots.is_stuck(key):
            return False
        return key in session.waiting or key in session.results or key in self.slots.runs

    def kill(self) -> None:
        """End at once."""
        self.is_alive = False
        for key in list(self.slots.runs):
            self.slots.remove(key)

    def freeze(self, is_frozen: bool) -> None:
        """Stop or continue the whole process tree."""
        self.slots.is_frozen = is_frozen
        self.slots.update()

    def suspend(self, is_suspended: bool) -> None:
        """Stand back for the owner, or end that."""
        if not self.is_alive or self.slots.is_suspended == is_suspended:
            return
        self.slots.is_suspended = is_suspended
        self.slots.update()
        if is_suspended and self.session is not None:
            for key in list(self.session.waiting):
                self._give_back(key)
        self._tell_load()
        self._fill_slots()

    def stop_slot(self, slot: int, is_stopped: bool) -> None:
        """Stop or continue one task process."""
        if is_stopped and any(run.slot == slot for run in self.slots.runs.values()):
            self.slots.stopped.add(slot)
        elif not is_stopped:
            self.slots.stopped.discard(slot)
        self.slots.update()
        self._fill_slots()

    # ------------------------------------------------------------------ messages

    def receive(self, peer: bytes, message: Message) -> None:
        """Take a message in, as the agent's driver and core would."""
        if isinstance(message, Hello):
            self._welcome(peer, message)
            return
        session = self.session
        if session is None or session.peer != peer:
            if isinstance(message, Ping):
                self._send(peer, Pong(message.asked_at))
            self._send(peer, WhoAreYou(boot_id=self.boot_id))
            return
        session.heard_at = self._agenda.now
        match message:
            case Ping():
                self._send(peer, Pong(message.asked_at))
            case Attempts():
                self._take_attempts(session, message)
            case Acknowledge():
                for key in message.keys:
                    session.results.pop(key, None)
            case Cancel():
                self._cancel(message.keys)
            case Recall():
                for key in message.keys:
                    self._give_back(key)

    def _welcome(self, peer: bytes, hello: Hello) -> None:
        session = self.session
        resumed = session is not None and session.user_session == hello.session
        if session is None or not resumed:
            self._drop_session()
            self._handles += 1
            now = self._agenda.now
            session = AgentSession(hello.session, self._handles, peer, hello.lease_s, now)
            self.session = session
            self._agenda.after(hello.lease_s, partial(self._look_at_lease, session))
        session.peer, session.heard_at = peer, self._agenda.now
        welcome = Welcome(
            boot_id=self.boot_id,
            agent_name=self.boot_id[-4:],
            handle=session.handle,
            resumed=resumed,
            slots=self.slots.count,
            capabilities=CAPABILITIES,
            load=self._load(),
        )
        self._send(peer, welcome)
        if resumed:
            keys = [*session.waiting, *self.slots.runs, *session.results]
            self._send(peer, Holdings(session.handle, keys))
            if session.results:
                self._send(peer, Results(session.handle, list(session.results.values())))

    def _take_attempts(self, session: AgentSession, message: Attempts) -> None:
        for record in message.records:
            key = (record.task, record.attempt)
            session.waiting[key] = record
            if self.slots.is_suspended:
                self._give_back(key)
        self._fill_slots()

    def _cancel(self, keys: Sequence[Key]) -> None:
        session = self.session
        assert session is not None
        for key in keys:
            record = session.waiting.pop(key, None)
            if record is not None:
                self._finish(result_of(record, Outcome.CANCELLED, 0, 0.0, 0.0))
            elif key in self.slots.runs:
                self._agenda.after(CANCEL_GRACE_S, partial(self._kill_cancelled, session, key))

    def _kill_cancelled(self, session: AgentSession, key: Key) -> None:
        if session is not self.session:
            return
        if self.is_stopped:
            self._agenda.after(CANCEL_GRACE_S, partial(self._kill_cancelled, session, key))
            return
        run = self.slots.remove(key) if self.is_alive else None
        if run is not None:
            now = self._agenda.now
            self._finish(result_of(run.record, Outcome.CANCELLED, run.slot, run.started_at, now))
            self._fill_slots()

    def _give_back(self, key: Key) -> None:
        assert self.session is not None
        record = self.session.waiting.pop(key, None)
        if record is not None:
            self._finish(result_of(record, Outcome.NOT_STARTED, 0, 0.0, 0.0))

    # ------------------------------------------------------------------ work

    def _fill_slots(self) -> None:
        session = self.session
        while session is not None and session.waiting and self.is_well and self.slots.free:
            key = next(iter(session.waiting))
            self.slots.start(session.waiting.pop(key))

    def _take_ended(self, result: ResultRecord) -> None:
        self._finish(result)
        self._fill_slots()

    def _finish(self, result: ResultRecord) -> None:
        session = self.session
        if session is None:
            return
        session.results[(result.task, result.attempt)] = result
        self._send(session.peer, Results(session.handle, [result]))

    # ------------------------------------------------------------------ time

    def _load(self) -> Load:
        slots = self.slots
        troubled = [
            SlotTrouble(task=key[0], attempt=key[1])
            for key, since in self._stopped_since.items()
            if self._agenda.now - since >= SLOT_SUSPECT_S - STATUS_S and slots.is_stuck(key)
        ]
        return Load(
            state=AgentState.SUSPENDED if slots.is_suspended else AgentState.ACTIVE,
            free_cpu=1.0,
            free_memory_bytes=4 << 30,
            suspected=tuple(troubled),
        )

    def _tell_load(self) -> None:
        if self.session is not None:
            self._send(self.session.peer, self._load())

    def _tell_status(self) -> None:
        if not self.is_alive:
            return
        self._agenda.after(STATUS_S, self._tell_status)
        if self.is_stopped:
            return
        stuck = {key: None for key in self.slots.runs if self.slots.is_stuck(key)}
        now = self._agenda.now
        self._stopped_since = {key: self._stopped_since.get(key, now) for key in stuck}
        self._tell_load()

    def _look_at_lease(self, session: AgentSession) -> None:
        if session is not self.session or not self.is_alive:
            return
        left_s = session.heard_at + session.lease_s - self._agenda.now
        if self.is_stopped or left_s > 0:
            self._agenda.after(max(left_s, 0.5), partial(self._look_at_lease, session))
            return
        self._drop_session()

    def _drop_session(self) -> None:
        self.session = None
        for key in list(self.slots.runs):
            self.slots.remove(key)

    def leftovers(self, user_session: str) -> list[str]:
        """Name what is kept though all tasks of the only user have ended."""
        session = self.session
        if session is None:
            return []
        if session.user_session != user_session:
            return [f"session {session.user_session}"]
        return [f"attempt {key}" for key in (*session.waiting, *self.slots.runs, *session.results)]
