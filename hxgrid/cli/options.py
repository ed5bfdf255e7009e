"""The options that all commands of users have, and the settings that follow from them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hxgrid.cli.output import count_of, say
from hxgrid.logs import LEVELS
from hxgrid.program import start_log

if TYPE_CHECKING:
    from hxgrid import Session
    from hxgrid.settings import Loaded, UserSettings

R = TypeVar("R")

_NAMES = ("coordinator", "name", "trust_network", "config", "log_level", "quiet")
_OF_JOBS = ("journal", "verify")

MAX_SHOWN_DISPUTES = 20


@dataclass(frozen=True)
class Common:
    """What the common options say. None: the option was not given."""

    coordinator: str | None = None
    name: str | None = None
    trust_network: bool | None = None
    config: Path | None = None
    log_level: str | None = None
    is_quiet: bool = False
    is_local: bool = False
    journal: Path | None = None
    verify: float | None = None
    sessions: list[Session] = field(default_factory=list, compare=False)
    """Those that were opened."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that are settings as well."""
        return {
            "coordinator": self.coordinator,
            "name": self.name,
            "trust_network": self.trust_network,
            "log_level": self.log_level,
            "journal": self.journal,
            "verify": self.verify,
        }

    def load(self) -> Loaded[UserSettings]:
        """Return the settings in force and begin to log as they say."""
        from hxgrid.settings import load_user_settings

        arguments = self.arguments
        if self.coordinator is not None:
            # Who names a coordinator wants that one, not another that happens to answer.
            arguments["allow_discard_coordinator"] = False
        loaded = load_user_settings(config=self.config, arguments=arguments)
        settings = loaded.settings
        # Whoever runs a command wants its result; unlike a service it speaks only of trouble.
        is_chosen = loaded.origins["log_level"].layer != "default"
        level = settings.log_level if is_chosen else "error" if self.is_quiet else "warning"
        start_log(settings, level)
        for notice in loaded.notices:
            self.say(notice)
        return loaded

    def connect(self, timeout_s: float = 5.0) -> Session:
        """Open a session as the options say."""
        import hxgrid

        settings = self.load().settings
        try:
            session = hxgrid.connect(
                "local" if self.is_local else None, settings=settings, timeout=timeout_s
            )
        except hxgrid.SeveralGridsFound:
            raise
        except hxgrid.NoGridFound as error:
            from hxgrid.cli.asking import ways_on
            from hxgrid.transport.security import Security

            if error.tried:  # else it says by itself what is in the way, and what to do
                ways = ways_on(Security.from_settings(settings))
                error.advice = f"--local needs no grid; {ways}"
            raise
        self.sessions.append(session)
        return session

    def report(self) -> None:
        """Say what the sessions have to tell at their end, if anything."""
        for session in self.sessions:
            journal = session.journal_status
            if journal is not None and journal.replayed:
                self.say(f"{count_of(journal.replayed, 'result')} came from the journal.")
            told = session.verification
            for dispute in told.disputes[:MAX_SHOWN_DISPUTES]:
                say(f"{dispute}.")
            if told.agreed or told.unverified or told.disputes:
                self.say(f"{told}.")

    def say(self, text: str = "") -> None:
        """Write a line of progress or advice, unless --quiet was given."""
        if not self.is_quiet:
            say(text)

    def as_words(self) -> str:
        """Return what must be typed again so that another command finds the same grid."""
        words = [
            ("--coordinator", self.coordinator),
            ("--name", self.name),
            ("--config", self.config),
        ]
        given = [f" {option} {value}" for option, value in words if value is not None]
        return "".join(given) + (" --trust-network" if self.trust_network else "")


def common_options(
    *, local: bool = False, job: bool = False, starts: bool = False
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add the common options to a command, which gets them as its argument `common`.

    `job` adds those of commands that run tasks; `starts` says that the command starts the grid.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def command(**arguments: Any) -> R:
            values = {name: arguments.pop(name) for name in _NAMES}
            values["is_quiet"] = values.pop("quiet")
            of_jobs = {name: arguments.pop(name) for name in _OF_JOBS if name in arguments}
            common = Common(**values, **of_jobs, is_local=arguments.pop("local", False))
            if common.is_local and common.coordinator is not None:
                raise click.UsageError("--local has no coordinator; leave one of the two out.")
            try:
                return function(common=common, **arguments)
            finally:
                common.report()

        for option in reversed(_options(local=local, job=job, starts=starts)):
            option(command)
        return command

    return decorate


def _options(
    *, local: bool, job: bool, starts: bool
) -> list[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    which = " (default: of this computer)" if starts else ", if there are several"
    found: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option(
            "--coordinator",
            metavar="HOST[:PORT]",
            help="Address of the coordinator (default: found by broadcast).",
            hidden=starts,
        ),
        click.option("--name", metavar="GRID", help=f"Name of the grid{which}."),
        click.option(
            "--trust-network",
            is_flag=True,
            default=None,
            help="Use the LAN without keys; without this, only this computer.",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Settings file, above all others but arguments.",
        ),
        click.option(
            "--log-level",
            type=click.Choice(LEVELS),
            metavar="LEVEL",
            help=f"Log from this level on: {', '.join(LEVELS)}.",
        ),
        click.option("--quiet", "-q", is_flag=True, help="Write the result and errors only."),
    ]
    if job:
        found += [
            click.option(
                "--journal",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help="Keep results there, and use those of an earlier run.",
            ),
            click.option(
                "--verify",
                type=click.FloatRange(0, 1),
                metavar="SHARE",
                help="Run this share of the tasks (0.01) on two agents and compare.",
            ),
        ]
    if local:
        found.insert(
            0,
            click.option(
                "--local",
                is_flag=True,
                help="A grid inside this command: nothing needs to run.",
            ),
        )
    return found


def json_option(function: Callable[..., R]) -> Callable[..., R]:
    """Add --json, the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")(
        function
    )
