"""The preview: a page on this computer that shows the map filling up, and the mesh lit with it.

    with Preview.of(job) as preview:
        print(preview.url)
        run(job, hxgrid.connect, watcher=preview)

`placed` and `finished` may be called from any thread.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import hxgrid

from ..pages import MOST_BYTES, Answer, Page, with_bytes
from .corners import corner_table
from .meshes import checked_low, read_mesh

if TYPE_CHECKING:
    from .flags import Job
    from .nmf import Mesh
    from .picture import Floats, Picture
    from .plan import Part

_PAGE = Path(__file__).with_name("page")
_STRIP_ROWS = 64


class Preview(Page):
    """What the page is told: the low mesh once, and the rectangles of the map as they come."""

    def __init__(self, low: Mesh, job: Job) -> None:
        super().__init__("normalmapper", _PAGE)
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

    @classmethod
    def of(cls, job: Job) -> Self:
        """Make the preview of a job, whose low mesh is read for it. Raises `JobError`."""
        return cls(checked_low(read_mesh(job.low), job.low), job)

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

    def get(self, name: str, query: str) -> Answer | None:
        """Answer what the page asks for."""
        if name == "mesh":
            return Answer("application/octet-stream", self._mesh)
        if name == "map" and query.isascii() and query.isdigit():
            return self._since(int(query))
        return None

    def _since(self, index: int) -> Answer:
        """Return what the page does not have yet: facts, then pixels by rectangle."""
        with self._lock:
            rectangles: list[tuple[int, int, int, int]] = []
            size = 0
            for rectangle in self._rectangles[index:]:
                x0, y0, x1, y1 = rectangle
                size += 4 * (x1 - x0) * (y1 - y0)
                if rectangles and size > MOST_BYTES:
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
        return with_bytes(facts, bodies)

    def _agent_count(self) -> int:
        if self._session is None:
            return 0
        try:
            return self._session.connection_status.connected_agents
        except hxgrid.SessionClosed:  # between the last task and `finished`
            return 0


def _colours(normals: Floats) -> Any:
    """Return bytes of normals that are not unit yet; nothing stays 0, which no normal becomes."""
    wide = normals.astype(np.float64)
    length = np.sqrt((wide * wide).sum(axis=2, keepdims=True))
    unit = wide / np.where(length > 0, length, 1)
    return np.where(length > 0, np.trunc(127.5 * unit + 127.5), 0).astype(np.uint8)
