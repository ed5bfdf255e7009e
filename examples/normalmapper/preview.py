"""The preview: a page on this computer that shows the map filling up, and the mesh lit with it.

    with Preview.of(job) as preview:
        print(preview.url)
        run(job, hxgrid.connect, watcher=preview)

It listens on 127.0.0.1 alone, and its address holds a secret: other people on this computer, and
pages of other sites in the same browser, get nothing. `placed` and `finished` may be called from
any thread.
"""

from __future__ import annotations

import http.server
import json
import secrets
import struct
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import hxgrid

from .corners import corner_table
from .meshes import checked_low, read_mesh

if TYPE_CHECKING:
    from .flags import Job
    from .nmf import Mesh
    from .picture import Floats, Picture
    from .plan import Part

PAGE = Path(__file__).with_name("preview.html")
# Of one answer; the page asks again for the rest.
_MOST_BYTES = 4 << 20
_STRIP_ROWS = 64
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Server(http.server.ThreadingHTTPServer):
    """One that does not mind pages that go away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Preview:
    """What the page is told: the low mesh once, and the rectangles of the map as they come."""

    def __init__(self, low: Mesh, job: Job) -> None:
        self._mesh = corner_table(low).tobytes()
        self._facts = {
            "width": job.width,
            "height": job.height,
            "isWorld": job.options.is_world_space,
            "hasOpenness": job.options.has_occlusion,
            "name": job.out.name,
        }
        self._pixels = np.zeros((job.height, job.width, 4), np.uint8)
        self._rectangles: list[tuple[int, int, int, int]] = []
        self._share = 0.0  # of the work
        self._is_done = False
        self._session: hxgrid.Session | None = None
        self._lock = threading.Lock()  # the pixels and everything that describes them
        self._seen_whole = threading.Event()
        self._secret = secrets.token_urlsafe(16)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="normalmapper-preview", daemon=True
        )

    @classmethod
    def of(cls, job: Job) -> Self:
        """Make the preview of a job, whose low mesh is read for it. Raises `JobError`."""
        return cls(checked_low(read_mesh(job.low), job.low), job)

    @property
    def url(self) -> str:
        """Where the page is. Whoever has it may look."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._secret}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_seen(self, timeout_s: float) -> bool:
        """Wait until a page has fetched all of the finished map; False: none has."""
        return self._seen_whole.wait(timeout_s)

    # ------------------------------------------------------------------ the job's side

    def begin(self, session: hxgrid.Session) -> None:
        """Show the agents of this session."""
        self._session = session

    def placed(self, part: Part, picture: Picture, share: float) -> None:
        """Show what a task has computed; `share` of the work is done now."""
        with self._lock:
            for x0, y0, x1, y1 in part.tiles.tolist():
                self._show(picture, x0, y0, x1, y1)
            self._share = share

    def finished(self, picture: Picture) -> None:
        """Show the whole map, as it is in the file."""
        height, width = picture.normals.shape[:2]
        self._session = None
        with self._lock:
            for y in range(0, height, _STRIP_ROWS):
                self._show(picture, 0, y, width, min(y + _STRIP_ROWS, height))
            self._share, self._is_done = 1.0, True

    def _show(self, picture: Picture, x0: int, y0: int, x1: int, y1: int) -> None:
        tile = self._pixels[y0:y1, x0:x1]
        tile[:, :, :3] = _colours(picture.normals[y0:y1, x0:x1])
        openness = picture.openness
        tile[:, :, 3] = 255 if openness is None else np.clip(255 * openness[y0:y1, x0:x1], 0, 255)
        self._rectangles.append((x0, y0, x1, y1))

    # ------------------------------------------------------------------ the page's side

    def _answer(self, path: str, query: str) -> tuple[str, bytes] | None:
        """Return the type and body of what is asked for, or None."""
        if path == "":
            return "text/html; charset=utf-8", PAGE.read_bytes()
        if path == "mesh":
            return "application/octet-stream", self._mesh
        if path == "map" and query.isascii() and query.isdigit():
            return "application/octet-stream", self._since(int(query))
        return None

    def _since(self, index: int) -> bytes:
        """Return what the page does not have yet: facts as JSON, then pixels by rectangle."""
        with self._lock:
            rectangles: list[tuple[int, int, int, int]] = []
            size = 0
            for rectangle in self._rectangles[index:]:
                x0, y0, x1, y1 = rectangle
                size += 4 * (x1 - x0) * (y1 - y0)
                if rectangles and size > _MOST_BYTES:
                    break
                rectangles.append(rectangle)
            upto = index + len(rectangles)
            is_whole = self._is_done and upto >= len(self._rectangles)
            facts = self._facts | {
                "rectangles": rectangles,
                "next": upto,
                "share": self._share,
                "isDone": is_whole,
                "agents": self._agent_count(),
            }
            bodies = [self._pixels[y0:y1, x0:x1].tobytes() for x0, y0, x1, y1 in rectangles]
        if is_whole:
            self._seen_whole.set()
        head = json.dumps(facts).encode()
        return b"".join([struct.pack("<I", len(head)), head, *bodies])

    def _agent_count(self) -> int:
        if self._session is None:
            return 0
        try:
            return self._session.connection_status.connected_agents
        except hxgrid.SessionClosed:  # between the last task and `finished`
            return 0

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        preview = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10.0

            def do_GET(self) -> None:
                """Answer those who know the secret, and came by this computer's own name."""
                port = preview._server.server_port
                is_ours = self.headers.get("Host") in (f"127.0.0.1:{port}", f"localhost:{port}")
                path, _, query = self.path.partition("?")
                _, _, rest = path.partition("/")
                secret, slash, name = rest.partition("/")
                is_ours &= secrets.compare_digest(secret.encode(), preview._secret.encode())
                found = preview._answer(name, query) if is_ours and slash else None
                if found is None:
                    self.send_error(404)
                    return
                kind, body = found
                self.send_response(200)
                for header, value in _HEADERS.items():
                    self.send_header(header, value)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing: the terminal belongs to the progress bar."""

        return Handler


def _colours(normals: Floats) -> Any:
    """Return bytes of normals that are not unit yet; nothing stays 0, which no normal becomes."""
    wide = normals.astype(np.float64)
    length = np.sqrt((wide * wide).sum(axis=2, keepdims=True))
    unit = wide / np.where(length > 0, length, 1)
    return np.where(length > 0, np.trunc(127.5 * unit + 127.5), 0).astype(np.uint8)
