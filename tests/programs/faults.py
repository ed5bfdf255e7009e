"""Faults for a grid of real processes: chosen by a seed, done by signal, undone after a while."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from tests.harness import proctree

if TYPE_CHECKING:
    from tests.harness.local_grid import LocalGrid
    from tests.harness.processes import Program


class Afflicted:
    """A coordinator and agents, the programs of which fall ill and get well again.

    The first agent stays fit, so that no task has an excuse to wait for long.
    """

    def __init__(self, grid: LocalGrid, agents: int, slots: int, seed: int) -> None:
        self.done: Counter[str] = Counter()
        """Faults so far, by kind."""
        self._grid = grid
        self._slots = slots
        self._random = random.Random(seed)
        self._coordinator: Program | None = grid.coordinator()
        grid.wait_for_coordinator(30)
        self._agents = [grid.agent(slots=slots) for _ in range(agents)]
        self._ill: set[int] = set()
        """Places of agents that are not fit."""
        self._cures: list[tuple[float, Callable[[], None]]] = []

    def step(self, now: float) -> None:
        """Undo what has lasted long enough, and do one more thing."""
        due = [cure for cure in self._cures if cure[0] <= now]
        self._cures = [cure for cure in self._cures if cure[0] > now]
        for _, undo in due:
            undo()
        kinds: list[Callable[[float], str]] = [
            self._kill_agent,
            self._freeze_agent,
            self._kill_slot,
            self._freeze_slot,
            self._kill_coordinator,
        ]
        weights = [2, 2, 5, 3, 1]
        kind = self._random.choices(kinds, weights)[0](now)
        self.done[kind] += 1

    def cure_all(self) -> None:
        """Undo everything that is still in force."""
        cures, self._cures = self._cures, []
        for _, undo in cures:
            undo()

    # -- what may happen

    def _kill_agent(self, now: float) -> str:
        place = self._pick()
        if place is None:
            return "nothing"
        self._agents[place].kill()
        self._until(now + self._random.uniform(0.2, 3.0), place, lambda: self._start_agent(place))
        return "agent killed"

    def _freeze_agent(self, now: float) -> str:
        place = self._pick()
        if place is None:
            return "nothing"
        pid = self._agents[place].pid
        proctree.freeze_tree(pid)
        self._until(now + self._random.uniform(0.2, 4.0), place, lambda: proctree.thaw_tree(pid))
        return "agent stopped"

    def _kill_slot(self, now: float) -> str:
        slot = self._pick_slot()
        if slot is None:
            return "nothing"
        proctree.kill_one(slot.pid)
        return "slot killed"

    def _freeze_slot(self, now: float) -> str:
        slot = self._pick_slot()
        if slot is None:
            return "nothing"
        proctree.freeze_one(slot.pid)
        ends_at = now + self._random.uniform(0.2, 5.0)
        self._cures.append((ends_at, lambda: proctree.thaw_one(slot.pid)))
        return "slot stopped"

    def _kill_coordinator(self, now: float) -> str:
        if self._coordinator is None:
            return "nothing"
        self._coordinator.kill()
        self._coordinator = None
        self._cures.append((now + self._random.uniform(0.2, 3.0), self._start_coordinator))
        return "coordinator killed"

    # -- inside

    def _pick(self) -> int | None:
        fit = [place for place in range(1, len(self._agents)) if place not in self._ill]
        return self._random.choice(fit) if fit else None

    def _pick_slot(self) -> psutil.Process | None:
        agents = [agent for agent in self._agents[1:] if agent.is_running]
        slots = [
            slot for agent in agents for slot in proctree.descendants_showing(agent.pid, "slot")
        ]
        return self._random.choice(sorted(slots, key=lambda slot: slot.pid)) if slots else None

    def _until(self, ends_at: float, place: int, undo: Callable[[], None]) -> None:
        self._ill.add(place)

        def get_well() -> None:
            self._ill.discard(place)
            with contextlib.suppress(ProcessLookupError):
                undo()

        self._cures.append((ends_at, get_well))

    def _start_agent(self, place: int) -> None:
        self._agents[place] = self._grid.agent(slots=self._slots)

    def _start_coordinator(self) -> None:
        self._coordinator = self._grid.coordinator()
