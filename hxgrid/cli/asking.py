"""Asks the coordinator for everything that it knows, once.

It is found in the same way as a session finds it, by the same parts; so what a command says about
the grid is what a program would meet.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import zmq

from hxgrid.cli.output import as_typed
from hxgrid.clock import MonotonicClock
from hxgrid.errors import NoGridFound, SeveralGridsFound
from hxgrid.settings import split_address
from hxgrid.transport.discovery import Discovery, DiscoverySettings
from hxgrid.transport.loop import Loop
from hxgrid.transport.remembered import RememberedCoordinators
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import SocketFactory
from hxgrid.user.network import Network
from hxgrid.user.roster_link import RosterLink
from hxgrid.wire.messages import RosterEntry

if TYPE_CHECKING:
    from hxgrid.settings import UserSettings

COORDINATOR_PORT: Final = 4100

WAIT_S: Final = 4.0
"""Long enough for an address that is silent and a broadcast after it."""


@dataclass(frozen=True)
class Found:
    """What the coordinator said."""

    grid: str
    address: str
    entries: tuple[RosterEntry, ...]
    after_s: float
    """How long it took to find it and to hear this."""


def ask_coordinator(
    settings: UserSettings,
    wait_s: float = WAIT_S,
    is_enough: Callable[[Sequence[RosterEntry]], bool] | None = None,
) -> Found:
    """Find the coordinator and return its list; `NoGridFound` says what was tried.

    With `is_enough` the list is asked for again until it is, or until the time is over; it may
    raise to end the wait.
    """
    question = _Question(settings, is_enough or (lambda _: True))
    try:
        return question.wait(wait_s)
    finally:
        question.close()


class _Question:
    """A loop that turns until the roster is there."""

    def __init__(
        self, settings: UserSettings, is_enough: Callable[[Sequence[RosterEntry]], bool]
    ) -> None:
        self._is_enough = is_enough
        self._security = Security.from_settings(settings)
        self._entries: dict[str, RosterEntry] | None = None
        self._several: tuple[str, ...] = ()
        self._is_refused = False
        self._clock = MonotonicClock()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._loop = Loop(self._clock, "question")
        self._discovery = _discovery(settings)
        factory = SocketFactory(self._context, self._security)
        network = Network(self._loop, self._clock, factory, self._security)
        remembered = _remembered(settings)
        self._link = RosterLink(
            self, network, self._discovery, settings, remembered, is_detailed=True
        )

    def wait(self, wait_s: float) -> Found:
        started_at = time.monotonic()
        self._link.start()
        # Asked in every turn, because it may raise: a program that must come up may have ended.
        while not self._is_enough(self._known()) or self._entries is None:
            left_s = started_at + wait_s - time.monotonic()
            if left_s <= 0 or self._several or self._is_refused:
                break
            self._loop.turn(self, min(left_s, 0.1))
        if self._entries is None:
            raise self._error(wait_s)
        where = self._discovery.connected_to or ("?", 0)
        after_s = time.monotonic() - started_at
        return Found(self._link.grid, _shown(where), self._known(), after_s)

    def close(self) -> None:
        self._link.close()
        self._loop.close()
        self._context.term()

    # -- the loop's handler

    def tick(self, now: float) -> None:
        self._link.tick(now)

    def next_deadline(self) -> float | None:
        return self._link.next_deadline()

    def flush(self) -> None:
        """Nothing gathers here."""

    # -- what the link tells

    def on_roster(
        self,
        entries: Sequence[RosterEntry],
        left: Sequence[str],
        is_whole: bool,
    ) -> None:
        known = {} if is_whole or self._entries is None else self._entries
        known = {agent: entry for agent, entry in known.items() if agent not in left}
        self._entries = known | {entry.agent: entry for entry in entries}

    def on_several_grids(self, grids: tuple[str, ...]) -> None:
        self._several = grids

    def on_refused(self) -> None:
        self._is_refused = True

    def _known(self) -> tuple[RosterEntry, ...]:
        known = (self._entries or {}).values()
        return tuple(sorted(known, key=lambda entry: (entry.name, entry.agent)))

    # -- errors

    def _error(self, wait_s: float) -> Exception:
        if self._several:
            return SeveralGridsFound(
                "several grids answer, and none was named",
                advice="Say which with --name, or set `name` in [user].",
                tried=self._several,
            )
        if self._link.refusal is not None:
            return self._link.refusal
        return NoGridFound(
            f"no grid found within {wait_s:g} s",
            advice=ways_on(self._security),
            tried=self._discovery.tried(),
        )


def ways_on(security: Security) -> str:
    """Say what can be done where there is no grid."""
    here = f"`{as_typed()} up` starts a grid on this computer"
    if not security.is_loopback_only:
        return f"{here}; firewalls must let UDP 4105 and TCP 4100 through."
    return (
        f"{here}. Without keys only this computer was asked; --trust-network asks the LAN and "
        "trusts all who reach it."
    )


def _discovery(settings: UserSettings) -> Discovery:
    remembered = _remembered(settings)
    return Discovery(
        DiscoverySettings(
            address=split_address(settings.coordinator, COORDINATOR_PORT)
            if settings.coordinator
            else None,
            remembered=remembered.read(settings.name or "") if remembered is not None else None,
            may_discard=settings.allow_discard_coordinator,
            grid=settings.name or "",
            collect_s=settings.discover_s,
        ),
        secrets.randbits(63),
    )


def _remembered(settings: UserSettings) -> RememberedCoordinators | None:
    return RememberedCoordinators() if settings.allow_discard_coordinator else None


def _shown(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
