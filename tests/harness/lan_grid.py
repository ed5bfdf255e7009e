"""The three programs on the machines of a test LAN, started without any address."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.harness.jobs import Job
from tests.harness.wait import Stopwatch, wait_until

if TYPE_CHECKING:
    from tests.harness.namespaces import Lan, Machine
    from tests.harness.processes import Program, Programs


class LanGrid:
    """Starts programs on machines; each machine has its own home directory."""

    def __init__(self, programs: Programs, lan: Lan) -> None:
        self.programs = programs
        self.lan = lan

    def coordinator(self, machine: Machine, *arguments: str) -> Program:
        """Start a coordinator there."""
        return self.hxgrid(machine, "coordinator", *arguments)

    def agent(self, machine: Machine, *arguments: str, slots: int = 2) -> Program:
        """Start an agent there."""
        return self.hxgrid(machine, "agent", "--slots", str(slots), *arguments)

    def job(self, machine: Machine, *arguments: str) -> Job:
        """Start a job there that runs until it is told to stop."""
        return Job(self.programs, "--trust-network", *arguments, **self._place(machine))

    def addresses_listed(self, machine: Machine, *arguments: str) -> set[str]:
        """The machines whose agents are on the list, as somebody on this machine sees it."""
        asked = self.hxgrid(machine, "agents", "--json", *arguments).wait(60)
        if asked.status != 0:
            return set()
        entries: list[dict[str, Any]] = asked.json()
        shown = [json.dumps(entry) for entry in entries]
        return {one.address for one in self.lan.machines for text in shown if one.address in text}

    def wait_for_list(
        self, seen_from: Machine, agents: list[Machine], limit_s: float, *arguments: str
    ) -> float:
        """Wait until exactly these agents are on the list; the seconds that it took."""
        watch = Stopwatch()
        wanted = {machine.address for machine in agents}
        wait_until(
            lambda: self.addresses_listed(seen_from, *arguments) == wanted,
            limit_s,
            f"the agents {sorted(wanted)} to be listed",
            seen=self.programs.logs,
        )
        return watch.elapsed_s()

    def hxgrid(self, machine: Machine, *arguments: str) -> Program:
        """Start any command there."""
        return self.programs.hxgrid(*arguments, "--trust-network", **self._place(machine))

    def _place(self, machine: Machine) -> dict[str, Any]:
        home = self.programs.folder / f"home-{machine.number}"
        return {"prefix": machine.prefix, "home": home}
