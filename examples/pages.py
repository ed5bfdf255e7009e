"""A page of a running example, for the person who started it.

    class Clock(Page):
        def get(self, name: str, query: str) -> Answer | None:
            return in_json({"now": time.time()}) if name == "time" else None

    with Clock("clock", folder) as page:
        print(page.url)

It listens on 127.0.0.1 alone, and its address holds a secret. Other people on this computer, and
pages of other sites in the same browser, get nothing: a request must have the secret in its path,
this address as its host, and, if it says where it comes from, come from here. The browser is told
to load nothing from anywhere else, and to run no script that is not a file of the folder.
"""

from __future__ import annotations

import http.server
import json
import secrets
import struct
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

MOST_BYTES = 4 << 20
"""Of one answer; a page asks again for the rest."""

LONGEST_PAUSE_S = 10.0
"""Of a request that was begun."""

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MOST_WORDS = 64 * 1024
_A_WHILE_S = 0.5


class Answer(NamedTuple):
    """What a request gets."""

    kind: str
    body: bytes
    status: int = 200


_REFUSED = Answer("text/plain", b"Not yours.\n", 403)
_NOT_THERE = Answer("text/plain", b"Nothing here.\n", 404)


def in_json(words: Any, status: int = 200) -> Answer:
    """Return these words as an answer."""
    return Answer("application/json", json.dumps(words).encode(), status)


def with_bytes(facts: dict[str, Any], parts: Iterable[bytes]) -> Answer:
    """Return an answer of facts and bytes: u32 length of the JSON, the JSON, all parts."""
    head = json.dumps(facts).encode()
    head += b" " * (-len(head) % 4)  # what is behind it may be read as 32-bit numbers
    body = b"".join([struct.pack("<I", len(head)), head, *parts])
    return Answer("application/octet-stream", body)


def wait_for_ctrl_c() -> None:
    """Wait until KeyboardInterrupt is raised."""
    never = threading.Event()
    # In pieces: on Windows a wait without end does not notice Ctrl-C.
    while not never.wait(_A_WHILE_S):
        pass


class Page:
    """Serves the files of a folder, and what `get` and `post` answer, from threads of its own.

    The address itself is `index.html`. Use it in a `with` statement.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._files = {file.name: file for file in folder.iterdir() if file.suffix in _KINDS}
        self._files[""] = self._files["index.html"]
        self._secret = secrets.token_urlsafe(18)
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name=f"{name}-page", daemon=True
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

    def get(self, name: str, query: str) -> Answer | None:  # noqa: ARG002 - for who overrides it
        """Answer what the page asks for under a name that is no file; None: there is no such."""
        return None

    def post(self, name: str, words: dict[str, Any]) -> Answer | None:  # noqa: ARG002
        """Do what the page wants; None: there is no such thing to want."""
        return None

    def is_own(self, secret: str, host: str | None, origin: str | None) -> bool:
        """Tell whether a request comes from somebody who was given the address."""
        port = self._server.server_port
        names = (f"127.0.0.1:{port}", f"localhost:{port}")
        if host not in names or origin not in {None, *(f"http://{name}" for name in names)}:
            return False
        return secrets.compare_digest(secret.encode(), self._secret.encode())

    def answer_get(self, name: str, query: str) -> Answer | None:
        """Answer a request of somebody who may ask."""
        file = self._files.get(name)
        if file is not None:
            return Answer(_KINDS[file.suffix], file.read_bytes())
        return self.get(name, query)

    def answer_post(self, name: str, body: bytes) -> Answer | None:
        """Answer a request of somebody who may want something."""
        try:
            words = json.loads(body)
        except (ValueError, RecursionError) as error:
            return in_json({"error": f"the page sent no JSON: {error}"}, 400)
        return self.post(name, words if isinstance(words, dict) else {})


class _Server(http.server.ThreadingHTTPServer):
    """One that does not mind pages that go away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler_of(page: Page) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        # As HTTP/1.0, a request to a connection: what is closed is then closed for open pages too.
        server_version, sys_version = "hxGrid", ""
        timeout = LONGEST_PAUSE_S

        def do_GET(self) -> None:
            name, query, is_own = self._asked()
            if is_own:
                self._send(page.answer_get(name, query))
            else:
                self._send(_REFUSED)

        def do_POST(self) -> None:
            name, _, is_own = self._asked()
            size = self.headers.get("Content-Length", "")
            is_json = self.headers.get("Content-Type", "").split(";")[0] == "application/json"
            is_small = size.isdecimal() and int(size) <= _MOST_WORDS
            if is_own and is_json and is_small:
                self._send(page.answer_post(name, self.rfile.read(int(size))))
            else:
                self._send(_REFUSED)

        def log_message(self, *_: Any) -> None:
            """Say nothing: the page asks several times a second, and the terminal is the job's."""

        def _asked(self) -> tuple[str, str, bool]:
            """Return the name that is asked for, the query, and whether it may be."""
            path, _, query = self.path.partition("?")
            _, secret, name = (*path.split("/", 2), "", "")[:3]
            host, origin = self.headers.get("Host"), self.headers.get("Origin")
            is_whole = path.count("/") >= 2
            return name, query, is_whole and page.is_own(secret, host, origin)

        def _send(self, answer: Answer | None) -> None:
            kind, body, status = answer or _NOT_THERE
            self.send_response(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
