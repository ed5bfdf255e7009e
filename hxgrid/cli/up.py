"""`hxgrid up`: a coordinator and agents on this computer, until Ctrl-C."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from hxgrid.cli.options import Common, common_options
from hxgrid.cli.output import as_typed, count_of, say, show
from hxgrid.embedded.grid import processors
from hxgrid.embedded.process import OwnedProcess, hxgrid_command
from hxgrid.errors import HxGridError

if TYPE_CHECKING:
    from hxgrid.cli.asking import Found
    from hxgrid.settings import CoordinatorSettings, Loaded
    from hxgrid.wire.messages import RosterEntry

COORDINATOR = "the coordinator"

START_LIMIT_S = 60.0
END_GRACE_S = 1.1
"""Of the two seconds that Ctrl-C may take; what is left then is killed."""

_LOOK_S = 0.5


@click.command("up")
@click.option(
    "--agents", type=click.IntRange(0, 256), default=1, show_default=True, help="So many agents."
)
@click.option(
    "--slots", type=click.IntRange(1, 4096), help="Tasks at once per agent (default: processors)."
)
@common_options(starts=True)
def command(agents: int, slots: int | None, common: Common) -> int:
    """Start a grid on this computer: a coordinator and agents.

    Other programs here find it, with --trust-network also those of other computers, and agents of
    other computers may join. Everything ends with Ctrl-C.
    """
    if common.coordinator is not None:
        raise click.UsageError("`up` starts a coordinator; leave --coordinator out.")
    programs = plan(agents, slots, common)
    grid = _Grid()
    try:
        grid.start(programs)
        found = _wait_until_listed(grid, programs, common)
        _announce(found, programs, common)
        return grid.watch()
    finally:
        grid.end()


class Plan(NamedTuple):
    """What is to be started, and how it is reached."""

    address: str
    coordinator: list[str]
    agents: list[list[str]]
    environment: dict[str, str]
    beacon_port: int
    odd_ports: tuple[str, ...]
    """Sentences about ports that are not the usual ones."""


def plan(agents: int, slots: int | None, common: Common) -> Plan:
    """Return what `up` starts; a wrong setting raises `ConfigError` before anything runs."""
    from hxgrid import settings as s

    arguments = {"name": common.name, "trust_network": common.trust_network}
    # A wrong setting of any part is told before anything runs.
    loaded = s.load_coordinator_settings(config=common.config, arguments=arguments)
    agent = s.load_agent_settings(config=common.config, arguments={**arguments, "slots": slots})
    odd: list[str] = []
    port = _port(loaded, socket.SOCK_STREAM, "port", odd)
    beacon_port = _port(loaded, socket.SOCK_DGRAM, "beacon_port", odd)
    environment = {
        "HXGRID_COORDINATOR_BEACON_PORT": str(beacon_port),
        "HXGRID_AGENT_BEACON_PORT": str(beacon_port),
    }
    if agents > 1:
        if agent.settings.slots is None:
            slots = max(1, processors() - agent.settings.free_cpu_count) // agents or 1
        if agent.origins["explicit_cpu"].layer == "default":
            # All would pin their slots to the same processors.
            environment["HXGRID_AGENT_EXPLICIT_CPU"] = "false"
    address = f"{loaded.settings.bind or '127.0.0.1'}:{port}"
    shared = _shared(common)
    of_agent = ["agent", "--coordinator", address, *shared]
    if slots is not None:
        of_agent += ["--slots", str(slots)]
    return Plan(
        address,
        ["coordinator", "--port", str(port), *shared],
        [of_agent] * agents,
        environment,
        beacon_port,
        tuple(odd),
    )


def _shared(common: Common) -> list[str]:
    words = ["--log-level", common.log_level] if common.log_level else ["--quiet"]
    if common.name is not None:
        words += ["--name", common.name]
    if common.config is not None:
        words += ["--config", str(common.config.absolute())]
    return [*words, "--trust-network"] if common.trust_network else words


def _port(
    loaded: Loaded[CoordinatorSettings], kind: socket.SocketKind, key: str, odd: list[str]
) -> int:
    """Return the port that is set, or the usual one, or any free one if that is taken."""
    port = int(getattr(loaded.settings, key))
    host = loaded.settings.bind or ("" if loaded.settings.trust_network else "127.0.0.1")
    if port != 0 and (loaded.origins[key].layer != "default" or _is_free(host, port, kind)):
        return port
    free = _free_port(host, kind)
    what = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    if port != 0:
        odd.append(f"{what} port {port} is taken by another program; this grid uses {free}.")
    return free


def _is_free(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        # Ports of connections that have just ended, and beacons of other grids, are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _free_port(host: str, kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise HxGridError(
                "no port is free", where=host, why=error.strerror or str(error)
            ) from error
        return int(probe.getsockname()[1])


class _Ended(NamedTuple):
    """A program that was not told to end."""

    name: str
    status: int | None


class _Grid:
    """The programs that have been started."""

    def __init__(self) -> None:
        self._processes: list[OwnedProcess] = []
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._agent_count = 0

    def start(self, plan: Plan) -> None:
        """Start all at once; agents try until the coordinator is there."""
        from hxgrid.settings import stray_variables

        # What is no setting has been told once; each of them would tell it again.
        strays = stray_variables(os.environ)
        inherited = {name: value for name, value in os.environ.items() if name not in strays}
        environment = {**inherited, **plan.environment}
        self._start(COORDINATOR, plan.coordinator, environment)
        for number, arguments in enumerate(plan.agents, 1):
            self._start(f"agent {number}", arguments, environment)
            self._agent_count += 1

    def check(self) -> None:
        """Raise if one has ended while the grid comes up; what it said is on the screen."""
        if not self._ended.empty():
            ended = self._ended.get()
            error = HxGridError(f"{ended.name} did not start", why="see above")
            # What ended it is on the screen with the status that goes with it; a signal has none.
            error.exit_status = max(ended.status or 1, 1)  # type: ignore[misc]
            raise error

    def watch(self) -> int:
        """Wait until the grid is of no use any more, and return the exit status."""
        while True:
            ended = self._next_ended()
            say(f"{ended.name} has ended with status {ended.status}.")
            self._agent_count -= ended.name != COORDINATOR
            if ended.name == COORDINATOR or self._agent_count == 0:
                return 1

    def end(self) -> None:
        """End all that runs."""
        for process in self._processes:
            process.ask_to_end()
        deadline = time.monotonic() + END_GRACE_S
        for process in self._processes:
            process.end(deadline)

    def _start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        role, *others = arguments
        process = OwnedProcess(
            hxgrid_command(role, "--end-with-parent", *others), environment=environment
        )
        self._processes.append(process)
        threading.Thread(target=self._wait_for, args=(name, process), daemon=True).start()

    def _wait_for(self, name: str, process: OwnedProcess) -> None:
        self._ended.put(_Ended(name, process.wait()))

    def _next_ended(self) -> _Ended:
        while True:
            try:
                # With a limit, because a wait without one does not notice Ctrl-C everywhere.
                return self._ended.get(timeout=_LOOK_S)
            except queue.Empty:
                continue


def _wait_until_listed(grid: _Grid, plan: Plan, common: Common) -> Found:
    from hxgrid.cli.asking import ask_coordinator

    settings = common.load().settings.with_changes(
        coordinator=plan.address, allow_discard_coordinator=False, name=None, poll_s=0.1
    )

    def is_complete(entries: Sequence[RosterEntry]) -> bool:
        grid.check()
        return len(entries) >= len(plan.agents)

    return ask_coordinator(settings, START_LIMIT_S, is_complete)


def _announce(found: Found, plan: Plan, common: Common) -> None:
    slots = sum(entry.slots for entry in found.entries)
    show(
        f"Grid {found.grid!r} is up: {count_of(len(found.entries), 'agent')}, "
        f"{count_of(slots, 'slot')}. Ctrl-C ends it."
    )
    show(f"The coordinator is at {plan.address}, {_reach(common)}.")
    for sentence in plan.odd_ports:
        show(sentence)
    words = Common(config=common.config, trust_network=common.trust_network).as_words()
    if plan.odd_ports:
        words = f" --coordinator {plan.address}{words}"
    show("\nNext, in another terminal:")
    show(f"  {as_typed()} example pi --digits 2500{words}")
    show(f"  {as_typed()} agents{words}")


def _reach(common: Common) -> str:
    if common.trust_network:
        return "and open to the LAN"
    return "for this computer only\n(--trust-network opens it to the LAN)"
