"""The command `hxgrid coordinator`. Errors leave it as they are: who runs commands shows them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hxgrid.clock import MonotonicClock
from hxgrid.logs import get_logger
from hxgrid.program import serve, serving_options, start_log
from hxgrid.settings import CoordinatorSettings, load_coordinator_settings
from hxgrid.transport.security import Security
from hxgrid_coordinator.driver import CoordinatorDriver


@click.command("coordinator")
@click.option("--bind", metavar="ADDRESS", help="Address of the network card to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes any free one.")
@click.option("--name", metavar="GRID", help="Name of the grid (default: of this computer).")
@serving_options(where="on its agents")
def command(config: Path | None, quiet: bool, **arguments: Any) -> None:
    """Run a coordinator: it lets users find agents, and never sees a task."""
    if quiet:
        arguments["log_level"] = "warning"
    loaded = load_coordinator_settings(config=config, arguments=arguments)
    settings = loaded.settings
    start_log(settings)
    log = get_logger("coordinator")
    for notice in loaded.notices:
        log.warning(notice)
    sys.exit(_serve(settings))


def _serve(settings: CoordinatorSettings) -> int:
    security = Security.from_settings(settings)
    if security.is_loopback_only:
        get_logger("coordinator").info(
            "without keys only this computer can join; --trust-network opens the grid to the LAN"
        )
    return serve(CoordinatorDriver(settings, security, MonotonicClock()))
