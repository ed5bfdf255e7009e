"""What our programs have in common at their start and their end: options, the log, signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hxgrid.logs import LEVELS, configure_logging

if TYPE_CHECKING:
    from types import FrameType

    from hxgrid.settings import ProgramSettings

INTERRUPTED = 130
"""Exit status of a program that was ended by Ctrl-C, or asked to end."""

_R = TypeVar("_R")


class Server(Protocol):
    """A program that serves until it is told to stop."""

    def open(self) -> None:
        """Take what it needs; an error says what stands in the way."""

    def run(self) -> None:
        """Serve."""

    def stop(self) -> None:
        """End in order; from a signal's handler."""

    def close(self) -> None:
        """Give everything back, also after an `open` that failed."""


def serving_options(*, where: str) -> Callable[[Callable[..., _R]], Callable[..., _R]]:
    """Add the options of programs that serve; `where` is where strangers may run programs then."""
    import click  # only here: the bridge has no command line, and its start is waited for

    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option(
            "--trust-network",
            is_flag=True,
            default=None,
            help=f"Use the LAN without keys: whoever reaches it may run programs {where}.",
        ),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with settings, above all others but arguments.",
        ),
        click.option(
            "--log-level", type=click.Choice(LEVELS), help="The least important lines written."
        ),
        click.option("--quiet", "-q", is_flag=True, help="Write warnings and errors only."),
    ]

    def decorate(function: Callable[..., _R]) -> Callable[..., _R]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def start_log(settings: ProgramSettings, level: str | None = None) -> None:
    """Begin to write the log as the settings say, from another level on if one is given."""
    configure_logging(
        level or settings.log_level,
        file=settings.log_file,
        file_max_bytes=settings.log_file_max_bytes,
        file_count=settings.log_file_count,
    )


def serve(server: Server, once_open: Callable[[], None] = lambda: None) -> int:
    """Serve until Ctrl-C or its like; return the exit status. From the main thread."""
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        server.stop()

    previous = {number: signal.signal(number, end) for number in ending_signals()}
    try:
        server.open()
        once_open()
        server.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        server.close()
    return INTERRUPTED if signal.SIGINT in received else 0


def ending_signals() -> list[signal.Signals]:
    """Return the signals that ask a program to end: of people, the system, a closed terminal."""
    if sys.platform == "win32":
        # Ctrl-Break is what others send SIGTERM for; ours send themselves SIGTERM here as well.
        return [signal.SIGINT, signal.SIGBREAK, signal.SIGTERM]
    # With `nohup` a program is to outlive its terminal.
    is_bound = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if is_bound else [])]
