"""The command `hxgrid agent`. Errors leave it as they are: who runs commands shows them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hxgrid.clock import MonotonicClock
from hxgrid.logs import get_logger
from hxgrid.program import serve, serving_options, start_log
from hxgrid.settings import AgentSettings, load_agent_settings
from hxgrid.transport.security import Security
from hxgrid_agent import interpreter
from hxgrid_agent.driver import AgentDriver
from hxgrid_agent.embedded_child import serve_parent


@click.command("agent")
@click.option(
    "--coordinator",
    metavar="HOST[:PORT]",
    help="Address of the coordinator (default: found by broadcast).",
)
@click.option("--slots", type=click.IntRange(1, 4096), metavar="N", help="Tasks that run at once.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes any free one.")
@click.option("--bind", metavar="ADDRESS", help="Address of the network card to listen on.")
@click.option("--name", metavar="GRID", help="Name of the grid, if there are several.")
@serving_options(where="here")
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
    start_log(settings)
    for notice in loaded.notices:
        get_logger("agent").warning(notice)
    sys.exit(_serve(settings, is_quiet=quiet))


def _serve(settings: AgentSettings, *, is_quiet: bool) -> int:
    security = Security.from_settings(settings)
    driver = AgentDriver(settings, security, MonotonicClock())

    def introduce() -> None:
        if not is_quiet:
            click.echo(describe(driver, security), err=True)
        interpreter.tune()

    return serve(driver, introduce)


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
