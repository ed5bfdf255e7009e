"""The list of commands, each with one line of help, so that none is imported before it is wanted.

The commands of the roles (coordinator, agent) come in by the entry-point group `hxgrid.commands`:
this room may not import them.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import click

from hxgrid.cli.endings import ReaderGone, end_with_parent

ENTRY_POINT_GROUP = "hxgrid.commands"

END_WITH_PARENT = "--end-with-parent"
"""Hidden, for every command: end when standard input ends. Taken out before the command sees it."""


class _Command(NamedTuple):
    home: str
    """Module that has it as `command`; empty for those of the roles."""
    help: str


COMMANDS = {
    "up": _Command("up", "Start a grid on this computer, until Ctrl-C."),
    "agents": _Command("agents", "List the agents of the grid."),
    "example": _Command("example", "Run an example, such as digits of pi."),
    "run": _Command("run", "Run a function of yours, one task per file or line."),
    "why": _Command("why", "Say why a task waits or failed, or an agent gets no work."),
    "doctor": _Command("doctor", "Test every stage from network card to first task."),
    "config": _Command("config", "Show the settings in force and where they come from."),
    "native": _Command("native", "Print what building a native application needs."),
    "coordinator": _Command("", "Run a coordinator: it lets users find agents."),
    "agent": _Command("", "Run an agent: it lends this computer's processors."),
}
"""In the order in which people need them."""


class LazyGroup(click.Group):
    """Loads a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands, in the order of the help."""
        others = {point.name for point in _role_commands()} - COMMANDS.keys()
        return [*COMMANDS, *sorted(others)]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command, loaded; None if there is none of this name."""
        known = COMMANDS.get(cmd_name)
        if known is not None and known.home:
            loaded: Any = import_module(f"hxgrid.cli.{known.home}").command
        else:
            point = next((p for p in _role_commands() if p.name == cmd_name), None)
            if point is None:
                return None
            loaded = point.load()
        assert isinstance(loaded, click.Command)
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; a wrong name is told with the nearest right one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            nearest = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not nearest or args[0].startswith("-"):
                raise
            text = f"{error.message} Did you mean {nearest[0]!r}?"
            raise click.UsageError(text, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading them."""
        rows = [
            (name, COMMANDS[name].help if name in COMMANDS else self._help_of(ctx, name))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take out what is for every command."""
        if END_WITH_PARENT in args:
            args = [argument for argument in args if argument != END_WITH_PARENT]
            end_with_parent()
        return super().parse_args(ctx, args)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the arguments; also help is a text that somebody may not read to its end."""
        with _reader_watched():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was meant."""
        with _reader_watched():
            return super().invoke(ctx)

    def _help_of(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str() if command is not None else ""


@contextlib.contextmanager
def _reader_watched() -> Iterator[None]:
    """Keep a broken pipe from the library, which would end the program with a failure's status."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


def _role_commands() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=ENTRY_POINT_GROUP))
