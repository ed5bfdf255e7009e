"""The coordinator's connection: finding it, asking it for agents each `poll_s`, finding it again.

A running session does without it: whatever happens here, only new agents are missed. The roster
comes as changes to what the last answer said; a coordinator that was started again has another boot
id and sends everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from hxgrid.errors import (
    AuthenticationError,
    HxGridError,
    NoGridFound,
    ProtocolError,
    VersionMismatch,
)
from hxgrid.logs import get_logger
from hxgrid.settings import UserSettings
from hxgrid.transport.beacon import Answer, BeaconClient
from hxgrid.transport.discovery import (
    Action,
    AnswerHeard,
    Ask,
    Connect,
    Discovery,
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
from hxgrid.transport.names import NameLookup, unknown_name
from hxgrid.transport.remembered import RememberedCoordinators
from hxgrid.transport.sockets import MESSAGES_PER_TURN
from hxgrid.user.network import Network
from hxgrid.wire.documents import pack_document, read_document
from hxgrid.wire.messages import Refusal, Roster, RosterEntry, RosterRequest
from hxgrid.wire.versions import is_compatible, mismatch_text

FIRST_POLL_S: Final = 0.25
"""How soon a coordinator without agents is asked again: programs of a grid start together."""

MAX_PARTS: Final = 1000
"""Messages of one roster; a part holds hundreds of agents."""

_log = get_logger("user")


class RosterOwner(Protocol):
    """The driver, to which the link tells what the coordinator says."""

    def on_roster(
        self, entries: Sequence[RosterEntry], left: Sequence[str], is_whole: bool
    ) -> None:
        """Agents have joined, changed or left."""

    def on_several_grids(self, grids: tuple[str, ...]) -> None:
        """More than one grid answered and none was named."""

    def on_refused(self) -> None:
        """The only coordinator that may be used does not let us in: `RosterLink.refusal`."""


class RosterLink:
    """Keeps in touch with one coordinator after another. Belongs to the loop's thread."""

    def __init__(
        self,
        owner: RosterOwner,
        network: Network,
        discovery: Discovery,
        settings: UserSettings,
        remembered: RememberedCoordinators | None,
        *,
        is_detailed: bool = False,
    ) -> None:
        self.is_linked = False
        """Whether the coordinator answers."""
        self.grid = ""
        """Name of the grid, known from the first answer on."""
        self.boot_id = ""
        """Of the coordinator that `version` belongs to."""
        self.refusal: HxGridError | None = None
        """Why the coordinator last tried does not let us in, where that does not get better."""
        self._owner = owner
        self._clock = network.clock
        self._network = network
        self._discovery = discovery
        self._settings = settings
        self._wanted_grid = settings.name or ""
        self._remembered = remembered
        self._is_detailed = is_detailed  # everything known of each agent, for people
        self._beacon = BeaconClient(network.loop, "user", settings.beacon_port, self._on_answer)
        self._line = Line(
            network.loop,
            network.clock,
            network.factory,
            "coordinator",
            on_ready=self._ask_now,
            on_readable=self._on_readable,
            on_failed=self._on_wrong_program,
        )
        self._names = NameLookup(network.loop, self._on_looked_up)
        self._nameless: HxGridError | None = None  # `refusal`, if it is that nobody knows the name
        self._version = 0
        self._poll_at: float | None = None
        self._lost_at: float | None = None
        self._has_agents = False
        self._parts: list[Roster] = []  # of a roster that is on its way

    def start(self) -> None:
        """Begin to look."""
        self._handle(Started())

    def close(self) -> None:
        """Let go of all sockets. Twice is harmless."""
        self._names.close()
        self._beacon.close()
        self._line.close()
        self._poll_at = self._lost_at = None

    def tried(self) -> tuple[str, ...]:
        """Return what was tried and how it ended, for the error of who gives up."""
        return self._discovery.tried()

    def apply(self, settings: UserSettings) -> None:
        """Change how often it is asked, and how long it may take to answer."""
        self._settings = settings

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next."""
        moments = (
            self._poll_at,
            self._lost_at,
            self._discovery.next_deadline(),
            self._line.next_deadline(),
        )
        return min((moment for moment in moments if moment is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._line.tick(now)
        if self._poll_at is not None and now >= self._poll_at:
            self._poll(now)
        if self._lost_at is not None and now >= self._lost_at:
            self._lose(f"no answer in {self._settings.suspect_after_s:g} s")
        self._carry_out(self._discovery.tick(now))

    # -- discovery

    def _handle(self, event: Event) -> None:
        self._carry_out(self._discovery.handle(event, self._clock.now()))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Ask():
                    self._beacon.ask(is_loopback_only=self._network.security.is_loopback_only)
                case Connect(host, port):
                    self._connect(host, port)
                case Remember(host, port):
                    if self._remembered is not None:
                        self._remembered.keep(self._wanted_grid, host, port)
                case ReportSeveral(grids):
                    _log.warning("several grids answer", grids=", ".join(grids))
                    self._owner.on_several_grids(grids)
                case ReportTrouble(text):
                    _log.info("coordinator not reached", why=text)

    def _on_answer(self, answer: Answer, host: str) -> None:
        self._handle(AnswerHeard(answer, host))

    # -- the connection

    def _connect(self, host: str, port: int) -> None:
        self._parts.clear()
        self._names.begin(host)
        try:
            # Asked as soon as there is a connection, and again with each renewed one.
            self._line.open(host, port, self._settings.coordinator_key)
        except AuthenticationError as error:
            self._lose(error.headline)
        except HxGridError as error:
            self._lose(str(error))

    def _on_looked_up(self, host: str, trouble: str) -> None:
        """Say it of the address; where no other may be used, it is why no grid is found."""
        error = unknown_name(host, trouble, self._settings.place_of("coordinator"))
        self._handle(NameLookedUp(host, error.headline if trouble else ""))
        if self._discovery.is_fixed and not self.is_linked and self.refusal is self._nameless:
            self.refusal = self._nameless = error if trouble else None

    def _on_wrong_program(self, error: HxGridError) -> None:
        if not self.is_linked:
            kind = VersionMismatch if isinstance(error, VersionMismatch) else AuthenticationError
            self._refuse(kind, str(error))

    def _ask_now(self) -> None:
        self._poll(self._clock.now())

    def _poll(self, now: float) -> None:
        self._poll_at = now + (self._settings.poll_s if self._has_agents else FIRST_POLL_S)
        if self._line.is_proved:
            request = RosterRequest(
                proof=self._line.proof,
                boot_id=self.boot_id,
                version=self._version,
                detailed=self._is_detailed,
            )
            self._line.send(pack_document(request))
        if self._lost_at is None and self.is_linked:
            self._lost_at = now + self._settings.suspect_after_s

    def _lose(self, why: str) -> None:
        self.is_linked = False
        self._lost_at = None
        self._handle(LinkLost(why))

    def _on_readable(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            message = self._line.receive()
            if message is None:
                return
            try:
                document = read_document(message.header)
            except ProtocolError as error:
                self._lose(str(error))
                return
            match document:
                case Roster():
                    self._take_roster(document)
                case Refusal():
                    self._take_refusal(document)
                    return
                case _:
                    pass  # late or unknown: ordinary

    def _take_roster(self, roster: Roster) -> None:
        if not is_compatible(roster.protocol.major):
            self._refuse(VersionMismatch, _mismatch(roster))
            return
        self._handle(Linked(roster.grid, roster.boot_id))
        if self._wanted_grid and roster.grid != self._wanted_grid:
            self._take_other_grid()
            return
        self.is_linked = True
        self.refusal = None
        self.grid = roster.grid
        self._lost_at = None
        self._gather(roster)

    def _take_refusal(self, refusal: Refusal) -> None:
        if not is_compatible(refusal.protocol.major):
            self._refuse(VersionMismatch, _mismatch(refusal))
        elif refusal.code == "token":
            self._refuse(AuthenticationError, refusal.text)
        else:
            self._lose(refusal.text or f"it refuses us ({refusal.code})")

    def _take_other_grid(self) -> None:
        """Where only this address may be used, no other grid will ever be found."""
        if self._discovery.is_fixed:
            self.refusal = NoGridFound(
                f"no grid {self._wanted_grid!r} found",
                tried=self._discovery.tried(),
                advice="Give the right name, or none.",
            )
            self._owner.on_refused()

    def _refuse(self, kind: type[HxGridError], why: str) -> None:
        host, port = self._discovery.connected_to or ("?", 0)
        self.refusal = kind("the coordinator cannot be used", where=f"{host}:{port}", why=why)
        self._lose(why)
        if self._discovery.is_fixed:
            self._owner.on_refused()

    def _gather(self, roster: Roster) -> None:
        """Report a roster when its last part is there."""
        self._parts.append(roster)
        if roster.more and len(self._parts) < MAX_PARTS:
            return
        parts, self._parts = self._parts, []
        entries = [entry for part in parts for entry in part.agents]
        left = [agent for part in parts for agent in part.left]
        self.boot_id, self._version = roster.boot_id, roster.version
        self._has_agents = self._has_agents or bool(entries)
        self._owner.on_roster(entries, left, parts[0].whole)


def _mismatch(document: Roster | Refusal) -> str:
    protocol = document.protocol
    return mismatch_text("the coordinator", protocol.major, protocol.minor)
