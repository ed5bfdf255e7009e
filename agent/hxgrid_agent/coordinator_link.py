"""The agent's way to its coordinator: found, told of the agent each second, found again.

The state machine of `hxgrid.transport.discovery` says whom to ask and where to connect; here are
its sockets. While no coordinator answers the agent works on: its users do not need one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from hxgrid.errors import HxGridError, ProtocolError
from hxgrid.logs import get_logger
from hxgrid.settings import AgentSettings, split_address
from hxgrid.transport.beacon import Answer, BeaconClient
from hxgrid.transport.discovery import (
    SILENT,
    Action,
    AnswerHeard,
    Ask,
    Connect,
    Discovery,
    DiscoverySettings,
    DiscoveryState,
    Event,
    Linked,
    LinkLost,
    NameLookedUp,
    Remember,
    ReportSeveral,
    ReportTrouble,
    Started,
)
from hxgrid.transport.line import Line
from hxgrid.transport.loop import Loop
from hxgrid.transport.names import NameLookup, unknown_name
from hxgrid.transport.remembered import RememberedCoordinators
from hxgrid.transport.sockets import MESSAGES_PER_TURN, SocketFactory
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import AgentStatus, Refusal, StatusReceived
from hxgrid.wire.versions import is_compatible, mismatch_text

if TYPE_CHECKING:
    from hxgrid.clock import Clock

COORDINATOR_PORT = 4100

ABSENCE_S = 5.0
"""How long no coordinator may answer before the owner of the computer is told, once."""


class CoordinatorLink:
    """Keeps one coordinator informed. Belongs to the loop's thread."""

    def __init__(
        self,
        settings: AgentSettings,
        loop: Loop,
        clock: Clock,
        factory: SocketFactory,
        describe: Callable[[], AgentStatus],
        *,
        seed: int | None = None,
        remembered: RememberedCoordinators | None = None,
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._clock = clock
        self._describe = describe
        self._is_loopback_only = factory.security.is_loopback_only
        self._grid = settings.name or ""
        self._remembered = remembered if remembered is not None else RememberedCoordinators()
        self._discovery = Discovery(
            DiscoverySettings(
                address=_address(settings),
                remembered=self._remembered.read(self._grid),
                may_discard=settings.allow_discard_coordinator,
                grid=self._grid,
            ),
            seed if seed is not None else secrets.randbits(32),
        )
        self._beacon = BeaconClient(loop, "agent", settings.beacon_port, self._on_answer)
        self._line = Line(
            loop,
            clock,
            factory,
            "coordinator",
            on_ready=self.tell_now,
            on_readable=self._on_readable,
            on_failed=self._on_wrong_program,
        )
        self._names = NameLookup(loop, self._on_looked_up)
        self._heard_at = 0.0
        self._status_at = 0.0
        # As discovery is only a few datagrams, silence is acted upon long before the lease ends.
        self._silence_s = min(settings.registry_lease_s, 2 * settings.suspect_after_s)
        self._shown_grid = ""
        self._absent_since: float | None = None  # none: there is one, or its absence has been told
        self._log = get_logger("agent")

    def start(self) -> None:
        """Begin to look."""
        self._absent_since = self._clock.now()
        self._handle(Started())

    def close(self) -> None:
        """Take leave of the coordinator and close everything. Twice is harmless."""
        self._send(self._describe().model_copy(update={"leaving": True}))
        self._names.close()
        self._line.close(at_once=False)
        self._beacon.close()

    def tick(self, now: float) -> None:
        """Tell the coordinator, if it is time; notice its silence."""
        deadline = self._discovery.next_deadline()
        if deadline is not None and now >= deadline:
            self._carry_out(self._discovery.tick(now))
        self._line.tick(now)
        if self._line.is_proved and now >= self._status_at:
            self.tell_now()
        if self._line.is_open and now >= self._heard_at + self._silence_s:
            self._heard_at = now
            self._handle(LinkLost(SILENT))
        if self._absent_since is not None and now >= self._absent_since + ABSENCE_S:
            self._tell_absence()

    def next_deadline(self) -> float | None:
        """When `tick` is wanted."""
        moments = [self._discovery.next_deadline(), self._line.next_deadline()]
        if self._line.is_open:
            moments.append(self._heard_at + self._silence_s)
        if self._line.is_proved:
            moments.append(self._status_at)
        if self._absent_since is not None:
            moments.append(self._absent_since + ABSENCE_S)
        return min((moment for moment in moments if moment is not None), default=None)

    def tell_now(self) -> None:
        """Send the agent's status."""
        self._status_at = self._clock.now() + self._settings.status_s
        self._send(self._describe())

    def _tell_absence(self) -> None:
        self._absent_since = None
        self._shown_grid = ""  # the one that comes back is told as well
        tried = "; ".join(self._discovery.tried())
        self._log.info("no coordinator answers, the agent goes on looking", tried=tried)

    def _send(self, status: AgentStatus) -> None:
        if self._line.is_proved:
            proved = status.model_copy(update={"proof": self._line.proof})
            self._line.send(pack_document(proved))

    def _handle(self, event: Event) -> None:
        now = self._clock.now()
        was_linked = self._discovery.state is DiscoveryState.LINKED
        self._carry_out(self._discovery.handle(event, now))
        is_linked = self._discovery.state is DiscoveryState.LINKED
        if is_linked != was_linked:
            self._absent_since = None if is_linked else now

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Ask():
                    self._beacon.ask(is_loopback_only=self._is_loopback_only)
                case Connect(host, port):
                    self._connect(host, port)
                case Remember(host, port):
                    self._remembered.keep(self._grid, host, port)
                case ReportSeveral(grids):
                    self._log.warning(
                        "several grids answer; choose one with --name", grids=", ".join(grids)
                    )
                case ReportTrouble(text):
                    self._log.warning("no coordinator", why=text)

    def _on_answer(self, answer: Answer, host: str) -> None:
        self._handle(AnswerHeard(answer, host))

    def _connect(self, host: str, port: int) -> None:
        self._line.close(at_once=False)
        self._heard_at = self._clock.now()
        self._names.begin(host)
        try:
            # The first status goes out in the moment in which there is a connection.
            self._line.open(host, port, self._settings.coordinator_key)
        except HxGridError as error:
            self._handle(LinkLost(error.headline))

    def _on_looked_up(self, host: str, trouble: str) -> None:
        error = unknown_name(host, trouble, self._settings.place_of("coordinator"))
        self._handle(NameLookedUp(host, error.headline if trouble else ""))

    def _on_wrong_program(self, error: HxGridError) -> None:
        self._handle(LinkLost(str(error)))

    def _on_readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            received = self._line.receive()
            if received is None:  # or closed upon what came before
                return
            try:
                document = read_document(received.header)
            except ProtocolError as error:
                self._log.debug("message of the coordinator dropped", why=error)
                continue
            if isinstance(document, StatusReceived):
                self._take_answer(document)
            elif isinstance(document, Refusal):
                self._handle(LinkLost(document.text))

    def _take_answer(self, answer: StatusReceived) -> None:
        self._heard_at = self._clock.now()
        version = answer.protocol
        if not is_compatible(version.major):
            text = mismatch_text("the coordinator", version.major, version.minor)
            self._handle(LinkLost(text))
            return
        if answer.boot_id != self._shown_grid:
            self._shown_grid = answer.boot_id
            where = self._discovery.connected_to
            shown = f"{where[0]}:{where[1]}" if where is not None else ""
            self._log.info("coordinator found", grid=answer.grid, address=shown)
        self._handle(Linked(answer.grid, answer.boot_id))


def _address(settings: AgentSettings) -> tuple[str, int] | None:
    if not settings.coordinator:
        return None
    return split_address(settings.coordinator, COORDINATOR_PORT)
