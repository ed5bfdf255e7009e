"""Faults for a grid of real programs: chosen by a seed, done to processes and links, undone."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from tests.harness import proctree

if TYPE_CHECKING:
    from tests.harness.processes import Program
    from tests.programs.sites import Site

Undo = Callable[[], None]


class Afflicted:
    """A coordinator and agents that fall ill and get well again.

    The first agent and its link stay fit, so that no task has an excuse to wait for long.
    """

    def __init__(self, site: Site, seed: int) -> None:
        self.done: Counter[str] = Counter()
        """Faults so far, by kind."""
        self._site = site
        self._random = random.Random(seed)
        self._coordinator: Program | None = site.start_coordinator()
        self._agents = [site.start_agent(place) for place in range(site.agents)]
        self._ill: set[tuple[str, int]] = set()
        """Agents ("agent") and links ("link") with a fault that lasts, by place."""
        self._cures: list[tuple[float, Undo]] = []

    def step(self, now: float) -> None:
        """Undo what has lasted long enough, and do one more thing, whatever is possible now."""
        due = [cure for cure in self._cures if cure[0] <= now]
        self._cures = [cure for cure in self._cures if cure[0] > now]
        for _, undo in due:
            undo()
        kinds: list[tuple[Callable[[float], str | None], int]] = [
            (self._kill_agent, 1),
            (self._freeze_agent, 2),
            (self._kill_slot, 5),
            (self._freeze_slot, 3),
            (self._kill_host, 2),
            (self._kill_coordinator, 1),
        ]
        if self._site.machines:
            kinds += [(self._cut, 2)]
        if self._site.proxies:
            kinds += [(self._delay, 2), (self._drop, 2), (self._reset, 3), (self._half_open, 2)]
        while kinds:
            chosen = self._random.choices(kinds, [weight for _, weight in kinds])[0]
            name = chosen[0](now)
            if name is not None:
                self.done[name] += 1
                return
            kinds.remove(chosen)

    def cure_all(self) -> None:
        """Undo everything that is still in force."""
        cures, self._cures = self._cures, []
        for _, undo in cures:
            undo()

    # -- processes

    def _kill_agent(self, now: float) -> str | None:
        place = self._pick("agent")
        if place is None:
            return None
        self._agents[place].kill()
        self._until(now + self._random.uniform(0.2, 2.0), "agent", place, self._start_agent)
        return "agent killed"

    def _freeze_agent(self, now: float) -> str | None:
        place = self._pick("agent")
        if place is None:
            return None
        pid = self._agents[place].pid
        proctree.freeze_tree(pid)
        ends_at = now + self._random.uniform(0.2, 4.0)
        self._until(ends_at, "agent", place, lambda _: proctree.thaw_tree(pid))
        return "agent stopped"

    def _kill_slot(self, now: float) -> str | None:
        slot = self._pick_process("hxgrid slot")
        if slot is not None:
            proctree.kill_one(slot.pid)
        return "slot killed" if slot is not None else None

    def _kill_host(self, now: float) -> str | None:
        host = self._pick_process("hxgrid host")
        if host is not None:
            proctree.kill_one(host.pid)
        return "host killed" if host is not None else None

    def _freeze_slot(self, now: float) -> str | None:
        slot = self._pick_process("hxgrid slot")
        if slot is None:
            return None
        proctree.freeze_one(slot.pid)
        ends_at = now + self._random.uniform(0.2, 5.0)
        self._cures.append((ends_at, lambda: proctree.thaw_one(slot.pid)))
        return "slot stopped"

    def _kill_coordinator(self, now: float) -> str | None:
        if self._coordinator is None:
            return None
        self._coordinator.kill()
        self._coordinator = None
        self._cures.append((now + self._random.uniform(0.2, 3.0), self._start_coordinator))
        return "coordinator killed"

    # -- links

    def _cut(self, now: float) -> str | None:
        place = self._pick("link")
        if place is None:
            return None
        machine = self._site.machines[place]
        machine.cut()
        ends_at = now + self._random.uniform(0.2, 4.0)
        self._until(ends_at, "link", place, lambda _: machine.reconnect())
        return "link down"

    def _delay(self, now: float) -> str | None:
        place = self._pick("link")
        if place is None:
            return None
        proxy = self._site.proxies[place]
        proxy.delay(self._random.uniform(0.02, 0.5))
        ends_at = now + self._random.uniform(0.5, 3.0)
        self._until(ends_at, "link", place, lambda _: proxy.delay(0.0))
        return "delayed"

    def _drop(self, now: float) -> str | None:
        place = self._pick("link")
        if place is None:
            return None
        proxy = self._site.proxies[place]
        proxy.discard()

        def end(_place: int) -> None:
            # What TCP had promised is lost, so the connection must not go on.
            proxy.reset()
            proxy.discard(on=False)

        self._until(now + self._random.uniform(0.2, 3.0), "link", place, end)
        return "dropped"

    def _reset(self, now: float) -> str | None:
        place = self._pick("link")
        if place is None:
            return None
        self._site.proxies[place].reset()
        return "reset"

    def _half_open(self, now: float) -> str | None:
        place = self._pick("link")
        if place is None:
            return None
        proxy = self._site.proxies[place]
        proxy.freeze()
        ends_at = now + self._random.uniform(0.2, 4.0)
        self._until(ends_at, "link", place, lambda _: proxy.thaw())
        return "half-open"

    # -- inside

    def _pick(self, what: str) -> int | None:
        fit = [place for place in range(1, len(self._agents)) if (what, place) not in self._ill]
        return self._random.choice(fit) if fit else None

    def _pick_process(self, words: str) -> psutil.Process | None:
        agents = [agent for agent in self._agents[1:] if agent.is_running]
        found = [one for agent in agents for one in proctree.descendants_showing(agent.pid, words)]
        return self._random.choice(sorted(found, key=lambda one: one.pid)) if found else None

    def _until(self, ends_at: float, what: str, place: int, undo: Callable[[int], None]) -> None:
        self._ill.add((what, place))

        def get_well() -> None:
            self._ill.discard((what, place))
            with contextlib.suppress(ProcessLookupError):
                undo(place)

        self._cures.append((ends_at, get_well))

    def _start_agent(self, place: int) -> None:
        self._agents[place] = self._site.start_agent(place)

    def _start_coordinator(self) -> None:
        self._coordinator = self._site.start_coordinator()
