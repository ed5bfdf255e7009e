"""How a command ends when it does not end well: errors in one or two lines, and Ctrl-C.

A person must never see a stack trace of ours: it helps nobody who cannot mend the program. Where
the fault is ours, the line says how to see it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import click

from hxgrid.cli.output import detach_unwritable_stdout, error_width, folded
from hxgrid.errors import HxGridError
from hxgrid.program import INTERRUPTED, ending_signals

END_LIMIT_S = 1.4
"""An interrupted command has two seconds; what is left of it after this is killed, which takes a
moment itself."""


class ReaderGone(Exception):
    """Whoever read standard output has read enough."""


_FULL = {errno.ENOSPC, errno.EFBIG}


def explain(error: Exception) -> int:
    """Write on standard error what went wrong; return the exit status that goes with it."""
    # Otherwise the end of the program would try once more, and fail with words of its own.
    detach_unwritable_stdout()
    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case HxGridError():
            _complain(error.headline, error.advice)
            status = error.exit_status
        case OSError() if error.strerror:
            # Of the files that may fill a disk, this one alone has no name.
            otherwise = "standard output" if error.errno in _FULL else "system"
            _complain(f"{error.filename or otherwise}: {error.strerror}", "")
            status = 1
        case _:
            text = str(error).splitlines()[0] if str(error) else "no further words"
            _complain(
                f"internal error: {type(error).__name__}: {text}",
                "" if _is_debugging() else "Run it again with --log-level debug to see where.",
            )
            status = 1
    if _is_debugging():
        traceback.print_exception(error, file=sys.stderr)
    return status


def _complain(headline: str, advice: str) -> None:
    click.echo(folded(f"hxgrid: {headline}", error_width()), err=True)
    if advice:
        click.echo(folded(f"  {advice}", error_width()), err=True)


def _is_debugging() -> bool:
    return logging.getLogger("hxgrid").level == logging.DEBUG


class Interrupts:
    """Turns Ctrl-C and its like into `KeyboardInterrupt`, and sees to it that the end comes soon.

    Closing in order is tried first: it tells agents what is no longer wanted. Commands that serve
    (coordinator, agent) put handlers of their own in place.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._watch: threading.Timer | None = None

    def watch(self) -> None:
        """From now on there is a limit."""
        if self._watch is None:
            self._watch = threading.Timer(END_LIMIT_S, _end_at_once)
            self._watch.daemon = True
            self._watch.start()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._watch is None:  # a second Ctrl-C must not break the closing of the first
            self.watch()
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                # Ignored by who started us (nohup, &): then we ignore it as well.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        # The watch goes on: threads that do not end must not keep the program.


def _end_at_once() -> None:
    with contextlib.suppress(Exception):
        _kill_children()
    os._exit(INTERRUPTED)


def _kill_children() -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()


def end_with_parent(end: Callable[[], None] | None = None) -> None:
    """Call `end` (default: what SIGTERM does) when the program that has started us ends."""
    from hxgrid.embedded.bond import when_parent_ends

    when_parent_ends(0, end if end is not None else _terminate)


def _terminate() -> None:
    limit = threading.Timer(END_LIMIT_S, _end_at_once)
    limit.daemon = True
    limit.start()
    signal.raise_signal(signal.SIGTERM)
