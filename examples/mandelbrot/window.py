"""The window: a page on this computer, served to one browser.

It listens on 127.0.0.1 alone, and its address holds a secret. Other people on this computer, and
pages of other sites in the same browser, get nothing: a request must have the secret in its path,
this address as its host, and, if it says where it comes from, come from here.
"""

from __future__ import annotations

import http.server
import json
import secrets
import struct
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

import hxgrid

from ..errors import JobError
from .app import default_iterations
from .explorer import Explorer
from .palettes import COLOURS, DEFAULT, PALETTES, ROUNDS
from .places import PLACES
from .view import View, check_iterations, parse_view

if TYPE_CHECKING:
    from .drawing import Sent
    from .runners import Code

_PAGE = Path(__file__).with_name("page")
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "style.css": ("style.css", "text/css; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    **{
        name: (name, "text/javascript; charset=utf-8")
        for name in ("main.js", "picture.js", "server.js", "panel.js")
    },
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MOST_WORDS = 64 * 1024
# Of one answer; the page asks again for the rest.
_MOST_BYTES = 4 << 20
_POLL_S = 1.0
_BUSY_POLL_S = 0.1


class _Server(http.server.ThreadingHTTPServer):
    """One that does not mind pages that go away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Window:
    """Serves an explorer. Use it in a `with` statement."""

    def __init__(
        self, explorer: Explorer, view: View, limit: int | None, *, is_local: bool = False
    ) -> None:
        self._explorer = explorer
        self._is_local = is_local
        self._start = {
            "re": f"{view.re:f}",
            "im": f"{view.im:f}",
            "zoom": f"{view.zoom:g}",
            "iterations": limit,
        }
        self._secret = secrets.token_urlsafe(18)
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="mandelbrot-window", daemon=True
        )

    @property
    def url(self) -> str:
        """Where the page is. Whoever has it may use it."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._secret}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def is_own(self, path: str, host: str | None, origin: str | None) -> bool:
        """Tell whether a request comes from somebody who was given the address."""
        port = self._server.server_port
        names = (f"127.0.0.1:{port}", f"localhost:{port}")
        if host not in names or (
            origin is not None and origin not in {f"http://{n}" for n in names}
        ):
            return False
        given = path.split("/")[1:2]
        return bool(given) and secrets.compare_digest(given[0].encode(), self._secret.encode())

    def get(self, path: str) -> tuple[str, bytes] | None:
        """Return type and body of what is asked for, or None."""
        parts = urlsplit(path)
        name = parts.path.split("/", 2)[-1] if parts.path.count("/") == 2 else "?"
        if name in _FILES:
            file, kind = _FILES[name]
            return kind, (_PAGE / file).read_bytes()
        if name == "about":
            return "application/json", json.dumps(self._about()).encode()
        if name == "news":
            return "application/octet-stream", self._news(parse_qs(parts.query))
        return None

    def post(self, path: str, words: dict[str, Any]) -> dict[str, Any] | None:
        """Do what the page wants. Raises `JobError`."""
        name = urlsplit(path).path.split("/", 2)[-1]
        if name == "draw":
            return self._draw(words)
        if name == "cancel":
            return {"seconds": self._explorer.cancel()}
        return None

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

    def _news(self, query: dict[str, list[str]]) -> bytes:
        """Return facts as JSON (its length first), then the points of the tiles it lists."""
        job, first, version = (_number(query, name) for name in ("job", "first", "version"))
        is_busy = query.get("busy") == ["1"]
        news = self._explorer.news(job, first, version, _BUSY_POLL_S if is_busy else _POLL_S)
        taken, size = [], 0
        for sent in news.tiles:
            taken.append(sent)
            size += sent.counts.nbytes + sent.norms.nbytes
            if size > _MOST_BYTES:
                break
        facts = news.facts | {
            "tiles": [_described(sent) for sent in taken],
            "hasMore": len(taken) < len(news.tiles),
        }
        head = json.dumps(facts).encode()
        head += b" " * (-len(head) % 4)  # the points behind it are read as 32-bit numbers
        points = [part for sent in taken for part in (sent.counts.tobytes(), sent.norms.tobytes())]
        return struct.pack("<I", len(head)) + head + b"".join(points)


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
        threading.Event().wait()


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
    agent, slot = sent.placement or ("", 0)
    return [*sent.tile, agent, slot]


def _number(query: dict[str, list[str]], name: str) -> int:
    text = query.get(name, ["0"])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _handler_of(window: Window) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            if not self._is_own():
                return self._send(403, "text/plain", b"Not yours.\n")
            found = window.get(self.path)
            if found is None:
                return self._send(404, "text/plain", b"Nothing here.\n")
            return self._send(200, *found)

        def do_POST(self) -> None:
            size = self.headers.get("Content-Length", "")
            is_json = self.headers.get("Content-Type", "").split(";")[0] == "application/json"
            is_small = size.isdecimal() and int(size) <= _MOST_WORDS
            if not (self._is_own() and is_json and is_small):
                self.close_connection = True  # the body stays where it is
                return self._send(403, "text/plain", b"Not yours.\n")
            try:
                words = json.loads(self.rfile.read(int(size)))
                found = window.post(self.path, words if isinstance(words, dict) else {})
            except (ValueError, JobError) as error:
                return self._send_json(400, {"error": str(error)})
            return self._send_json(404 if found is None else 200, found or {})

        def log_message(self, *_: Any) -> None:
            """Say nothing: the page asks several times a second."""

        def _is_own(self) -> bool:
            return window.is_own(self.path, self.headers.get("Host"), self.headers.get("Origin"))

        def _send_json(self, status: int, words: dict[str, Any]) -> None:
            self._send(status, "application/json", json.dumps(words).encode())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
