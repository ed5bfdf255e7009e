"""What the window shows: one picture after the other, the newest wish only, and the connection.

`Explorer` knows nothing of pages. A thread of its own draws; another looks for a grid until there
is one. All methods may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import hxgrid

from ..errors import JobError
from .drawing import IN_PROCESS, Drawing, Sent
from .runners import Code, GridRunner, LocalRunner, Placement, Runner

if TYPE_CHECKING:
    from .view import View

_AGAIN_S = 2.0
"""Between two searches for a grid."""


class Wish(NamedTuple):
    """A picture that was asked for."""

    number: int
    view: View
    limit: int
    method: str
    cut: str


class News(NamedTuple):
    """What has happened since somebody looked last."""

    facts: dict[str, Any]
    tiles: list[Sent]


class Explorer:
    """Draws what is wished for, newest first; older wishes are dropped."""

    def __init__(self, code: Code, connect: Callable[[], hxgrid.Session]) -> None:
        self._code = code
        self._connect = connect
        self._changed = threading.Condition()  # guards everything below
        self._session: hxgrid.Session | None = None
        self._grid: GridRunner | None = None
        self._local = LocalRunner(code)
        self._trouble = ""
        self._wish: Wish | None = None
        self._waiting: Wish | None = None
        self._drawing: Drawing | None = None
        self._tiles: list[Sent] = []
        self._began_at = self._ended_at = 0.0
        self._error = ""
        self._is_closing = False
        self._version = 0
        self._threads = [
            threading.Thread(target=self._search, name="mandelbrot-search", daemon=True),
            threading.Thread(target=self._draw_wishes, name="mandelbrot-draw", daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_closing = True
            drawing, session = self._drawing, self._session
            self._changed.notify_all()
        if drawing is not None:
            drawing.cancel()
        if session is not None:
            session.close(cancel=True)
        self._threads[1].join(5)
        self._local.close()

    def draw(self, view: View, limit: int, method: str = "grid", cut: str = "tiles") -> int:
        """Begin with this picture, instead of what is being drawn, and return its number.

        Raises `JobError` for what cannot be drawn.
        """
        Drawing(view, limit, method=method, cut=cut)  # says what is wrong with it now
        with self._changed:
            number = self._wish.number + 1 if self._wish is not None else 1
            self._wish = self._waiting = Wish(number, view, limit, method, cut)
            self._tiles, self._error = [], ""
            self._began_at = time.monotonic()
            drawing = self._drawing
            self._tell()
        if drawing is not None:
            drawing.cancel()
        return number

    def cancel(self) -> float:
        """Stop drawing; return the seconds until nothing ran any more."""
        began_at = time.monotonic()
        with self._changed:
            self._waiting = None
            drawing = self._drawing
        if drawing is not None:
            drawing.cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._drawing is not drawing or drawing is None, 10)
        return time.monotonic() - began_at

    def news(self, number: int, first_tile: int, version: int, timeout_s: float) -> News:
        """Return what is new since that version; waits for it, but not for long.

        `first_tile` is the first tile of picture `number` that is not known yet.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout_s)
            wish, drawing = self._wish, self._drawing
            is_same = wish is not None and wish.number == number
            tiles = self._tiles[first_tile if is_same else 0 :]
            facts: dict[str, Any] = {
                "version": self._version,
                "job": wish.number if wish is not None else 0,
                "first": first_tile if is_same else 0,
                "error": self._error,
                "isBusy": drawing is not None or self._waiting is not None,
                "seconds": (self._ended_at or time.monotonic()) - self._began_at,
            }
            session, trouble = self._session, self._trouble
        return News(facts | _progress(drawing) | _connection(session, trouble), tiles)

    # ------------------------------------------------------------------ inside

    def _tell(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _search(self) -> None:
        """Look for a grid until there is one."""
        while not self._is_closing:
            try:
                session = self._connect()
            except hxgrid.HxGridError as error:
                with self._changed:
                    self._trouble = "" if isinstance(error, hxgrid.NoGridFound) else str(error)
                    self._changed.wait_for(lambda: self._is_closing, _AGAIN_S)
                continue
            if not self._take(session):
                session.close(cancel=True)
            return

    def _take(self, session: hxgrid.Session) -> bool:
        """Use this session; False: it has come too late."""
        with self._changed:
            if self._is_closing:
                return False
            self._session, self._grid = session, GridRunner(session, self._code)
            self._trouble = ""
            self._tell()
            return True

    def _draw_wishes(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing or self._has_something_to_do())
                if self._is_closing:
                    return
                wish, self._waiting = self._waiting, None
                assert wish is not None
                runner = self._runner_for(wish)
                assert runner is not None
                self._drawing = drawing = self._drawing_of(wish)
                self._ended_at = 0.0
                self._tell()
            error = self._drawn(drawing, runner)
            with self._changed:
                self._drawing = None
                self._ended_at = time.monotonic()
                if self._wish is wish:
                    self._error = error
                self._tell()

    def _has_something_to_do(self) -> bool:
        return self._waiting is not None and self._runner_for(self._waiting) is not None

    def _runner_for(self, wish: Wish) -> Runner | None:
        return self._local if wish.method in IN_PROCESS else self._grid

    def _drawing_of(self, wish: Wish) -> Drawing:
        def on_tile(sent: Sent) -> None:
            with self._changed:
                if self._wish is wish:
                    self._tiles.append(sent)
                    self._tell()

        return Drawing(wish.view, wish.limit, method=wish.method, cut=wish.cut, on_tile=on_tile)

    def _drawn(self, drawing: Drawing, runner: Runner) -> str:
        """Run a drawing; return what went wrong, in one sentence."""
        try:
            drawing.run(runner)
        except hxgrid.SessionClosed:
            return ""
        except (JobError, hxgrid.HxGridError) as error:
            return "" if drawing.is_cancelled else str(error).splitlines()[0]
        return ""


def _progress(drawing: Drawing | None) -> dict[str, Any]:
    if drawing is None:
        return {"stage": "", "share": 1.0, "tileCount": 0, "running": []}
    running: list[tuple[int, int, int, int, str]] = []
    for sent in list(drawing.sent):
        placement: Placement | None = None if sent.is_done else sent.whereabouts()
        if placement is not None:
            tile = sent.tile
            running.append((tile.x0, tile.y0, tile.x1, tile.y1, placement.agent))
    return {
        "stage": drawing.stage,
        "share": drawing.progress(),
        "tileCount": len(drawing.sent),
        "running": running,
    }


def _connection(session: hxgrid.Session | None, trouble: str) -> dict[str, Any]:
    if session is None:
        return {"isConnected": False, "agents": 0, "slots": 0, "grid": "", "trouble": trouble}
    try:
        status = session.connection_status
    except hxgrid.SessionClosed:
        return {"isConnected": False, "agents": 0, "slots": 0, "grid": "", "trouble": ""}
    return {
        "isConnected": status.connected_to_coordinator,
        "agents": status.connected_agents,
        "slots": status.slots,
        "grid": status.grid,
        "trouble": trouble,
    }
