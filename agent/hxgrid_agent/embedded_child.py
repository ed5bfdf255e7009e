"""An agent that belongs to the process that started it: `hxgrid agent --embedded`.

The handshake, each message one line of JSON:

* parent, on our standard input: ``{"settings": {...}, "parent_pid": 123}``. The settings are keys
  of the section [agent], the keys of the grid among them; nothing else is read from anywhere.
* agent, on its standard output, once it listens: its `RosterEntry`; or, if it cannot,
  ``{"error": "...", "advice": "..."}``, and it ends with status 2.

From then on the parent says nothing but that it is over: by a line, by the end of standard input,
or by being gone. That ends the agent and everything that it has started.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hxgrid.clock import MonotonicClock
from hxgrid.embedded.bond import when_parent_ends
from hxgrid.errors import ConfigError, HxGridError
from hxgrid.logs import configure_logging
from hxgrid.settings import AgentSettings
from hxgrid.transport.security import Security
from hxgrid_agent import interpreter
from hxgrid_agent.driver import AgentDriver

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_ORDER_BYTES = 1024 * 1024
USAGE = 2

LEAVE_LIMIT_S = 0.1
"""What task processes get when the parent has gone. It was their only user, and has said goodbye
if it could: then they have had their time."""


def serve_parent() -> int:
    """Run an agent for the parent process until that says, or is, the end."""
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    try:
        order = _read(stdin.readline(MAX_ORDER_BYTES))
        driver = _open(_settings(order))
    except HxGridError as error:
        _tell(stdout, {"error": error.headline, "advice": error.advice})
        return USAGE
    try:
        _tell(stdout, driver.roster_entry().model_dump(mode="json"))
        when_parent_ends(stdin.fileno(), lambda: driver.stop(LEAVE_LIMIT_S), order["parent_pid"])
        interpreter.tune()
        driver.run()
    finally:
        driver.close()
    return 0


def _read(line: bytes) -> dict[str, Any]:
    try:
        order = json.loads(line)
        return {"settings": dict(order["settings"]), "parent_pid": int(order["parent_pid"])}
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            "no settings came on standard input",
            advice="--embedded is for programs that start an agent of their own.",
        ) from None


def _settings(order: dict[str, Any]) -> AgentSettings:
    try:
        return AgentSettings.model_validate_json(json.dumps(order["settings"]))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            "the parent gave a wrong setting", where=where, why=first["msg"]
        ) from None


def _open(settings: AgentSettings) -> AgentDriver:
    configure_logging(settings.log_level)
    security = Security.from_settings(settings)
    driver = AgentDriver(settings, security, MonotonicClock(), is_embedded=True)
    try:
        driver.open()
    except BaseException:
        driver.close()
        raise
    return driver


def _tell(stdout: BinaryIO, answer: dict[str, Any]) -> None:
    stdout.write(json.dumps(answer).encode() + b"\n")
    stdout.flush()
