"""From what the application has asked for to an open session, beside everything else.

The session is there as soon as the settings have been read, and takes tasks; the grid is found
later, on a thread of its own. An application written for the original expects that its object
works whether a grid is there yet or not: with `keeps_looking` there is no limit to the search.
"""

from __future__ import annotations

import struct
import threading
import tomllib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hxgrid.bridge.frames import Kind, Status, pack_text
from hxgrid.bridge.writer import FrameWriter
from hxgrid.connecting import prepare
from hxgrid.errors import (
    AuthenticationError,
    ConfigError,
    HxGridError,
    ModuleError,
    NoGridFound,
    ProtocolError,
    SessionClosed,
    StoreError,
    TransportError,
)
from hxgrid.logs import get_logger
from hxgrid.program import start_log
from hxgrid.settings import UserSettings, load_user_settings
from hxgrid.user.session import Session
from hxgrid.wire.messages import RosterEntry

FOR_EVER_S: Final = 1e8
TELL_AFTER_S: Final = 5.0
"""After so long without a grid it is said where the search stands."""

_U32: Final = struct.Struct("<I")
_STATUS: Final = (
    (NoGridFound, Status.NO_GRID),
    (ConfigError, Status.CONFIG),
    (AuthenticationError, Status.REJECTED),
    (ModuleError, Status.MODULE),
    (SessionClosed, Status.CLOSED),
    (ProtocolError, Status.PROTOCOL),
    (StoreError, Status.SYSTEM),
    (TransportError, Status.SYSTEM),
)

_log = get_logger("bridge")


def status_of(error: Exception) -> Status:
    """Return the number that a native application knows an error by."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), Status.OTHER)


class Wish(NamedTuple):
    """What OPEN says."""

    keeps_looking: bool
    timeout_s: float
    agents: int
    slots: int
    address: str
    """As in `hxgrid.connect`; empty: the one in the settings, else whichever answers."""
    settings: str
    """Lines of TOML, as they stand in the section [user]."""
    program_folder: str


class Opening:
    """Makes the session and opens it; makes another when settings of its making change."""

    def __init__(self, wish: Wish, writer: FrameWriter, on_made: Callable[[Session], None]) -> None:
        self.wish = wish
        self.ready: Session | None = None
        """The session, once it has been made and while nothing is wrong with it."""
        self.is_anew = False
        """Whether the session has been replaced by another one; reset by who has seen to it."""
        self.original_settings: bytes | None = None
        """What GET_SETTINGS last gave."""
        self.kept: dict[str, int] = {}
        """Fields of the original's settings without a meaning, as they were set."""
        self._writer = writer
        self._on_made = on_made
        self._made = threading.Event()
        self._lock = threading.Lock()  # guards what follows
        self._session: Session | None = None
        self._error: HxGridError | None = None
        self._is_closed = False
        self._for_each: list[Callable[[Session], None]] = []

    def start(self) -> None:
        """Begin; what goes wrong is told to the application."""
        self._begin(None)

    def session(self) -> Session:
        """Return the session, open or not yet; raises what has kept it from being made."""
        self._made.wait()
        if self._error is not None:
            raise self._error
        assert self._session is not None
        return self._session

    def on_session(self, act: Callable[[Session], None]) -> None:
        """Do this to the session, and to any that replaces it."""
        self._for_each = [act]
        act(self.session())

    def replace(self, settings: UserSettings) -> None:
        """Go on with another session, made with these settings; the old one has no tasks."""
        old = self.session()
        self.ready = None
        self._made.clear()
        if settings.journal is not None:
            old.close(cancel=True)  # it holds the lock of the journal
        self._begin(settings)
        threading.Thread(target=lambda: old.close(cancel=True), daemon=True).start()
        session = self.session()
        for act in self._for_each:
            act(session)
        self.is_anew = True

    def close(self) -> None:
        """Close the session, cancelling what is left."""
        with self._lock:
            self._is_closed = True
            session = self._session
        if session is not None:
            session.close(cancel=True)

    # -- on the thread that opens

    def _begin(self, settings: UserSettings | None) -> None:
        thread = threading.Thread(
            target=self._run, args=(settings,), name="hxgrid-opening", daemon=True
        )
        thread.start()

    def _run(self, settings: UserSettings | None) -> None:
        opened = threading.Event()
        try:
            session, entries = self._make(settings)
            threading.Thread(
                target=self._tell_of_search, args=(opened,), name="hxgrid-search", daemon=True
            ).start()
            session.open(entries, FOR_EVER_S if self.wish.keeps_looking else self.wish.timeout_s)
        except Exception as error:  # noqa: BLE001 - the application is told, whatever it was
            self._give_up(error)
        else:
            self._writer.put(Kind.READY)
        finally:
            opened.set()

    def _make(self, settings: UserSettings | None) -> tuple[Session, list[RosterEntry] | None]:
        wish = self.wish
        notices: tuple[str, ...] = ()
        if settings is None:
            loaded = load_user_settings(arguments=_lines(wish.settings))
            settings, notices = loaded.settings, loaded.notices
        set_logging(settings)
        for notice in notices:
            _log.warning(notice)
        session, entries = prepare(
            wish.address or None, settings, agents=wish.agents or 1, slots=wish.slots or None
        )
        with self._lock:
            self._session = session
            is_closed = self._is_closed
        self._on_made(session)
        self.ready = session
        self._made.set()
        if is_closed:
            session.close(cancel=True)
        return session, entries

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            if self._is_closed or isinstance(error, SessionClosed):
                return
            told = error if isinstance(error, HxGridError) else HxGridError(repr(error))
            self._error = told
            self.ready = None
        self._made.set()
        self._writer.put(Kind.ENDED, _U32.pack(status_of(told)) + pack_text(str(told)))

    def _tell_of_search(self, opened: threading.Event) -> None:
        if not opened.wait(TELL_AFTER_S):
            _log.warning("no grid has answered yet, tasks wait until one does")


def set_logging(settings: UserSettings) -> None:
    """Write warnings to the application's standard error; more only where that is wanted."""
    level = "debug" if settings.log_level == "debug" else max_level(settings.log_level)
    start_log(settings, level)


def max_level(level: str) -> str:
    """Return the level, but at least warning: the error output is the application's."""
    return level if level == "error" else "warning"


def _lines(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            "the settings given by the application are no lines of TOML", why=str(error)
        ) from None
