"""Where chaos happens: on loopback, or on a LAN of namespaces whose links can be broken too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol, Self

from tests.harness import namespaces
from tests.harness.lan_grid import LanGrid
from tests.harness.local_grid import LocalGrid
from tests.harness.proxy import TcpProxy

if TYPE_CHECKING:
    from types import TracebackType

    from tests.harness.jobs import Job
    from tests.harness.namespaces import Machine
    from tests.harness.processes import Program, Programs

START_LIMIT_S = 120.0
AGENT_PORT, PROXY_PORT = 4102, 4202


class Site(Protocol):
    """A place for one coordinator, some agents and one application."""

    agents: int
    machines: list[Machine]
    """Of the agents, in order; empty where links cannot be broken."""
    proxies: list[TcpProxy]
    """Before the agents, in order; empty where there are none."""

    def start_coordinator(self) -> Program: ...
    def start_agent(self, place: int) -> Program: ...
    def start_job(self, *arguments: str) -> Job: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class LoopbackSite:
    """All programs on this computer: processes can be killed and stopped."""

    def __init__(self, programs: Programs, agents: int) -> None:
        self.agents = agents
        self.machines: list[Machine] = []
        self.proxies: list[TcpProxy] = []
        self._grid = LocalGrid(programs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is made that must go."""

    def start_coordinator(self) -> Program:
        return self._grid.coordinator()

    def start_agent(self, place: int) -> Program:
        return self._grid.agent()

    def start_job(self, *arguments: str) -> Job:
        self._grid.wait_for_agents(self.agents, START_LIMIT_S)
        return self._grid.job(*arguments)


class LanSite:
    """A machine for the application and the coordinator, and one behind a proxy for each agent."""

    def __init__(self, programs: Programs, agents: int) -> None:
        self.agents = agents
        self._programs = programs
        self._stack = contextlib.ExitStack()
        self._lan = namespaces.Lan(agents + 1)
        self._grid = LanGrid(programs, self._lan)
        self.machines = self._lan.machines[1:]
        self.proxies: list[TcpProxy] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._lan)
            stack.callback(self._programs.stop_all)  # before the machines go
            for machine in self.machines:
                machine.redirect(AGENT_PORT, PROXY_PORT)
                target = ("127.0.0.1", AGENT_PORT)
                proxy = TcpProxy(target, "0.0.0.0", PROXY_PORT, machine.path)
                self.proxies.append(stack.enter_context(proxy))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_coordinator(self) -> Program:
        return self._grid.coordinator(self._lan[1])

    def start_agent(self, place: int) -> Program:
        return self._grid.agent(self.machines[place], "--port", str(AGENT_PORT), slots=1)

    def start_job(self, *arguments: str) -> Job:
        self._grid.wait_for_list(self._lan[1], self.machines, START_LIMIT_S)
        return self._grid.job(self._lan[1], *arguments)
