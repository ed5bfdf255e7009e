"""`hxgrid example`: programs to try, and to read."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from hxgrid.cli import mandelbrot, normalmapper
from hxgrid.cli.options import Common, common_options
from hxgrid.cli.output import as_typed, count_of, duration, folded, is_terminal, say, show, width
from hxgrid.cli.progress import Bar
from hxgrid.errors import HxGridError, TaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hxgrid_examples.picalculator.app import PiTask

    import hxgrid

_LIST = (
    "pi             digits of pi, nine by each task, which knows nothing of the others",
    "normalmapper   what a detailed mesh looks like, as a normal map for a simple one",
    "mandelbrot     a window to explore the Mandelbrot set in, to any depth",
)

_GROUP = 10
_MAX_GROUPS = 10


@click.group("example", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run an example; without a name, list them.

    Each is a small program on the public interface, in the package hxgrid_examples.
    """
    if ctx.invoked_subcommand is None:
        for line in _LIST:
            show(folded(line, width(), indent=15 * " "))
        say(f"\nNext: {as_typed()} example pi --digits 1000 --local")


command.add_command(normalmapper.command)
command.add_command(mandelbrot.command)


@command.command("pi")
@click.option(
    "--digits",
    type=click.IntRange(1, 480_000),
    default=1000,
    show_default=True,
    help="How many digits after the point.",
)
@click.option(
    "--task",
    "kinds",
    type=click.Choice(["python", "cpp", "pascal"]),
    multiple=True,
    default=("python",),
    show_default=True,
    help="Which task computes; given several times, they take turns.",
)
@common_options(local=True, job=True)
def pi(digits: int, kinds: tuple[str, ...], common: Common) -> None:
    """Compute digits of pi on the grid.

    Digits go to standard output: in groups for a terminal, otherwise in one line. The tasks in C++
    and in Free Pascal are compiled here when they are used.
    """
    if common.is_local and "python" in kinds and find_spec("numpy") is None:
        raise missing_numpy("This computer has")
    tasks = [_task(kind) for kind in dict.fromkeys(kinds)]
    started_at = time.monotonic()
    with common.connect() as session:
        found = _compute(session, digits, tasks, common)
        status = session.connection_status
        taken_s = time.monotonic() - started_at
    show(grouped(found, width()) if is_terminal() else f"3.{found}")
    slots = count_of(status.slots, "slot")
    agents = count_of(status.connected_agents, "agent")
    common.say(f"{count_of(digits, 'digit')} of pi in {duration(taken_s)}, on {agents}, {slots}.")
    common.say(_next(digits, common))


def missing_numpy(who_has: str) -> HxGridError:
    """Return the error for an example whose tasks need what is not installed."""
    return HxGridError(
        f"{who_has} no numpy, which this example needs",
        advice=f"Install it there: {sys.executable} -m pip install 'hxgrid[examples]'",
    )


def _task(kind: str) -> PiTask:
    from hxgrid_examples.compiling import CompileError
    from hxgrid_examples.picalculator import app

    try:
        task: PiTask = app.find_task(kind)
    except CompileError as error:
        raise HxGridError(
            f"the task in {kind} cannot be compiled", why=str(error), advice="Or use --task python."
        ) from error
    return task


def _compute(session: hxgrid.Session, digits: int, tasks: Sequence[PiTask], common: Common) -> str:
    from hxgrid_examples.picalculator.app import compute

    with Bar("pi", digits, is_shown=not common.is_quiet) as bar:
        try:
            found: str = compute(session, digits, lambda done, _: bar.advance_to(done), tasks)
        except TaskError as error:
            if "No module named 'numpy" in str(error):
                raise missing_numpy("An agent has") from error
            raise
    return found


def grouped(digits: str, columns: int) -> str:
    """Return digits in groups of ten, as many to a line as a person can keep apart."""
    indent = "   "
    per_line = max(1, min(_MAX_GROUPS, (columns - len(indent) + 1) // (_GROUP + 1)))
    groups = [digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP)]
    lines = [
        " ".join(groups[start : start + per_line]) for start in range(0, len(groups), per_line)
    ]
    return "\n".join(["3.", *(indent + line for line in lines)])


def _next(digits: int, common: Common) -> str:
    if common.is_local:
        return (
            f"Next: `{as_typed()} up` in another terminal, then here "
            f"`{as_typed()} example pi --digits {2 * digits}`"
        )
    return f"Next: {as_typed()} agents{common.as_words()}"
