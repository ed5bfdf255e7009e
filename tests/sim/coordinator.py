"""The real registry core: agents report to it, the user asks it, and it may be started anew."""

from __future__ import annotations

from collections.abc import Callable

from hxgrid.user.core.events import RosterChanged
from hxgrid.wire.messages import AgentStatus, NetworkAddress, Roster, RosterRequest
from hxgrid_coordinator.core.actions import Action, Send
from hxgrid_coordinator.core.events import AgentReported, RosterAsked
from hxgrid_coordinator.core.registry import Registry
from tests.sim.agenda import Agenda
from tests.sim.modelagent import CAPABILITIES

POLL_S = 3.0
LEASE_S = 10.0
USER = b"user"


class SimCoordinator:
    """Messages to it take no time: what it says is old enough by its polls."""

    def __init__(self, agenda: Agenda, tell: Callable[[RosterChanged], None]) -> None:
        self._agenda = agenda
        self._tell = tell
        self._boots = 0
        self._version = 0
        self._known_boot = ""
        self.restart()
        agenda.after(0.0, self._poll)

    def restart(self) -> None:
        """Start anew, with an empty registry."""
        self._boots += 1
        self._registry = Registry(f"{self._boots:032x}", "", LEASE_S, 1000)

    def forget_user(self) -> None:
        """Take it that whoever asks from now on knows nothing yet."""
        self._version, self._known_boot = 0, ""

    def report(self, boot_id: str, place: int, name: str, slots: int) -> None:
        """Take an agent's status in."""
        address = NetworkAddress(host=f"10.0.0.{place + 1}", port=4102)
        status = AgentStatus(
            agent=boot_id,
            name=name,
            addresses=(address,),
            slots=slots,
            free_cpu=1.0,
            own_cpu=0.0,
            free_memory_bytes=4 << 30,
            capabilities=CAPABILITIES,
        )
        event = AgentReported(boot_id.encode(), status, address.host, 600)
        self._registry.handle(event, self._agenda.now)
        self._registry.check()

    def _poll(self) -> None:
        self._agenda.after(POLL_S, self._poll)
        self._registry.tick(self._agenda.now)
        request = RosterRequest(boot_id=self._known_boot, version=self._version)
        for action in self._registry.handle(RosterAsked(USER, request, ""), self._agenda.now):
            self._take(action)
        self._registry.check()

    def _take(self, action: Action) -> None:
        if isinstance(action, Send) and isinstance(action.document, Roster):
            roster = action.document
            self._known_boot, self._version = roster.boot_id, roster.version
            self._tell(RosterChanged(roster.agents, roster.left, roster.whole))
