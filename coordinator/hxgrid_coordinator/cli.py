"""The command `hxgrid coordinator`. Errors leave it as they are: who runs commands shows them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hxgrid.clock import MonotonicClock
from hxgrid.logs import LEVELS, configure_logging, get_logger
from hxgrid.settings import CoordinatorSettings, load_coordinator_settings
from hxgrid.transport.security import Security
from hxgrid_coordinator.driver import CoordinatorDriver

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130


@click.command("coordinator")
@click.option("--bind", metavar="ADDRESS", help="Address of the network card to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes any free one.")
@click.option("--name", metavar="GRID", help="Name of the grid (default: of this computer).")
@click.option(
    "--trust-network",
    is_flag=True,
    default=None,
    help="Use the LAN without keys: whoever reaches it may run programs on its agents.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with settings, above all others but arguments.",
)
@click.option("--log-level", type=click.Choice(LEVELS), help="The least important lines written.")
@click.option("--quiet", is_flag=True, help="Write warnings and errors only.")
def command(config: Path | None, quiet: bool, **arguments: Any) -> None:
    """Run a coordinator: it lets users find agents, and never sees a task."""
    if quiet:
        arguments["log_level"] = "warning"
    loaded = load_coordinator_settings(config=config, arguments=arguments)
    settings = loaded.settings
    configure_logging(
        settings.log_level,
        file=settings.log_file,
        file_max_bytes=settings.log_file_max_bytes,
        file_count=settings.log_file_count,
    )
    log = get_logger("coordinator")
    for notice in loaded.notices:
        log.warning(notice)
    sys.exit(serve(settings))


def serve(settings: CoordinatorSettings) -> int:
    """Run a coordinator until it is told to end; returns the exit status."""
    security = Security.from_settings(
        settings.public_key,
        settings.secret_key.get_secret_value(),
        settings.allowed_keys,
        settings.trust_network,
    )
    if security.is_loopback_only:
        get_logger("coordinator").info(
            "without keys only this computer can join; --trust-network opens the grid to the LAN"
        )
    driver = CoordinatorDriver(settings, security, MonotonicClock())
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        driver.loop.stop()

    previous = {number: signal.signal(number, end) for number in _ending_signals()}
    try:
        driver.open()
        driver.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        driver.close()
    return INTERRUPTED if signal.SIGINT in received else 0


def _ending_signals() -> list[signal.Signals]:
    if sys.platform == "win32":
        return [signal.SIGINT, signal.SIGBREAK]  # Ctrl-Break is what others have SIGTERM for
    return [signal.SIGINT, signal.SIGTERM]
