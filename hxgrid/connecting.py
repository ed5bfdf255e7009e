"""`hxgrid.connect`: from an address, or none, to an open session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from hxgrid.errors import ConfigError, NoGridFound
from hxgrid.logs import get_logger
from hxgrid.settings import UserSettings, load_user_settings, split_address
from hxgrid.transport.security import Security
from hxgrid.transport.sockets import is_loopback
from hxgrid.user.engine import COORDINATOR_PORT
from hxgrid.user.journal import Journal
from hxgrid.user.session import Session
from hxgrid.user.verifying import Compare

if TYPE_CHECKING:
    from hxgrid.inline import InlineSession
    from hxgrid.wire.messages import RosterEntry

_log = get_logger("user")


@overload
def connect(  # type: ignore[overload-overlap]  # "inline" is a str too; the first match counts
    address: Literal["inline"],
    *,
    settings: UserSettings | Mapping[str, Any] | None = None,
) -> InlineSession: ...


@overload
def connect(
    address: str | None = None,
    *,
    settings: UserSettings | Mapping[str, Any] | None = None,
    name: str | None = None,
    timeout: float = 10.0,
    trust_network: bool = False,
    agents: int = 1,
    slots: int | None = None,
    journal: str | os.PathLike[str] | None = None,
    verify: float = 0.0,
    verify_compare: Compare | None = None,
    weight: float = 1.0,
) -> Session: ...


def connect(
    address: str | None = None,
    *,
    settings: UserSettings | Mapping[str, Any] | None = None,
    name: str | None = None,
    timeout: float = 10.0,
    trust_network: bool = False,
    agents: int = 1,
    slots: int | None = None,
    journal: str | os.PathLike[str] | None = None,
    verify: float = 0.0,
    verify_compare: Compare | None = None,
    weight: float = 1.0,
) -> Session | InlineSession:
    """Open a session with a grid.

    `address` is `HOST[:PORT]` of a coordinator, `"local"` for a grid of `agents` processes with
    `slots` each on this computer alone, `"inline"` for none at all (tasks run in the calling
    thread, so that breakpoints work), or None: the one in the settings, else whichever answers.
    `settings` are whole, or changes to those of the settings files. `name` chooses among several
    grids, `trust_network` uses the LAN without keys, `weight` is this session's share of busy
    agents. `journal` is a file in which results are kept, for a program that starts again.
    `verify` is the share of tasks that run on two agents, to compare their results: as bytes, or
    with `verify_compare(one, other)`, which gets two read-only streams, or two values of a call.

    Raises `NoGridFound` when `timeout` seconds are over, `ConfigError` for a wrong setting,
    `VersionMismatch` or `AuthenticationError` when the coordinator does not let us in.
    """
    if not timeout >= 0:  # NaN too: it would never be over
        raise ConfigError(f"timeout is {timeout!r}", advice="It is a number of seconds, 0 or more.")
    chosen = _settings(settings, name, trust_network, weight, journal, verify)
    if address == "inline":
        if journal is not None or verify:
            what = "keeps no journal" if journal is not None else "has nobody to verify a task"
            raise ConfigError(
                f"an inline session {what}", advice='Use connect("local", agents=...).'
            )
        from hxgrid.inline import InlineSession

        return InlineSession(chosen)
    session, entries = prepare(address, chosen, agents=agents, slots=slots)
    session.compare_results(verify_compare)
    session.open(entries, timeout)
    return session


def prepare(
    address: str | None, chosen: UserSettings, *, agents: int = 1, slots: int | None = None
) -> tuple[Session, list[RosterEntry] | None]:
    """Return a session that is not open yet, and the agents that it is to be opened with, if known.

    For whoever wants to submit while the grid is still looked for. Starts the embedded grid.
    """
    if address == "local":
        return _prepare_local(chosen, agents, slots)
    if address is not None:
        # Who names a coordinator wants that one, not another that happens to answer.
        chosen = chosen.with_changes(coordinator=address, allow_discard_coordinator=False)
    security = Security.from_settings(chosen)
    _check_reach(chosen, security)
    return Session(chosen, security, journal=open_journal(chosen)), None


def _prepare_local(
    settings: UserSettings, agents: int, slots: int | None
) -> tuple[Session, list[RosterEntry]]:
    from hxgrid.embedded import EmbeddedGrid

    journal = open_journal(settings)
    grid = EmbeddedGrid(agents=agents, slots=slots)
    try:
        entries = list(grid.start())
        security = Security(keys=grid.user_keys)
        return Session(settings, security, owned=grid, journal=journal), entries
    except BaseException:
        grid.close()
        if journal is not None:
            journal.close()
        raise


def open_journal(settings: UserSettings) -> Journal | None:
    """Return the journal that the settings name, open, or None if they name none.

    Raises `ConfigError`: in use by another program, of another version, no journal at all.
    """
    if settings.journal is None:
        return None
    journal = Journal(settings.journal.expanduser())
    journal.open()
    return journal


def _settings(
    given: UserSettings | Mapping[str, Any] | None,
    name: str | None,
    trust_network: bool,
    weight: float,
    journal: str | os.PathLike[str] | None,
    verify: float,
) -> UserSettings:
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name
    if trust_network:
        changes["trust_network"] = True
    if weight != 1.0:
        changes["weight"] = weight
    if journal is not None:
        changes["journal"] = journal
    if verify:
        changes["verify"] = verify
    if isinstance(given, UserSettings):
        return given.with_changes(**changes) if changes else given
    loaded = load_user_settings(arguments={**(given or {}), **changes})
    for notice in loaded.notices:
        _log.warning(notice)
    return loaded.settings


def _check_reach(settings: UserSettings, security: Security) -> None:
    """Refuse an address on the LAN where only loopback is allowed: the token stays here."""
    if not settings.coordinator or not security.is_loopback_only:
        return
    host, port = split_address(settings.coordinator, COORDINATOR_PORT)
    if host != "localhost" and not is_loopback(host):
        raise NoGridFound(
            f"the coordinator at {host}:{port} is not on this computer, and there are no keys",
            why="without keys only loopback is used",
            advice="Give --trust-network (connect(trust_network=True)) if everybody who reaches "
            'that network may be trusted; connect("local") computes with this computer alone.',
        )
