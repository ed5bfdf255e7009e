"""A grid of separate programs on loopback, with ports and a name that no other test uses."""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING, Any

import hxgrid
from tests.harness.jobs import Job
from tests.harness.ports import free_port
from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.harness.processes import Completed, Program, Programs


class LocalGrid:
    """Starts coordinator and agents; everything that connects to them is told the address."""

    def __init__(self, programs: Programs, *, trust_network: bool = False) -> None:
        self.programs = programs
        self.name = f"test-{uuid.uuid4().hex[:12]}"
        self.port = free_port()
        self.udp_port = free_port(socket.SOCK_DGRAM)
        self._trust = ["--trust-network"] if trust_network else []

    @property
    def address(self) -> str:
        """The coordinator's address as one types it."""
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Settings that keep this grid apart from every other one on this computer."""
        return {
            "HXGRID_COORDINATOR_PORT": str(self.port),
            "HXGRID_COORDINATOR_BEACON_PORT": str(self.udp_port),
            "HXGRID_AGENT_BEACON_PORT": str(self.udp_port),
            "HXGRID_USER_BEACON_PORT": str(self.udp_port),
        }

    def coordinator(self, *arguments: str, **options: Any) -> Program:
        """Start the coordinator."""
        return self._start(
            "coordinator", "--port", str(self.port), "--name", self.name, *arguments, **options
        )

    def agent(self, *arguments: str, slots: int = 1, **options: Any) -> Program:
        """Start an agent."""
        return self._start(
            "agent", "--coordinator", self.address, "--slots", str(slots), *arguments, **options
        )

    def up(self, *, agents: int = 1, slots: int = 1) -> Program:
        """Start `hxgrid up`: a coordinator and so many agents in one command."""
        return self._start(
            "up", "--agents", str(agents), "--slots", str(slots), "--name", self.name
        )

    def run(self, *arguments: str | Path, limit_s: float = 60, **options: Any) -> Completed:
        """Run a user's command against this grid to its end."""
        return self._start(*arguments, "--coordinator", self.address, **options).wait(limit_s)

    def job(self, *arguments: str) -> Job:
        """Start the test application against this grid."""
        return Job(
            self.programs,
            *("--address", self.address, *self._trust, *arguments),
            environment=self.environment,
        )

    def connect(self, **options: Any) -> hxgrid.Session:
        """Open a session in this process."""
        return hxgrid.connect(
            self.address, trust_network=bool(self._trust), **{"timeout": 30.0, **options}
        )

    def agents_listed(self) -> list[dict[str, Any]]:
        """What `hxgrid agents --json` says; nothing while there is no coordinator."""
        asked = self.run("agents", "--json")
        agents: list[dict[str, Any]] = asked.json() if asked.status == 0 else []
        return agents

    def wait_for_agents(self, count: int, limit_s: float) -> float:
        """Wait until so many agents are listed; the seconds that it took."""
        watch = Stopwatch()
        wait_until(
            lambda: len(self.agents_listed()) == count,
            limit_s,
            f"{count} agents to be listed",
            seen=self.programs.logs,
        )
        return watch.elapsed_s()

    def wait_for_coordinator(self, limit_s: float) -> None:
        """Wait until something listens on the coordinator's port."""
        wait_for_listener(("127.0.0.1", self.port), limit_s, self.programs)

    def _start(
        self, *arguments: str | Path, environment: Mapping[str, str] | None = None, **options: Any
    ) -> Program:
        settings = {**self.environment, **(environment or {})}
        return self.programs.hxgrid(*arguments, *self._trust, environment=settings, **options)


def wait_for_listener(address: tuple[str, int], limit_s: float, programs: Programs) -> None:
    """Wait until a TCP connection to this address is accepted."""

    def connects() -> bool:
        with socket.create_connection(address, timeout=5):
            return True

    wait_until(
        connects, limit_s, f"a listener on {address}", seen=programs.logs, retry_on=(OSError,)
    )
