"""How do the user's and the coordinator's work grow with the number of agents?

In virtual time, so thousands of agents fit: tasks of 0.5 to 1.5 s through the dispatcher, with
heartbeats, and what the coordinator has to do for so many agents and the users that ask for them,
message by message, decoding and encoding included. `python -m benchmarks.growth 1000000` takes the
curves of the documentation, a million tasks on large grids; `python -m benchmarks.growth_curves`
draws them.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import Any

from benchmarks.core_dispatch import CAPABILITIES, SETTINGS
from benchmarks.measuring import Answer, write
from benchmarks.virtual_grid import VirtualGrid
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import AgentStatus, NetworkAddress, RosterRequest
from hxgrid_coordinator.core.actions import Send
from hxgrid_coordinator.core.events import AgentReported, RosterAsked
from hxgrid_coordinator.core.registry import Registry

AGENTS = (10, 30, 100, 300, 1000, 3000, 10_000)
TASKS = 50_000
LARGE = 1000
"""Grids of so many agents get all tasks, smaller ones at most `TASKS`."""

LIMIT = 2.0
AGENTS_PER_USER = 20
"""One user for so many agents asks for the roster every `poll_s`."""
STATUS_S, POLL_S = 1.0, 3.0
ROUNDS = 3


def dispatch_cost_us(agents: int, tasks: int) -> float:
    """Return the processor time of the user's core per task."""
    chance = random.Random(agents)
    grid = VirtualGrid(SETTINGS, [1.0] * agents, seed=1)
    # With fewer tasks than four for each agent, one would look at the beginning and the end only.
    count = max(tasks, 4 * agents)
    grid.run([chance.uniform(0.5, 1.5) for _ in range(count)])
    return grid.core_s / count * 1e6


class Coordinator:
    """The registry with so many agents; counts messages and the time that they take."""

    def __init__(self, agents: int) -> None:
        self._registry = Registry("c" * 32, "office", 10.0, 1_000_000)
        self._statuses = [pack_document(_status(number))[0] for number in range(agents)]
        self._asks = [b"user"] * max(1, agents // AGENTS_PER_USER)
        self._now = 0.0
        self._version = 0
        self._round()

    def cost_us(self) -> float:
        """Return the processor time per message, over one second of the grid's life."""
        began = time.process_time()
        messages = self._round()
        return (time.process_time() - began) / messages * 1e6

    @property
    def per_s(self) -> float:
        """Messages that it gets each second."""
        return len(self._statuses) / STATUS_S + len(self._asks) / POLL_S

    def _round(self) -> int:
        self._now += STATUS_S
        messages = 0
        for number, frame in enumerate(self._statuses):
            status = read_document(frame)
            assert isinstance(status, AgentStatus)
            peer = number.to_bytes(5, "big")
            event = AgentReported(peer, status, "192.0.2.1", len(frame))
            messages += self._answer(event)
        ask = pack_document(RosterRequest(boot_id="c" * 32, version=self._version))[0]
        for peer in self._asks[: max(1, round(len(self._asks) * STATUS_S / POLL_S))]:
            request = read_document(ask)
            assert isinstance(request, RosterRequest)
            messages += self._answer(RosterAsked(peer, request, "192.0.2.1"))
        self._version = self._registry.version
        self._registry.tick(self._now)
        return messages

    def _answer(self, event: AgentReported | RosterAsked) -> int:
        for action in self._registry.handle(event, self._now):
            if isinstance(action, Send):
                pack_document(action.document)
        return 1


def _status(number: int) -> AgentStatus:
    host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    return AgentStatus(
        agent=f"{number:032x}",
        name=f"pc{number}",
        addresses=(NetworkAddress(host=host, port=4102),),
        slots=8,
        free_cpu=7.5,
        own_cpu=0.0,
        free_memory_bytes=8 << 30,
        capabilities=CAPABILITIES,
    )


def curves(tasks: int) -> list[dict[str, Any]]:
    """Return one point for each size of the grid."""
    points = []
    for agents in AGENTS:
        coordinator = Coordinator(agents)
        cost_us = statistics.median(coordinator.cost_us() for _ in range(ROUNDS))
        point = {
            "agents": agents,
            "tasks": (count := tasks if agents >= LARGE else min(tasks, TASKS)),
            "user_us_per_task": round(dispatch_cost_us(agents, count), 2),
            "coordinator_messages_per_s": round(coordinator.per_s, 1),
            "coordinator_us_per_message": round(cost_us, 2),
            "coordinator_processor_share": round(cost_us * coordinator.per_s / 1e6, 4),
        }
        print(point, file=sys.stderr)
        points.append(point)
    return points


def main(tasks: int = TASKS) -> list[Answer]:
    """Take the curves and compare their ends."""
    points = curves(tasks)
    first, last = points[0], points[-1]
    ratio = last["user_us_per_task"] / first["user_us_per_task"]
    busy = last["coordinator_processor_share"]
    full = round(last["agents"] / busy, -3)
    answer = Answer(
        question=f"user's core per task, {last['agents']:,} virtual agents against 10",
        must_reach=f"less than {LIMIT:g} x",
        baseline=f"{first['user_us_per_task']} us",
        ours=f"{last['user_us_per_task']} us; the coordinator gets "
        f"{last['coordinator_messages_per_s']:,.0f} messages/s, {busy:.0%} of a processor "
        f"without its sockets: full at {full:,.0f} agents",
        ratio=f"{ratio:.2f}",
        is_reached=ratio < LIMIT,
        grid="virtual",
        details={"tasks": tasks, "points": points},
    )
    write("growth", [answer])
    return [answer]


if __name__ == "__main__":
    print(main(int(sys.argv[1]) if len(sys.argv) > 1 else TASKS)[0])
