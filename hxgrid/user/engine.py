"""The machinery behind a session: its one loop, the thread that turns it, and what hangs on it.

`Session` speaks with the application, the driver with agents; this puts them together, starts them
and ends them. Nothing is opened before `start`.
"""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

from hxgrid.clock import MonotonicClock
from hxgrid.errors import HxGridError, NoGridFound, SessionClosed, SeveralGridsFound
from hxgrid.ids import new_session_id, new_ticket
from hxgrid.logs import get_logger
from hxgrid.settings import UserSettings, split_address
from hxgrid.streams.spill import SpillFolder
from hxgrid.transport.discovery import Discovery, DiscoverySettings
from hxgrid.transport.loop import Loop
from hxgrid.transport.remembered import RememberedCoordinators
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory, SocketLimits, client_context
from hxgrid.user.blobs import BlobShelf, Content
from hxgrid.user.callbacks import CallbackRunner
from hxgrid.user.core.dispatcher import Dispatcher
from hxgrid.user.core.events import ResultsCompared, SettingsChanged
from hxgrid.user.core.explain import Explanation
from hxgrid.user.core.replay import JOURNAL
from hxgrid.user.core.settings import DispatchSettings
from hxgrid.user.core.task import TaskRecord
from hxgrid.user.delivery import Delivery
from hxgrid.user.diary import Diary, Look
from hxgrid.user.driver import GOODBYE_LIMIT_S, Driver
from hxgrid.user.failures import AgentNames, error_of
from hxgrid.user.global_data import GlobalData
from hxgrid.user.helm import Helm
from hxgrid.user.intake import Intake
from hxgrid.user.journal import Journal
from hxgrid.user.journal_home import JournalHome
from hxgrid.user.network import Network
from hxgrid.user.offers import OfferBook
from hxgrid.user.results import ResultMemory
from hxgrid.user.roster_link import RosterLink
from hxgrid.user.side import SideThread
from hxgrid.user.verifying import Verifier
from hxgrid.wire.messages import Hello, RosterEntry

COORDINATOR_PORT: Final = 4100
ASK_LIMIT_S: Final = 10.0
"""The loop answers within milliseconds, or something is very wrong."""
LOOK_S: Final = 0.1
"""How often somebody who waits for the loop looks whether it has ended."""
STOP_LIMIT_S: Final = 0.3
"""How long a closing session waits for a thread that runs code of the application."""

MAX_EXPLAINED_WAITING: Final = 1000
"""With more tasks in the queue, explaining each would keep the loop from its work."""

_T = TypeVar("_T")
_log: Final = get_logger("user")


class Engine:
    """Everything of a session that lives on or beside its loop."""

    def __init__(
        self,
        settings: UserSettings,
        security: Security,
        label: str,
        journal: Journal | None = None,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.names = AgentNames()
        self.session_id = new_session_id()
        self.clock = MonotonicClock()
        self.loop = Loop(self.clock, label)
        self.spill = SpillFolder(_spill_parent(settings))
        self.callbacks = CallbackRunner(label, self._report_called)
        self.intake = Intake(self._wake, self.spill.write, self.callbacks.is_callback_thread)
        self.side = SideThread(f"{label}-side")
        self._ticket = new_ticket()
        self.shelf = BlobShelf(self._ticket)
        self.offers = OfferBook(self.shelf)
        self.data = GlobalData(
            self.shelf,
            on_callback_thread=self.callbacks.put_urgent,
            beside_loop=self.side.put,
            on_loop=self.loop.call_soon_threadsafe,
            spill=self._spill_data,
        )
        self.memory = ResultMemory(settings.spill_folder, settings.result_memory_bytes)
        self.context = client_context(settings.max_connections)
        self.roster: RosterLink | None = None
        self.several_grids: tuple[str, ...] = ()
        self._data_bytes = 0  # global data in memory; the side thread's
        self.found = threading.Event()
        """Set when a roster has come, several grids have answered, we are not let in, or it is too
        late for all that."""
        self.is_stopped = False
        self._life = threading.Lock()  # of start and stop: whichever comes first
        self._security = security
        limits = SocketLimits(
            max_frame_bytes=settings.max_message_bytes, max_connections=settings.max_connections
        )
        factory = SocketFactory(self.context, security, limits)
        self._network = Network(self.loop, self.clock, factory, security)
        self._program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
        self.driver = Driver(
            Dispatcher(dispatch_settings(settings), secrets.randbits(63)),
            self._network,
            hello=self._hello,
            intake=self.intake,
            offers=self.offers,
            data=self.data,
            delivery=Delivery(self.intake, self.callbacks),
            side=self.side,
            memory=self.memory,
            names=self.names,
            shelf=self.shelf,
            verifier=Verifier(
                takes_calls=self.offers.takes_calls,
                beside_loop=self.side.put,
                on_callback_thread=self.callbacks.put_urgent,
                post=self._post,
                names=self.names,
            ),
        )
        self.driver.on_failed = self._note_failure
        self.helm = Helm(self.loop, self, lambda: self.intake.open_count > 0)
        self.diary = Diary(self._diary_header(), self._look, self._counts)
        # A daemon: an application that ends without close() must be able to end.
        self.thread = threading.Thread(target=self._run, name=label, daemon=True)
        if journal is not None:
            self.names.set_name(JOURNAL, JOURNAL)
            home = JournalHome(self.loop, self.thread, self.driver, self.data, self.callbacks)
            journal.attach(home, self.memory)
            self.driver.journal = journal
        self.apply(settings)

    # -- from the application's threads

    def apply(self, settings: UserSettings) -> None:
        """Put settings in force."""
        self.settings = settings
        self.intake.set_limits(
            settings.max_queued_tasks, settings.user_max_memory_bytes, settings.allow_spill
        )
        self.callbacks.set_threads(settings.finalize_threads)
        self.memory.limit_bytes = settings.result_memory_bytes
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self._apply_on_loop)

    def start(self, entries: Sequence[RosterEntry] | None) -> None:
        """Begin to turn; with `entries` the grid is known, without it is looked for.

        Raises `SessionClosed` if another thread has closed the session before it began.
        """
        with self._life:
            if self.is_stopped:
                raise SessionClosed("the session was closed while it was being opened")
            self.spill.open()
            if entries is None:
                self.roster = self._make_roster_link()
                self.loop.call_soon_threadsafe(self.roster.start)
            else:
                self.loop.call_soon_threadsafe(lambda: self.on_roster(entries, (), True))
            self.thread.start()
            self.diary.start()

    def ask(self, question: Callable[[], _T]) -> _T:
        """Have a question answered by the loop's thread, and wait for it."""
        answered = threading.Event()
        answers: list[_T] = []
        errors: list[BaseException] = []

        def answer() -> None:
            try:
                answers.append(question())
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked
                errors.append(error)
            finally:
                answered.set()

        if self.helm.is_mine():
            return question()
        if not self.thread.is_alive():
            raise SessionClosed("the session is closed")
        self.loop.call_soon_threadsafe(answer)
        for _ in range(round(ASK_LIMIT_S / LOOK_S)):
            if answered.wait(LOOK_S) or not self.thread.is_alive():
                break
        if not answered.is_set():
            why = "does not answer" if self.thread.is_alive() else "has ended"
            raise SessionClosed(f"the session's thread {why}")
        if errors:
            raise errors[0]
        return answers[0]

    def stop(self, *, drop_callbacks: bool) -> None:
        """Say goodbye to agents, end the threads, close the sockets. Once."""
        over = threading.Event()
        with self._life:
            # From here on nothing starts; what has been started is ended below.
            self.is_stopped = True
        self.found.set()
        self.diary.close()
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(
                lambda: self.driver.say_goodbye(lambda _missed: over.set())
            )
            over.wait(GOODBYE_LIMIT_S + STOP_LIMIT_S)
            self.callbacks.stop(STOP_LIMIT_S, drop=drop_callbacks)
            self.helm.stop()
            self.thread.join()
        self.side.stop(STOP_LIMIT_S)
        # Objects of an ended session wait for the garbage collector; megabytes must not.
        self.data.bind(None, False)
        self.shelf.clear()
        self.loop.close()
        self.context.destroy(linger=250)  # milliseconds, for last words
        self.spill.close()

    # -- on the loop's thread

    def tick(self, now: float) -> None:
        """Do what is due; part of the loop's handler."""
        self.driver.tick(now)
        if self.roster is not None:
            self.roster.tick(now)

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next; part of the loop's handler."""
        first = self.driver.next_deadline()
        second = self.roster.next_deadline() if self.roster is not None else None
        return first if second is None else min(first, second)

    def flush(self) -> None:
        """Send what has gathered; part of the loop's handler."""
        self.driver.flush()

    def on_roster(
        self, entries: Sequence[RosterEntry], left: Sequence[str], is_whole: bool
    ) -> None:
        """The coordinator told of agents; part of `RosterOwner`."""
        self.driver.on_roster_changed(entries, left, is_whole)
        self.found.set()

    def on_several_grids(self, grids: tuple[str, ...]) -> None:
        """More than one grid answers; part of `RosterOwner`."""
        self.several_grids = grids
        self.found.set()

    def on_refused(self) -> None:
        """The coordinator does not let us in; part of `RosterOwner`."""
        self.found.set()

    @property
    def is_grid_found(self) -> bool:
        """Whether what has been found is a grid, the right one, and lets us in."""
        is_refused = self.roster is not None and self.roster.refusal is not None
        return self.found.is_set() and not self.several_grids and not is_refused

    def no_grid_found(self, timeout: float) -> HxGridError:
        """Return the error that says what was tried and what else can be done."""
        if self.roster is not None and self.roster.refusal is not None:
            return self.roster.refusal
        if self.several_grids:
            return SeveralGridsFound(
                "several grids answer, and none was named",
                advice="Say which: connect(name=...), --name, or `name` in the settings.",
                tried=self.several_grids,
            )
        advice = (
            'connect("local") computes with this computer alone; `hxgrid up` starts a grid here'
        )
        if self._security.is_loopback_only:
            advice += (
                "; without keys only this computer was asked: --trust-network "
                "(connect(trust_network=True)) asks the LAN and trusts all who reach it"
            )
        tried = self.ask(self.roster.tried) if self.roster is not None else ()
        return NoGridFound(f"no grid found within {timeout:g} s", advice=f"{advice}.", tried=tried)

    # -- inside

    def _run(self) -> None:
        try:
            self.helm.run()
        finally:
            if self.roster is not None:
                self.roster.close()
            self.driver.close()

    def _post(self, event: ResultsCompared) -> None:
        self.driver.post(event)

    def _wake(self, is_alone: bool) -> None:
        self.driver.wake(is_alone)

    def _report_called(self, task_ids: list[int]) -> None:
        self.driver.report_finalized(task_ids)
        self.intake.called(len(task_ids))

    def _apply_on_loop(self) -> None:
        settings = self.settings
        self.driver.feed(SettingsChanged(dispatch_settings(settings)))
        self.driver.renew_hello()
        if self.roster is not None:
            self.roster.apply(settings)

    # -- the diary

    def _diary_header(self) -> dict[str, Any]:
        return {
            "session": self.session_id,
            "program": self._program,
            "process_id": os.getpid(),
        }

    def _look(self) -> Look:
        """Return how the session stands; asked by the diary's thread."""
        return self.ask(self._look_on_loop)

    def _counts(self) -> dict[str, int]:
        """Return tasks by what became of them; from any thread."""
        tally = self.driver.dispatcher.counts
        return {
            "accepted": tally.accepted,
            "done": tally.done,
            "failed": tally.failed,
            "cancelled": tally.cancelled,
        }

    def _look_on_loop(self) -> Look:
        dispatcher, counts = self.driver.dispatcher, self._counts()
        if not dispatcher.counts.unfinished:
            return Look(counts, ())
        if dispatcher.waiting_count > MAX_EXPLAINED_WAITING:
            text = f"{dispatcher.waiting_count} tasks wait: more than the agents can take at once."
            return Look(counts, (Explanation("task", "...", text),))
        return Look(counts, tuple(dispatcher.explain(self.clock.now())))

    def _note_failure(self, record: TaskRecord) -> None:
        self.diary.note_failure(record.id, error_of(record, self.names).headline)

    def _hello(self) -> Hello:
        settings = self.settings
        return Hello(
            session=self.session_id,
            ticket=self._ticket,
            user_name=_user_name(),
            host=platform.node()[:256],
            process_id=os.getpid(),
            program=self._program[:256],
            weight=settings.weight,
            lease_s=min(settings.session_lease_s, 3600.0),
            compress_threshold_bytes=settings.compress_threshold_bytes,
            cancel_grace_s=min(settings.cancel_grace_s, 3600.0),
        )

    def _spill_data(self, content: Content) -> Content:
        """Put global data on disk if memory is short; on the side thread."""
        if not isinstance(content, bytes) or not self.settings.allow_spill:
            return content
        self._data_bytes += len(content)
        if self._data_bytes + self.intake.memory_bytes <= self.settings.user_max_memory_bytes:
            return content
        return self.spill.write(content).read()

    def _make_roster_link(self) -> RosterLink:
        settings = self.settings
        grid = settings.name or ""
        remembered = RememberedCoordinators() if settings.allow_discard_coordinator else None
        address = (
            split_address(settings.coordinator, COORDINATOR_PORT) if settings.coordinator else None
        )
        discovery = Discovery(
            DiscoverySettings(
                address=address,
                remembered=remembered.read(grid) if remembered is not None else None,
                may_discard=settings.allow_discard_coordinator,
                grid=grid,
                collect_s=settings.discover_s,
            ),
            secrets.randbits(63),
        )
        return RosterLink(self, self._network, discovery, settings, remembered)


def dispatch_settings(settings: UserSettings) -> DispatchSettings:
    """Return what the dispatcher must know of the settings: the fields of the same names."""
    values: dict[str, Any] = {
        field.name: getattr(settings, field.name) for field in fields(DispatchSettings)
    }
    return DispatchSettings(**values)


def _user_name() -> str:
    try:
        return getpass.getuser()[:256]
    except (OSError, KeyError, ImportError):
        return ""  # a container may run under a number that has no name


def _spill_parent(settings: UserSettings) -> Path:
    if settings.spill_folder is not None:
        return settings.spill_folder
    return Path(tempfile.gettempdir())
