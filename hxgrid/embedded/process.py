"""A process that belongs to this one: it ends when we do, and takes along what it has started.

The bond is its standard input, a pipe that we hold: a line on it, or its end, is the sign to end.
That works however we end, and needs nothing of the system that only one kind of system has. The
other end is `bond`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO

from hxgrid.errors import HxGridError
from hxgrid.logs import get_logger

_log = get_logger("embedded")


def hxgrid_command(*arguments: str) -> list[str]:
    """Return the command line that runs hxGrid with these arguments in this interpreter."""
    if not sys.executable:
        raise HxGridError("no program can be started", why="there is no Python interpreter here")
    # -P: a file in the working directory that is called like a standard module is not meant.
    return [sys.executable, "-P", "-m", "hxgrid", *arguments]


class OwnedProcess:
    """Starts a process at once. `reads`: its standard output comes to us, otherwise to nobody."""

    def __init__(
        self,
        command: Sequence[str],
        log: IO[bytes] | None = None,
        *,
        reads: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if reads else subprocess.DEVNULL,
                stderr=log,
                env=environment,
                # Ctrl-C at the terminal is for us; we then end the others in order.
                start_new_session=True,
            )
        except OSError as error:
            raise HxGridError(
                "a process cannot be started", where=command[0], why=str(error)
            ) from error

    @property
    def id(self) -> int:
        """Number of the process."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output."""
        assert self._popen.stdout is not None
        return self._popen.stdout

    def tell(self, line: bytes) -> None:
        """Write a line to it; one that has ended already is noticed by whoever waits for it."""
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.write(line)
            self._popen.stdin.flush()

    def wait(self, deadline: float | None = None) -> int | None:
        """Return its exit status, or None if it has not ended at the deadline (monotonic)."""
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return self._popen.wait(left_s)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_end(self) -> None:
        """Say on the line to it that it is to end, and close it; twice is harmless."""
        stdin = self._popen.stdin
        assert stdin is not None
        if stdin.closed:
            return
        # The end of the line alone says nothing where a forked copy of us holds it open.
        with contextlib.suppress(OSError):  # it has ended already
            stdin.write(b"\n")
            stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def end(self, deadline: float) -> None:
        """Wait until it has ended; kill it and what it started when the deadline is there."""
        self.ask_to_end()
        if self.wait(deadline) is None:
            _log.info("process killed, it has not ended in time", pid=self.id)
            _kill_tree(self.id)
            self._popen.wait()


def _kill_tree(process_id: int) -> None:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(process_id)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
