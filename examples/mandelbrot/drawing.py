"""One picture: the reference if it is deep, the coarse picture, the tiles; and cancelling."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import JobError
from . import plan
from .mb_task import EXACT, PERTURBED, PLAIN, Request, Stopped, Tile
from .reference import make_reference

if TYPE_CHECKING:
    from .gantt import Span
    from .runners import Handle, Placement, Runner
    from .view import View

    Array = np.ndarray[Any, np.dtype[Any]]

METHODS = ("grid", "grid-exact", "double", "exact")
"""On the grid with as much precision as the zoom needs; on the grid with long numbers for every
point; in this process in double precision; in this process with long numbers for every point."""
IN_PROCESS = ("double", "exact")
CUTS = ("tiles", "columns")

# Neighbouring pixels are this far apart at least where doubles still have places to spare.
_PLAIN_HALF_STEP = 2.0**-36
# Below this, products of what perturbation computes with leave the range of doubles.
_LEAST_HALF_STEP = 1e-290

_numbers = itertools.count(1)


def arithmetic_for(method: str, view: View) -> int:
    """Return the arithmetic that a method takes for a view. Raises `JobError`."""
    if method not in METHODS:
        raise JobError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    if method == "double":
        return PLAIN
    if method == "grid" and view.half_step > _PLAIN_HALF_STEP:
        return PLAIN
    if method == "grid" and float(view.half_step) > _LEAST_HALF_STEP:
        return PERTURBED
    return EXACT


@dataclass
class Picture:
    """Counts and norms of all points, as far as they are known."""

    counts: Array
    norms: Array
    is_known: Array

    @classmethod
    def blank(cls, width: int, height: int) -> Picture:
        """Return one that nothing is known of."""
        shape = (height, width)
        return cls(np.zeros(shape, "<u4"), np.zeros(shape, "<f4"), np.zeros(shape, bool))

    def place(self, tile: Tile, counts: Array, norms: Array) -> None:
        """Put an answer where it belongs."""
        where = np.s_[tile.y0 : tile.y1 : tile.stride, tile.x0 : tile.x1 : tile.stride]
        self.counts[where] = counts
        self.norms[where] = norms
        self.is_known[where] = True


@dataclass
class Sent:
    """A tile that was handed over."""

    tile: Tile
    cost: float
    handle: Handle | None = None
    placement: Placement | None = None
    """Where it was computed, once it is."""
    is_done: bool = False
    counts: Array = field(default_factory=lambda: np.empty((0, 0), "<u4"))
    norms: Array = field(default_factory=lambda: np.empty((0, 0), "<f4"))

    def whereabouts(self) -> Placement | None:
        """Return where it is or was computed."""
        if self.placement is None and self.handle is not None:
            return self.handle.placement()
        return self.placement


class Drawing:
    """The work for one picture. `run` blocks; all else may be called from other threads."""

    def __init__(
        self,
        view: View,
        limit: int,
        *,
        method: str = "grid",
        cut: str = "tiles",
        on_tile: Callable[[Sent], None] | None = None,
    ) -> None:
        if cut not in CUTS:
            raise JobError(f"a picture is cut into {' or '.join(CUTS)}, not into {cut!r}")
        self.view = view
        self.limit = limit
        self.cut = cut
        self.arithmetic = arithmetic_for(method, view)
        self.picture = Picture.blank(view.width, view.height)
        self.coarse: list[Sent] = []
        self.sent: list[Sent] = []
        self.done_cost = 0.0
        self.total_cost = 0.0
        self.stage = "waiting"
        """waiting, reference, coarse, drawing, done or cancelled."""
        self._on_tile = on_tile
        self._runner: Runner | None = None
        self._is_cancelled = threading.Event()
        self._name = f"mandelbrot/{next(_numbers)}"
        self._costs = np.zeros((0, 0))

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled.is_set()

    def progress(self) -> float:
        """Return the share of the expected work that is done, 0 to 1."""
        if self.stage == "done":
            return 1.0
        return min(self.done_cost / self.total_cost, 1.0) if self.total_cost else 0.0

    def cancel(self) -> None:
        """Stop at once: when this returns, nothing runs any more that can be reached."""
        self._is_cancelled.set()
        runner = self._runner
        if runner is not None:
            runner.cancel()

    def run(self, runner: Runner) -> Picture:
        """Draw; with `cancel` the picture has gaps. Raises what a task has failed with."""
        self._runner = runner
        with contextlib.suppress(Stopped):
            self._draw(runner)
        self.stage = "cancelled" if self.is_cancelled else "done"
        return self.picture

    def _draw(self, runner: Runner) -> None:
        if self.arithmetic == PERTURBED:
            self.stage = "reference"
            reference = make_reference(self.view, self.limit, lambda: not self.is_cancelled)
            runner.share(self._name, reference)
        if self.cut == "columns":
            parts = plan.columns(self.view.width, self.view.height)
        else:
            parts = self._measured(runner)
        self.stage = "drawing"
        self.total_cost = sum(part.cost for part in parts) or float(len(parts))
        self.sent = [Sent(part.tile, part.cost) for part in parts]
        for sent in self.sent:
            self._submit(runner, sent, self._place)
        self._wait(runner)

    def _measured(self, runner: Runner) -> list[plan.Part]:
        """Compute the coarse picture, and return tiles of about the same cost."""
        self.stage = "coarse"
        width, height = self.view.width, self.view.height
        self._costs = np.zeros((-(-height // plan.COARSE), -(-width // plan.COARSE)))
        bands = plan.coarse_bands(width, height, 4 * runner.slots())
        self.coarse = [Sent(tile, 0.0) for tile in bands]
        for sent in self.coarse:
            self._submit(runner, sent, self._place_coarse)
        self._wait(runner)
        least = plan.LEAST_STEPS * runner.speed(self.arithmetic)
        return plan.tiles(width, height, self._costs, runner.slots(), least)

    def _submit(
        self, runner: Runner, sent: Sent, place: Callable[[Sent, Placement | None, bytes], None]
    ) -> None:
        if self.is_cancelled:
            runner.cancel()
            raise Stopped
        sent.handle = runner.submit(
            self.request(sent.tile, wants_steps=place == self._place_coarse),
            lambda placement, answer: place(sent, placement, answer),
            sent.cost,
        )

    def _wait(self, runner: Runner) -> None:
        if self.is_cancelled:
            runner.cancel()
        runner.wait()
        if self.is_cancelled:
            raise Stopped

    def spans(self) -> list[Span]:
        """Return when and where each tile was computed, the coarse ones too."""
        handles = [sent.handle for sent in (*self.coarse, *self.sent)]
        return [span for handle in handles if handle is not None for span in handle.spans()]

    def request(self, tile: Tile, *, wants_steps: bool = False) -> Request:
        """Return what a task is asked for."""
        view, is_exact = self.view, self.arithmetic == EXACT
        return Request(
            self.arithmetic,
            view.width,
            view.height,
            self.limit,
            float(view.half_step),
            float(view.re),
            float(view.im),
            view.fraction_bits if is_exact else 0,
            view.exact() if is_exact else (0, 0, 0),
            self._name if self.arithmetic == PERTURBED else "",
            (tile,),
            wants_steps,
        )

    def _place(self, sent: Sent, placement: Placement | None, answer: bytes) -> None:
        points = np.frombuffer(answer, "<u4")
        count = len(points) // 2
        sent.placement = placement
        self._keep(sent, points[:count], points[count:].view("<f4"))
        self.done_cost += sent.cost if self.cut == "tiles" else 1.0

    def _place_coarse(self, sent: Sent, placement: Placement | None, answer: bytes) -> None:
        points = np.frombuffer(answer, "<u4")
        count = len(points) // 3
        tile = sent.tile
        rows = slice(tile.y0 // plan.COARSE, -(-tile.y1 // plan.COARSE))
        self._costs[rows] = points[2 * count :].reshape(tile.shape)
        sent.placement = placement
        self._keep(sent, points[:count], points[count : 2 * count].view("<f4"))

    def _keep(self, sent: Sent, counts: Array, norms: Array) -> None:
        shape = sent.tile.shape
        sent.counts, sent.norms = counts.reshape(shape), norms.reshape(shape)
        self.picture.place(sent.tile, sent.counts, sent.norms)
        sent.is_done = True
        if self._on_tile is not None:
            self._on_tile(sent)
