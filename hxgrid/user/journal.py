"""The journal of a session: results of earlier runs, used again when the same task comes again.

A task is the same if its function is (by the digests of what travels), its input is, and it is as
often the same as before in this run: of two equal tasks the first gets the first result. Its result
is used again if the callback for global data still gives what the agent had been given when the
result came (`journal_data`). Everything else runs, and is written down when it is done.

Keys are made in the application's threads. Whoever is found is held by the core until the loop has
asked for the data and the writer's thread has read the result; if it cannot be used, the task runs
like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from hxgrid.errors import StoreError
from hxgrid.logs import get_logger
from hxgrid.streams.digests import new_hash
from hxgrid.user import journal_format as fmt
from hxgrid.user.core.events import LookupsEnded, TasksHeld
from hxgrid.user.core.explain import Explanation
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.journal_data import DataCheck, GivenData
from hxgrid.user.journal_file import JournalFile
from hxgrid.user.journal_format import KEY_BYTES, Head
from hxgrid.user.journal_writer import Entry, JournalWriter
from hxgrid.user.results import ResultMemory
from hxgrid.wire.batches import ResultRecord
from hxgrid.wire.limits import SMALL_PAYLOAD_BYTES
from hxgrid.wire.messages import AttemptFlag, Outcome

FLUSH_S: Final = 10.0
"""How long a session that was not cancelled waits at its end for the journal's disk."""
CANCELLED_FLUSH_S: Final = 0.2
_ANSWER_S: Final = 60.0
"""How long a call waits for the application's callback; then it runs again."""

_COMPRESSED: Final = int(AttemptFlag.COMPRESSED)
_DONE: Final = int(Outcome.DONE)

_log = get_logger("user")


class JournalStatus(NamedTuple):
    """What `Session.journal_status` tells."""

    path: Path
    entries: int
    """Results that it holds, of earlier runs too."""
    replayed: int
    """Tasks and calls of this session that were answered from it."""
    left_out: int
    """Results of this session that are missing because its disk did not keep up."""
    problem: str
    """Why it takes no more; empty while all is well."""


class Home(Protocol):
    """What the journal needs of its session's loop."""

    def on_loop(self, call: Callable[[], None]) -> object:
        """Have this done on the loop's thread."""

    def feed(self, event: TasksHeld | LookupsEnded) -> None:
        """Give the core a fact; on the loop's thread."""

    def ask_data(self, name: str, tell: Callable[[str], None]) -> None:
        """Ask for the digest of global data; on the loop's thread."""

    def may_wait(self) -> bool:
        """Whether the calling thread may wait for the loop and the callback thread."""


class Journal:
    """Made and opened before its session, closed by it."""

    def __init__(self, path: Path) -> None:
        self._file = JournalFile(path)
        self._writer = JournalWriter(self._file, "hxgrid-journal")
        self._lock = threading.Lock()  # guards the two below
        self._occurrences: dict[bytes, int] = {}
        self._replayed = 0
        # Made by `open` and `attach`; the loop's.
        self._given: GivenData
        self._check: DataCheck
        self._home: Home
        self._memory: ResultMemory

    def open(self) -> None:
        """Lock the file and read what it holds. Raises `ConfigError`."""
        self._file.open()
        self._given = GivenData(
            self._file.index.nodes, lambda node: self._writer.write_record(fmt.pack_node(node))
        )

    def attach(self, home: Home, memory: ResultMemory) -> None:
        """Begin to work for a session."""
        self._home = home
        self._memory = memory
        self._check = DataCheck(self._file.index.chain, home.ask_data)
        self._writer.start()

    def close(self, *, cancel: bool = False) -> None:
        """Write what waits, and let go of the file. Twice is harmless."""
        if self._writer.stop(CANCELLED_FLUSH_S if cancel else FLUSH_S):
            self._file.close()
        else:
            _log.warning("the journal is not written to its end", journal=self._file.path)

    @property
    def status(self) -> JournalStatus:
        """How it stands; from any thread."""
        file = self._file
        return JournalStatus(
            file.path, len(file.index.places), self._replayed, self._writer.left_out, file.problem
        )

    def explain(self) -> list[Explanation]:
        """Say what is wrong with it, if something is."""
        status = self.status
        name = str(status.path)
        texts = []
        if status.problem:
            text = f"Journal {name} takes no more: {status.problem}."
            texts.append(Explanation("journal", name, text))
        if status.left_out:
            text = f"Journal {name} lacks {status.left_out} results: its disk does not keep up."
            texts.append(Explanation("journal", name, text))
        return texts

    # -- the application's threads

    def key_of(self, identity: bytes, payload: Any, flags: int = 0) -> bytes:
        """Return the key of the next task with this function and input."""
        base = new_hash(identity)
        base.update(bytes([flags]))
        base.update(payload)
        short = base.digest()[:KEY_BYTES]
        with self._lock:
            count = self._occurrences.get(short, 0)
            self._occurrences[short] = count + 1
        return short if not count else new_hash(b"%b%d" % (short, count)).digest()[:KEY_BYTES]

    def take_back(self, identity: bytes, payload: Any, flags: int = 0) -> None:
        """Forget the last key of this function and input: the task was not accepted."""
        base = new_hash(identity)
        base.update(bytes([flags]))
        base.update(payload)
        with self._lock:
            self._occurrences[base.digest()[:KEY_BYTES]] -= 1

    def find_value(self, key: bytes) -> bytes | None:
        """Return the result of a call at once, or None if it has to run."""
        place = self._file.index.places.get(key)
        if place is None or (place.node and not self._is_valid(place.node)):
            return None
        try:
            found = self._file.small_result(place.at, place.size_bytes, key)
        except OSError as error:
            _log.warning("an entry of the journal cannot be used", why=error)
            return None
        if found is None:
            return None
        with self._lock:
            self._replayed += 1
        self._writer.note_used(key)
        return found[1]

    # -- the loop

    def hold(self, tasks: Sequence[TaskRecord]) -> Sequence[TaskRecord]:
        """Look for the results of submitted tasks; returns those that there is nothing for."""
        places = self._file.index.places
        held = [task for task in tasks if type(task.journal) is bytes and task.journal in places]
        if not held:
            return tasks
        self._home.feed(TasksHeld(held))
        by_node: dict[int, list[TaskRecord]] = {}
        for task in held:
            by_node.setdefault(places[task.journal].node, []).append(task)
        for node, of_node in by_node.items():
            self._check.check(node, partial(self._checked, of_node))
        known = {task.id for task in held}
        return [task for task in tasks if task.id not in known]

    def note_given(self, agent: str, name: str, digest: str) -> None:
        """Note that an agent is told what a name means; empty: nothing."""
        self._given.note(agent, name, digest)

    def forget_data(self) -> None:
        """Ask the application again for all global data: it may have changed."""
        self._check.forget()

    def note(self, completions: Sequence[tuple[TaskRecord, ResultRecord]]) -> None:
        """Write down what is done."""
        entries = []
        for task, result in completions:
            key = task.journal
            if key is None or result.attempt > len(task.attempts):
                continue
            attempt = task.attempts[result.attempt - 1]
            if attempt.outcome == LookupsEnded.OUTCOME:
                continue
            node = self._given.node_of(attempt.agent)
            if node is not None:
                flags = result.flags & _COMPRESSED
                entries.append(Entry(key, result.payload, flags, result.raw_bytes, node))
        if entries:
            self._writer.write(entries)

    # -- inside

    def _checked(self, tasks: Sequence[TaskRecord], is_valid: bool) -> None:
        if is_valid:
            self._writer.put(partial(self._read_all, tasks))
        else:
            self._tell((), [task.id for task in tasks])

    def _tell(self, found: Sequence[ResultRecord], missing: Sequence[int]) -> None:
        # Never at once: the core may be in the middle of something.
        self._home.on_loop(partial(self._home.feed, LookupsEnded(found, missing)))

    def _is_valid(self, node: int) -> bool:
        if not self._home.may_wait():
            return False
        answered = threading.Event()
        verdicts: list[bool] = []

        def take(is_valid: bool) -> None:
            verdicts.append(is_valid)
            answered.set()

        self._home.on_loop(lambda: self._check.check(node, take))
        return answered.wait(_ANSWER_S) and verdicts[0]

    # -- the writer's thread

    def _read_all(self, tasks: Sequence[TaskRecord]) -> None:
        found: list[ResultRecord] = []
        missing: list[int] = []
        for task in tasks:
            result = self._read(task)
            if result is None:
                missing.append(task.id)
            else:
                found.append(result)
                self._writer.note_used(task.journal)
        with self._lock:
            self._replayed += len(found)
        self._tell(found, missing)

    def _read(self, task: TaskRecord) -> ResultRecord | None:
        try:
            found = self._find(task.journal)
        except (StoreError, OSError) as error:
            _log.warning("an entry of the journal cannot be used", task=task.id, why=error)
            return None
        if found is None:
            return None
        head, payload = found
        sizes = (head.body_bytes, head.raw_bytes)
        return ResultRecord(task.id, 1, _DONE, head.flags, 0, *sizes, 0.0, 0.0, payload)

    def _find(self, key: bytes) -> tuple[Head, bytes | memoryview] | None:
        file = self._file
        place = file.index.places.get(key)
        if place is None:
            return None
        if place.size_bytes <= SMALL_PAYLOAD_BYTES:
            return file.small_result(place.at, place.size_bytes, key)
        head = file.head_at(place.at)
        return (head, self._large(head)) if head is not None and head.key == key else None

    def _large(self, head: Head) -> memoryview:
        room = self._memory.place(head.body_bytes)
        at = 0
        for piece in self._file.pieces_of(head):
            room.write(at, piece)
            at += len(piece)
        return room.payload()
