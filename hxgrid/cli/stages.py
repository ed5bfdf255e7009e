"""The stages of `hxgrid doctor`, in the order in which a session goes through them."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple

from hxgrid.cli.options import Common
from hxgrid.cli.output import count_of, duration
from hxgrid.errors import ConfigError, HxGridError, NoGridFound, SeveralGridsFound
from hxgrid.settings import split_address

if TYPE_CHECKING:
    from hxgrid.settings import Loaded, UserSettings
    from hxgrid.transport.security import Security
    from hxgrid.wire.messages import RosterEntry

AGENTS_AT_ONCE = 8


class Finding(NamedTuple):
    """What one stage has shown."""

    stage: str
    result: Literal["ok", "note", "fault"]
    """note: worth knowing, and no fault."""
    text: str
    advice: str = ""
    """What to do, where something can be done."""
    after_s: float = 0.0
    """How long the stage took."""


class Examination:
    """Goes through the stages; one that fails ends it where the next ones depend on it."""

    def __init__(self, common: Common) -> None:
        self.exit_status = 1
        """What the command ends with if a stage has failed."""
        self._common = common

    def run(self) -> Iterator[Finding]:
        """Yield what each stage shows, as soon as it does."""
        from hxgrid.transport.security import Security

        yield _versions()
        try:
            loaded = self._common.load()
            security = Security.from_settings(loaded.settings)
        except ConfigError as error:
            self.exit_status = error.exit_status
            yield Finding("settings", "fault", error.headline, error.advice)
            return
        yield _settings(loaded)
        if self._common.is_local:
            yield from self._embedded(loaded.settings)
            return
        yield _network(security)
        yield from self._grid(loaded.settings, security)

    def _embedded(self, settings: UserSettings) -> Iterator[Finding]:
        from hxgrid.embedded import EmbeddedGrid
        from hxgrid.transport.security import Security

        started_at = time.monotonic()
        grid = EmbeddedGrid()
        try:
            entries = grid.start()
            taken_s = time.monotonic() - started_at
            yield Finding("embedded grid", "ok", "it has started", after_s=taken_s)
            yield from _agents(entries, settings, Security(keys=grid.user_keys))
        except HxGridError as error:
            yield Finding("embedded grid", "fault", error.headline, error.advice)
        finally:
            grid.close()

    def _grid(self, settings: UserSettings, security: Security) -> Iterator[Finding]:
        from hxgrid.cli.asking import ask_coordinator

        if settings.coordinator:
            yield _port(settings)
        else:
            yield _broadcast(settings, security)
        try:
            found = ask_coordinator(settings)
        except HxGridError as error:
            self.exit_status = error.exit_status
            yield Finding("coordinator", "fault", error.headline, _ways_on(error))
            return
        count = count_of(len(found.entries), "agent")
        text = f"{found.grid!r} at {found.address} knows {count}"
        yield Finding("coordinator", "ok", text, after_s=found.after_s)
        if not found.entries:
            yield Finding(
                "agents",
                "fault",
                "there is none",
                "Start one with `hxgrid agent`, here or on any computer of the grid.",
            )
            return
        yield from _agents(found.entries, settings, security)


# ------------------------------------------------------------------ this computer


def _versions() -> Finding:
    import zmq

    import hxgrid

    text = (
        f"hxGrid {hxgrid.__version__}, {platform.python_implementation()} "
        f"{platform.python_version()} on {platform.system()}, ZeroMQ {zmq.zmq_version()}"
    )
    if not zmq.has("curve"):
        return Finding(
            "versions", "fault", f"{text}, which cannot encrypt", "Install pyzmq from PyPI."
        )
    if find_spec("numpy") is None:
        advice = "pip install 'hxgrid[examples]' adds numpy, which the examples need."
        return Finding("versions", "note", f"{text}, no numpy", advice)
    return Finding("versions", "ok", text)


def _settings(loaded: Loaded[UserSettings]) -> Finding:
    changed = [key for key, origin in loaded.origins.items() if origin.layer != "default"]
    places = sorted({str(loaded.origins[key].layer) for key in changed})
    if not changed:
        return Finding("settings", "ok", "all as delivered")
    text = f"{count_of(len(changed), 'setting')} not as delivered, from {', '.join(places)}"
    return Finding("settings", "ok", text)


def _network(security: Security) -> Finding:
    from hxgrid.transport.addresses import broadcast_interfaces

    shown = [f"{one.address} (broadcast {one.broadcast})" for one in broadcast_interfaces()]
    text = ", ".join(shown)
    if security.is_loopback_only:
        advice = "Without keys only this computer is used; --trust-network uses the LAN."
        return Finding("network cards", "note", text, advice)
    return Finding("network cards", "ok", text)


# ------------------------------------------------------------------ the coordinator


def _broadcast(settings: UserSettings, security: Security) -> Finding:
    from hxgrid.cli.probes import ask_by_broadcast

    started_at = time.monotonic()
    answered = ask_by_broadcast(settings, is_loopback_only=security.is_loopback_only)
    taken_s = time.monotonic() - started_at
    where = count_of(answered.interface_count, "network card")
    if not answered.coordinators:
        return Finding(
            "broadcast",
            "note",
            f"nobody answered on {where}",
            f"A firewall may drop UDP port {settings.beacon_port}. With --coordinator HOST no "
            "broadcast is needed.",
            taken_s,
        )
    shown = ", ".join(
        f"{answer.grid!r} at {host}:{answer.port}" for host, answer in answered.coordinators
    )
    return Finding("broadcast", "ok", f"answered on {where} by {shown}", "", taken_s)


def _port(settings: UserSettings) -> Finding:
    from hxgrid.cli.asking import COORDINATOR_PORT
    from hxgrid.cli.probes import try_port
    from hxgrid.transport.names import is_name, look_up, unknown_name

    started_at = time.monotonic()
    host, port = split_address(settings.coordinator, COORDINATOR_PORT)
    if is_name(host) and (why := look_up(host)):
        error = unknown_name(host, why, settings.place_of("coordinator"))
        taken_s = time.monotonic() - started_at
        return Finding("port", "fault", error.headline, error.advice, taken_s)
    trouble = try_port(host, port)
    taken_s = time.monotonic() - started_at
    where = f"TCP {host}:{port}"
    if not trouble:
        return Finding("port", "ok", f"{where} is open", "", taken_s)
    return Finding(
        "port",
        "fault",
        f"{where}: {trouble}",
        f"Check the address, that `hxgrid coordinator` runs there, and that its firewall lets "
        f"TCP port {port} through.",
        taken_s,
    )


def _ways_on(error: HxGridError) -> str:
    if isinstance(error, SeveralGridsFound) or not isinstance(error, NoGridFound):
        return error.advice
    return f"{error.advice} `hxgrid doctor --local` tests this computer alone."


# ------------------------------------------------------------------ the agents


def _agents(
    entries: Sequence[RosterEntry], settings: UserSettings, security: Security
) -> Iterator[Finding]:
    def both(entry: RosterEntry) -> list[Finding]:
        reached = _reach(entry, security)
        if reached.result == "fault":
            return [reached]
        return [reached, _timed(lambda: _task(entry, settings, security))]

    with ThreadPoolExecutor(AGENTS_AT_ONCE) as threads:
        for findings in threads.map(both, entries):
            yield from findings


def _reach(entry: RosterEntry, security: Security) -> Finding:
    from hxgrid.cli.probes import reach_agent

    started_at = time.monotonic()
    reached = reach_agent(entry, security)
    right = [one for one in reached if one.is_right]
    shown = "; ".join(
        f"{one.address} {'answers in ' + duration(one.after_s) if one.is_right else one.text}"
        for one in reached
    )
    stage = f"agent {entry.name}"
    if right:
        return Finding(stage, "ok", shown)
    return Finding(
        stage,
        "fault",
        shown or "it has no address",
        "Check that it runs, and that the firewall of its computer lets this TCP port through.",
        time.monotonic() - started_at,
    )


def _task(entry: RosterEntry, settings: UserSettings, security: Security) -> Finding:
    from hxgrid.cli.probes import run_one_task

    trouble = run_one_task(entry, settings, security)
    stage = f"task on {entry.name}"
    if not trouble:
        return Finding(stage, "ok", "it came back right")
    return Finding(stage, "fault", trouble, "`hxgrid why` and the agent's log tell more.")


def _timed(stage: Callable[[], Finding]) -> Finding:
    started_at = time.monotonic()
    finding = stage()
    return finding._replace(after_s=time.monotonic() - started_at)
