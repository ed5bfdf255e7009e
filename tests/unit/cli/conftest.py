"""Fixtures of the command-line tests: clean settings, commands run in this process, agents."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hxgrid.cli.main import main
from hxgrid.wire.messages import (
    AgentState,
    AgentStatus,
    Capabilities,
    NetworkAddress,
    RosterEntry,
)

CAPABILITIES = Capabilities(
    platform="linux",
    machine="x86_64",
    python_implementation="CPython",
    python_version="3.11.7",
    processors=8,
    memory_bytes=16 << 30,
)


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HXGRID_")]:
        monkeypatch.delenv(name)
    for variable in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Commands choose where logs go; the next test must not inherit that."""
    logger = logging.getLogger("hxgrid")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*arguments: str | Path) -> Ended:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ended(status, said.out, said.err)

    return run_command


@pytest.fixture
def entry() -> Callable[..., RosterEntry]:
    """Makes an agent as the coordinator lists it."""

    def make(name: str = "pc7", slots: int = 4, **changes: Any) -> RosterEntry:
        agent = changes.pop("agent", f"{abs(hash(name)):032x}"[-32:])
        addresses = (
            NetworkAddress(host="127.0.0.1", port=4102),
            NetworkAddress(host="192.168.1.7", port=4102),
        )
        values: dict[str, Any] = {
            "agent": agent,
            "name": name,
            "addresses": addresses,
            "slots": slots,
            "free_cpu": 6.25,
            "own_cpu": 1.0,
            "free_memory_bytes": 3 << 30,
            "state": AgentState.ACTIVE,
            "capabilities": CAPABILITIES,
        }
        return RosterEntry(
            agent=agent,
            name=name,
            addresses=addresses,
            slots=slots,
            capabilities=CAPABILITIES,
            status=AgentStatus(**{**values, **changes}),
            age_s=0.5,
        )

    return make


@pytest.fixture
def grid_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets commands find a coordinator that knows these agents."""

    def choose(*entries: RosterEntry) -> None:
        from hxgrid.cli import asking

        found = asking.Found("office", "192.168.1.2:4100", entries, 0.01)
        monkeypatch.setattr(asking, "ask_coordinator", lambda *_, **__: found)

    return choose
