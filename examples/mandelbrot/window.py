"""The window: what its page is told, and what it may ask for."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import hxgrid

from ..errors import JobError
from ..pages import MOST_BYTES, Answer, Page, in_json, wait_for_ctrl_c, with_bytes
from .app import default_iterations
from .explorer import Explorer
from .palettes import COLOURS, DEFAULT, PALETTES, ROUNDS
from .places import PLACES
from .view import View, check_iterations, parse_view

if TYPE_CHECKING:
    from .drawing import Sent
    from .runners import Code

_PAGE = Path(__file__).with_name("page")
_POLL_S = 1.0
_BUSY_POLL_S = 0.1


class Window(Page):
    """Serves an explorer. Use it in a `with` statement."""

    def __init__(
        self, explorer: Explorer, view: View, limit: int | None, *, is_local: bool = False
    ) -> None:
        super().__init__("mandelbrot", _PAGE)
        self._explorer = explorer
        self._is_local = is_local
        self._start = {
            "re": f"{view.re:f}",
            "im": f"{view.im:f}",
            "zoom": f"{view.zoom:g}",
            "iterations": limit,
        }

    def get(self, name: str, query: str) -> Answer | None:
        """Answer what the page asks for."""
        if name == "about":
            return in_json(self._about())
        if name == "news":
            return self._news(parse_qs(query))
        return None

    def post(self, name: str, words: dict[str, Any]) -> Answer | None:
        """Do what the page wants."""
        if name == "cancel":
            return in_json({"seconds": self._explorer.cancel()})
        if name != "draw":
            return None
        try:
            return in_json(self._draw(words))
        except JobError as error:
            return in_json({"error": str(error)}, 400)

    def _about(self) -> dict[str, Any]:
        """Return what the page must know before it can begin."""
        return {
            "start": self._start,
            "isLocal": self._is_local,
            "places": [place._asdict() for place in PLACES],
            "palettes": {
                name: {
                    "table": colours.table().ravel().tolist(),
                    "period": colours.period,
                    "inside": colours.inside,
                }
                for name, colours in PALETTES.items()
            },
            "palette": DEFAULT,
            "colours": COLOURS,
            "rounds": ROUNDS,
        }

    def _draw(self, words: dict[str, Any]) -> dict[str, Any]:
        """Begin a picture: a view, moved as the page says."""
        try:
            size = int(words["width"]), int(words["height"])
            view = parse_view(str(words["re"]), str(words["im"]), str(words["zoom"]), *size)
            view = _moved(view, words.get("move"))
            limit = words.get("iterations")
            limit = check_iterations(int(limit) if limit else default_iterations(view))
            method, cut = str(words.get("method", "grid")), str(words.get("cut", "tiles"))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise JobError(f"the page asked for nonsense: {error!r}") from error
        number = self._explorer.draw(view, limit, method, cut)
        return {
            "job": number,
            "re": f"{view.re:f}",
            "im": f"{view.im:f}",
            "zoom": f"{view.zoom:g}",
            "iterations": limit,
        }

    def _news(self, query: dict[str, list[str]]) -> Answer:
        """Return facts, and the points of the tiles they list."""
        job, first, version = (_number(query, name) for name in ("job", "first", "version"))
        is_busy = query.get("busy") == ["1"]
        news = self._explorer.news(job, first, version, _BUSY_POLL_S if is_busy else _POLL_S)
        taken, size = [], 0
        for sent in news.tiles:
            taken.append(sent)
            size += sent.counts.nbytes + sent.norms.nbytes
            if size > MOST_BYTES:
                break
        facts = news.facts | {
            "tiles": [_described(sent) for sent in taken],
            "hasMore": len(taken) < len(news.tiles),
        }
        points = (part.tobytes() for sent in taken for part in (sent.counts, sent.norms))
        return with_bytes(facts, points)


def serve(
    code: Code,
    connect: Callable[[], hxgrid.Session],
    view: View,
    limit: int | None,
    *,
    say: Callable[[str], None],
    opens_browser: bool = True,
    is_local: bool = False,
) -> None:
    """Show the window until Ctrl-C; `is_local` says that the grid is one inside this program."""
    with (
        Explorer(code, connect) as explorer,
        Window(explorer, view, limit, is_local=is_local) as window,
    ):
        is_open = opens_browser and webbrowser.open(window.url)
        say(f"{'The window is open' if is_open else 'Open this in a browser'}: {window.url}")
        say("Ctrl-C ends it.")
        wait_for_ctrl_c()


def _moved(view: View, move: Any) -> View:
    if not move:
        return view
    x, y, factor = float(move["x"]), float(move["y"]), float(move["factor"])
    if not (abs(x) < 1e6 and abs(y) < 1e6 and 1e-9 < factor < 1e9):
        raise ValueError("a move that is too far")
    if move["kind"] == "about":
        return view.zoomed_about(x, y, factor)
    return view.moved_to(x, y, factor)


def _described(sent: Sent) -> list[Any]:
    return [*sent.tile, *(sent.placement or ("", None))]


def _number(query: dict[str, list[str]], name: str) -> int:
    text = query.get(name, ["0"])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
