"""An agent core with a pretended driver: processes start, functions are laid out, time is a number.

`Rig` carries the orders out that every driver would (starting processes, finding blobs), unless a
test does so itself, and keeps all others in `orders` for the test to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.messages import (
    Capabilities,
    Document,
    FileEntry,
    FunctionOffer,
    Goodbye,
    Hello,
    Outcome,
    Welcome,
)
from hxgrid_agent.core import actions as act
from hxgrid_agent.core import events as ev
from hxgrid_agent.core.core import AgentCore
from hxgrid_agent.core.process import SlotProcess
from hxgrid_agent.core.settings import CoreSettings

T = TypeVar("T")
D = TypeVar("D", bound=Document)

CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.9",
    processors=4,
    memory_bytes=1 << 33,
)
DIGEST = "ab" * 32


def settings(**changes: Any) -> CoreSettings:
    values: dict[str, Any] = {
        "boot_id": "b" * 32,
        "name": "pc7",
        "capabilities": CAPABILITIES,
        "slots": 2,
        "spare_processes": 2,
        "max_parked_processes": 4,
        "share_quantum_s": 1.0,
        "max_sessions": 8,
        "max_waiting_attempts": 1000,
        "max_results_waiting_bytes": 1 << 20,
        "result_memory_bytes": 1 << 20,
        "memory_reserve_bytes": 1 << 20,
        "heartbeat_s": 0.5,
        "suspect_after_s": 1.5,
        "lost_after_s": 10.0,
        "status_s": 1.0,
        "busy_after_s": 10.0,
        "suspend_s": 25.0,
    }
    return CoreSettings(**{**values, **changes})


class User:
    """One user's session as the rig speaks for it."""

    def __init__(self, rig: Rig, letter: str) -> None:
        self.rig = rig
        self.letter = letter
        self.peer = letter.encode()
        self.id = letter * 32
        self.handle = 0

    def hello(self, peer: bytes | None = None, **fields: Any) -> Welcome | None:
        if peer is not None:
            self.peer = peer
        values = {"session": self.id, "ticket": self.letter * 32, **fields}
        self.rig.orders.clear()
        self.rig.handle(ev.DocumentReceived(self.peer, Hello(**values)))
        said = self.rig.said(Welcome)
        if not said:
            return None
        self.handle = said[-1].handle
        return said[-1]

    def offer(self, function: int = 1, **fields: Any) -> FunctionOffer:
        offer = FunctionOffer(**{"function": function, "kind": "installed", **fields})
        self.say(offer)
        return offer

    def say(self, document: Any) -> None:
        self.rig.handle(ev.DocumentReceived(self.peer, document))

    def send(self, *tasks: int, function: int = 1, size: int = 4, attempt: int = 1) -> None:
        records = [
            AttemptRecord(task, attempt, 0, function, size, size, b"x" * size) for task in tasks
        ]
        self.rig.handle(ev.AttemptsReceived(self.peer, self.handle, records))

    def send_large(self, task: int, size: int = 1 << 17, function: int = 1) -> None:
        record = AttemptRecord(task, 1, 2, function, size, size, b"")
        self.rig.handle(ev.AttemptsReceived(self.peer, self.handle, [record]))

    def acknowledge(self, *tasks: int) -> None:
        keys = [(task, 1) for task in tasks]
        self.rig.handle(ev.ResultsAcknowledged(self.peer, self.handle, keys))

    def cancel(self, *tasks: int) -> None:
        self.rig.handle(ev.CancelReceived(self.peer, self.handle, [(t, 1) for t in tasks]))

    def recall(self, *tasks: int) -> None:
        self.rig.handle(ev.RecallReceived(self.peer, self.handle, [(t, 1) for t in tasks]))

    def goodbye(self) -> None:
        self.say(Goodbye(session=self.id))

    @property
    def running(self) -> list[int]:
        """Tasks in processes, in the order of the processes."""
        session = self.rig.core.table.by_id.get(self.id)
        if session is None:
            return []
        return [key[0] for p in session.processes.values() for key in p.handed]


class Rig:
    """A core, its time, and the orders that it gave."""

    def __init__(self, *, is_helpful: bool = True, **changes: Any) -> None:
        self.core = AgentCore(settings(**changes))
        self.now = 100.0
        self.orders: list[act.Action] = []
        self.is_helpful = is_helpful
        """Start processes, lay out functions and close sessions as a driver would."""
        self.stopped_at: float | None = None
        """Since when no process beats."""
        self.cpu_rate = 0.0
        """Processor time that a process uses per second."""
        self.tick()

    def user(self, letter: str = "a", **hello: Any) -> User:
        user = User(self, letter)
        user.hello(**hello)
        return user

    def handle(self, event: ev.Event) -> None:
        self._take(self.core.handle(event, self.now))

    def tick(self) -> None:
        self._take(self.core.tick(self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, with a tick at each deadline as a loop would do it."""
        end = self.now + seconds
        for _ in range(10_000):
            deadline = self.core.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.tick()
        else:
            raise AssertionError("the core keeps asking for a tick without doing anything")
        self.now = end
        self.tick()

    def all(self, kind: type[T]) -> list[T]:
        """The orders of this kind since the last `clear`."""
        return [order for order in self.orders if isinstance(order, kind)]

    def said(self, kind: type[D]) -> list[D]:
        """The JSON messages of this kind since the last `clear`."""
        return [o.document for o in self.all(act.SendDocument) if isinstance(o.document, kind)]

    def clear(self) -> None:
        self.orders.clear()

    def results(self) -> list[tuple[int, Outcome]]:
        """Task and outcome of every result sent since the last `clear`."""
        sent = [a.result for order in self.all(act.SendResults) for a in order.attempts]
        return [(r.task, Outcome(r.outcome)) for r in sent if r is not None]

    def process_of(self, task: int) -> SlotProcess:
        for process in self.core.table.processes.values():
            for key in process.handed:
                if key[0] == task:
                    return process
        raise AssertionError(f"task {task} is in no process")

    def end(self, *tasks: int, took_s: float = 1.0, **fields: Any) -> None:
        """Let processes finish these tasks, each in the process that has it."""
        by_process: dict[int, list[ResultRecord]] = {}
        for task in tasks:
            process = self.process_of(task)
            record = self.record(task, took_s, **fields)
            by_process.setdefault(process.number, []).append(record)
        for number, records in by_process.items():
            self.handle(ev.AttemptsEnded(number, records, {}))

    def record(
        self, task: int, took_s: float = 1.0, outcome: Outcome = Outcome.DONE, payload: bytes = b"r"
    ) -> ResultRecord:
        size = len(payload)
        return ResultRecord(
            task, 1, outcome, 0, 0, size, size, self.now - took_s, self.now, payload
        )

    def die(self, process: SlotProcess, running: Key | None = None, text: str = "died") -> None:
        from hxgrid.wire.messages import Reason

        self.handle(ev.ProcessDied(process.number, Reason(text=text), running))

    def _take(self, orders: Sequence[act.Action]) -> None:
        self.core.check()
        self.orders += orders
        if self.is_helpful:
            for order in orders:
                self._help(order)

    def _help(self, order: act.Action) -> None:
        match order:
            case act.StartProcess(process):
                self.handle(ev.ProcessReady(process.number))
            case act.LayOutFunction(session, function):
                paths = tuple(f"/s/{entry.path}" for entry in function.offer.files)
                self.handle(ev.FunctionLaidOut(session.handle, function.id, "/s", paths))
            case act.CloseSession(session):
                self.handle(ev.SessionFilesGone(session.handle))
            case act.KillProcess(process):
                self.die(process, text="killed")
            case act.LookAtProcess(process):
                beat_at = self.now if self.stopped_at is None else self.stopped_at
                self.handle(ev.ProcessSeen(process.number, beat_at, self.now * self.cpu_rate))
            case act.EndProcess(process):
                self.die(process, text="ended")
            case _:
                pass


def file(name: str = "m.py", digest: str = DIGEST, size: int = 10) -> FileEntry:
    return FileEntry(path=name, digest=digest, bytes=size)
