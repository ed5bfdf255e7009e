"""The command `hxgrid agent`. Errors leave it as they are: who runs commands shows them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hxgrid.clock import MonotonicClock
from hxgrid.logs import LEVELS, configure_logging, get_logger
from hxgrid.settings import AgentSettings, load_agent_settings
from hxgrid.transport.security import Security
from hxgrid_agent import interpreter
from hxgrid_agent.driver import AgentDriver
from hxgrid_agent.embedded_child import serve_parent

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130


@click.command("agent")
@click.option(
    "--coordinator",
    metavar="HOST[:PORT]",
    help="Address of the coordinator (default: found by broadcast).",
)
@click.option("--slots", type=click.IntRange(1, 65536), metavar="N", help="Tasks that run at once.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes any free one.")
@click.option("--bind", metavar="ADDRESS", help="Address of the network card to listen on.")
@click.option("--name", metavar="GRID", help="Name of the grid, if there are several.")
@click.option(
    "--trust-network",
    is_flag=True,
    default=None,
    help="Use the LAN without keys: whoever reaches it may run programs here.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with settings, above all others but arguments.",
)
@click.option("--log-level", type=click.Choice(LEVELS), help="The least important lines written.")
@click.option("--quiet", is_flag=True, help="Write warnings and errors only.")
@click.option("--embedded", is_flag=True, hidden=True, help="Belong to the parent process.")
def command(config: Path | None, quiet: bool, embedded: bool, **arguments: Any) -> None:
    """Run an agent: it lends this computer's idle processors."""
    if embedded:
        sys.exit(serve_parent())
    if quiet:
        arguments["log_level"] = "warning"
    if arguments["coordinator"] is not None:
        # Who names a coordinator wants that one, not another that happens to answer.
        arguments["allow_discard_coordinator"] = False
    loaded = load_agent_settings(config=config, arguments=arguments)
    settings = loaded.settings
    configure_logging(
        settings.log_level,
        file=settings.log_file,
        file_max_bytes=settings.log_file_max_bytes,
        file_count=settings.log_file_count,
    )
    for notice in loaded.notices:
        get_logger("agent").warning(notice)
    sys.exit(serve(settings, is_quiet=quiet))


def serve(settings: AgentSettings, *, is_quiet: bool = False) -> int:
    """Run an agent until it is told to end; returns the exit status."""
    security = Security.from_settings(
        settings.public_key,
        settings.secret_key.get_secret_value(),
        settings.allowed_keys,
        settings.trust_network,
    )
    driver = AgentDriver(settings, security, MonotonicClock())
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        driver.stop()

    previous = {number: signal.signal(number, end) for number in _ending_signals()}
    try:
        driver.open()
        if not is_quiet:
            click.echo(describe(driver, security), err=True)
        interpreter.tune()
        driver.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        driver.close()
    return INTERRUPTED if signal.SIGINT in received else 0


def describe(driver: AgentDriver, security: Security) -> str:
    """Say in a sentence or two what the agent does."""
    settings = driver.core.table.settings
    slots = "1 task" if settings.slots == 1 else f"{settings.slots} tasks"
    where = ", ".join(f"{a.host}:{a.port}" for a in driver.addresses()[:4])
    text = f"Agent {settings.name} runs up to {slots} at once and listens on {where}."
    if security.is_loopback_only:
        text += (
            " Without keys only this computer can use it;"
            " --trust-network opens it to everybody on the LAN."
        )
    return text


def _ending_signals() -> list[signal.Signals]:
    if sys.platform == "win32":
        return [signal.SIGINT, signal.SIGBREAK]  # Ctrl-Break is what others have SIGTERM for
    return [signal.SIGINT, signal.SIGTERM]
