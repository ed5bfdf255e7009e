"""One real task process per test, and a small agent that waits for what it says."""

from __future__ import annotations

import gc
import pickle
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from hxgrid.wire.batches import AttemptRecord, Key, ResultRecord
from hxgrid.wire.documents import read_reason
from hxgrid.wire.messages import FunctionOffer, Outcome, Reason
from hxgrid_agent.execution.events import Died, Ended, Ready, SlotEvent
from hxgrid_agent.execution.frames import Assignment
from hxgrid_agent.execution.process import TaskProcess
from tests.harness.wait import wait_until

LIMIT_S = 60.0
T = TypeVar("T", bound=SlotEvent)


class SmallAgent:
    """Drives one `TaskProcess` as the agent's loop does, for tests that wait for its events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = TaskProcess(3, folder)
        self.process.slots[0] = 5
        self.seen: list[SlotEvent] = []
        self.functions = 0

    def start(self) -> SmallAgent:
        self.process.start()
        self.await_event(Ready)
        return self

    def assign(self, threshold: int = 65535) -> SmallAgent:
        for name in ("cache", "exchange", "functions"):
            (self.folder / name).mkdir()
        self.process.assign(
            Assignment(
                session_number=77,
                cache_folder=str(self.folder / "cache"),
                exchange_folder=str(self.folder / "exchange"),
                lock_path=str(self.folder / "lock"),
                compress_threshold_bytes=threshold,
            )
        )
        return self

    def pump(self) -> None:
        """Deal with what the socket has to say, waiting a little for it."""
        process = self.process
        if not process.is_cut:
            want_write = [process.socket] if process.wants_write else []
            readable, writable, _ = select.select([process.socket], want_write, [], 0.02)
            if writable:
                process.on_writable()
            if readable:
                self.seen += process.on_readable()
        died = process.poll()
        if died is not None:
            self.seen.append(died)

    def await_event(self, kind: type[T]) -> T:
        return self.await_that(lambda event: isinstance(event, kind), kind.__name__)  # type: ignore[return-value]

    def await_that(self, is_wanted: Callable[[SlotEvent], bool], what: str) -> SlotEvent:
        def take() -> SlotEvent | None:
            for event in self.seen:
                if is_wanted(event):
                    self.seen.remove(event)
                    return event
            if not any(isinstance(event, Died) for event in self.seen):
                self.pump()
            return None

        event = wait_until(take, LIMIT_S, what, seen=lambda: self.seen)
        assert event is not None
        return event

    def module(self, source: str, entry: str = "run_task", **others: str) -> int:
        """Offer a function of a module with this text; `others` are further files by name."""
        folder = self.folder / "functions" / str(self.functions)
        folder.mkdir()
        (folder / "task.py").write_text(source, encoding="utf-8")
        for name, text in others.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        return self.offer(
            folder, ["task.py", *(f"{name}.py" for name in others)], kind="module", entry=entry
        )

    def body(self, *lines: str) -> int:
        """Offer a `run_task` with these lines."""
        text = "\n".join(f"    {line}" for line in lines)
        return self.module(f"def run_task(agent, session_id, in_stream, out_stream):\n{text}\n")

    def pickled(self, function: bytes, **fields: str) -> int:
        folder = self.folder / "functions" / str(self.functions)
        folder.mkdir()
        (folder / "function.pickle").write_bytes(function)
        return self.offer(folder, ["function.pickle"], kind="pickle", **fields)

    def offer(self, folder: Path, paths: list[str], **fields: str) -> int:
        self.functions += 1
        fields.setdefault("label", fields.get("entry", ""))
        offer = FunctionOffer.model_validate({"function": self.functions, **fields})
        self.process.offer_function(offer, str(folder), paths)
        return self.functions

    def run(self, function: int, payload: bytes = b"", task: int = 1) -> Key:
        size = len(payload)
        record = AttemptRecord(task, 1, 0, function, size, size, payload)
        self.process.run([(record, "")])
        return (task, 1)

    def result(self, task: int = 1) -> ResultRecord:
        """Wait for the result of a task; large outputs are filled in from their file."""

        def is_wanted(event: SlotEvent) -> bool:
            return isinstance(event, Ended) and any(r.task == task for r in event.records)

        ended = self.await_that(is_wanted, f"the result of task {task}")
        assert isinstance(ended, Ended)
        self.seen += [
            Ended([record], ended.files) for record in ended.records if record.task != task
        ]
        record = next(record for record in ended.records if record.task == task)
        path = ended.files.get((record.task, record.attempt))
        return record if path is None else record._replace(payload=Path(path).read_bytes())

    def failure(self, outcome: Outcome, task: int = 1) -> Reason:
        record = self.result(task)
        assert record.outcome == outcome, bytes(record.payload)
        return read_reason(record.payload)

    def calls(self, function: int, *calls: tuple[object, ...], task: int = 1) -> Key:
        return self.run(function, pickle.dumps([(call, {}) for call in calls]), task)


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[SmallAgent]:
    """A process that has been started and belongs to nobody."""
    agent = SmallAgent(tmp_path)
    try:
        yield agent.start()
    finally:
        agent.process.close()
        gc.collect()  # what was not closed complains here, not in another test


@pytest.fixture
def agent(idle: SmallAgent) -> SmallAgent:
    """A process that works for a session."""
    return idle.assign()
