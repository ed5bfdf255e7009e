"""The command `hxgrid`: finds the command that was meant, and tells how it ended.

Nothing of a command is imported before it is known to be the one, so that each starts fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from hxgrid.cli.endings import Interrupts, ReaderGone, explain
from hxgrid.cli.output import detach_stdout, prepare_streams
from hxgrid.cli.registry import LazyGroup
from hxgrid.program import INTERRUPTED


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`hxgrid COMMAND --help` tells the options of a command.",
)
@click.version_option(package_name="hxgrid", prog_name="hxgrid")
def hxgrid() -> None:
    """Run the tasks of one program on the idle processors of a whole LAN."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status.

    0 done, 1 the job failed, 2 wrong usage, 3 no grid found, 130 interrupted.
    """
    prepare_streams()
    with Interrupts() as interrupts:
        try:
            return _run(arguments)
        except KeyboardInterrupt:
            interrupts.watch()  # where it was raised by other means than a signal
            return INTERRUPTED
        except (BrokenPipeError, ReaderGone):
            # Whoever read our output has read enough; that is no failure of ours.
            detach_stdout()
            return 0


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = hxgrid.main(
            args=None if arguments is None else list(arguments),
            prog_name="hxgrid",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.Abort:
        return INTERRUPTED
    except SystemExit as error:  # the commands of the roles end themselves
        return error.code if isinstance(error.code, int) else 1
    except (BrokenPipeError, ReaderGone, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - a person reads this, not a stack trace
        return explain(error)
