"""Starting the project's programs as a person would, and leaving nothing of them behind.

Each program gets a process group of its own, an empty home directory, and an environment without
anything of the developer's. All processes of one `Programs` carry a mark in their environment, so
that those whose parent is gone are found as well.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psutil

from tests.harness import guard, proctree
from tests.harness.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MARK_VARIABLE = "GRID_TEST_MARK"
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COVERAGE_PROCESS_START")

SETTINGS = {
    # A computer that runs tests is busy, and an agent that makes room for its owner would be right.
    "HXGRID_AGENT_SUSPEND_S": "0",
}


@dataclass
class Completed:
    """How a program that was waited for ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The one JSON document on its standard output."""
        return json.loads(self.stdout)

    def expect(self, status: int) -> Self:
        """Return itself, or fail with everything that was said if the exit status is another."""
        assert self.status == status, f"exit status {self.status}, not {status}\n{self}"
        return self

    def __str__(self) -> str:
        return f"-- stdout\n{self.stdout}\n-- stderr\n{self.stderr}"


@dataclass
class Program:
    """One started program, its output files and the processes that it was seen to have."""

    name: str
    popen: subprocess.Popen[bytes]
    stdout_path: Path
    stderr_path: Path
    seen: set[psutil.Process] = field(default_factory=set)  # its descendants, as noted so far

    @property
    def pid(self) -> int:
        """The number of its first process."""
        return self.popen.pid

    @property
    def is_running(self) -> bool:
        """Whether its first process has not ended."""
        return self.popen.poll() is None

    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self.stdout_path.read_text(errors="replace")

    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return self.stderr_path.read_text(errors="replace")

    def json_lines(self) -> list[dict[str, Any]]:
        """The complete lines of standard output, each read as a JSON object."""
        complete = self.stdout().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines() if line.startswith("{")]

    def family(self) -> list[psutil.Process]:
        """Its living processes, the first one included."""
        first = [psutil.Process(self.pid)] if self.is_running else []
        return [*first, *self.note_descendants()]

    def note_descendants(self) -> list[psutil.Process]:
        """Its living descendants, remembered for the check that none of them stays."""
        living = proctree.descendants(self.pid)
        self.seen.update(living)
        return living

    def interrupt(self) -> None:
        """What Ctrl-C at a terminal does: SIGINT to every process of the foreground group."""
        self.note_descendants()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), its first process alone."""
        self.note_descendants()
        self.popen.terminate()

    def kill(self) -> None:
        """End its first process at once; what it started must notice by itself."""
        self.note_descendants()
        self.popen.kill()

    def wait(self, limit_s: float) -> Completed:
        """Wait until it has ended; fail with its output when `limit_s` is over."""
        wait_until(lambda: not self.is_running, limit_s, f"{self.name} to end", seen=self.log)
        return Completed(self.popen.returncode, self.stdout(), self.stderr())

    def log(self) -> str:
        """Everything it said, for the text of a failure."""
        status = "still running" if self.is_running else f"exit status {self.popen.returncode}"
        return f"{self.name} ({status})\n-- stdout\n{self.stdout()}\n-- stderr\n{self.stderr()}"


class Programs:
    """Starts programs and ends them all; use it with `with`, or call `stop_all`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.started: list[Program] = []
        self.home = folder / "home"

    def environment(self, home: Path, changes: Mapping[str, str]) -> dict[str, str]:
        """An environment with empty personal folders and the settings of the tests alone."""
        environment = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        for variable, name in (
            ("HOME", ""),
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_CACHE_HOME", ".cache"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_RUNTIME_DIR", "run"),
            ("TMPDIR", "tmp"),
        ):
            path = home / name
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            environment[variable] = str(path)
        environment[MARK_VARIABLE] = self.mark
        environment[guard.RUN_VARIABLE] = _guarded_run()
        environment["PYTHONUNBUFFERED"] = "1"
        environment.update(SETTINGS)
        environment.update(changes)
        return environment

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        home: Path | None = None,
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> Program:
        """Start any command; `prefix` goes before it (see `Machine.prefix`)."""
        number = len(self.started)
        outputs = [self.folder / f"{number:02}-{name}.{kind}" for kind in ("out", "err")]
        home = home if home is not None else self.home
        with outputs[0].open("wb") as stdout, outputs[1].open("wb") as stderr:
            popen = subprocess.Popen(
                [*prefix, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=self.environment(home, environment or {}),
                cwd=cwd if cwd is not None else self.folder,
                process_group=0,
            )
        program = Program(name, popen, outputs[0], outputs[1])
        self.started.append(program)
        _LIVE.add(self)
        return program

    def hxgrid(self, *arguments: str | Path, **options: Any) -> Program:
        """Start `hxgrid` with these arguments; options as for `start`."""
        name = "hxgrid-" + "-".join(str(word) for word in arguments[:1])
        return self.start(name, [sys.executable, "-m", "hxgrid", *arguments], **options)

    def python(self, script: Path, *arguments: str | Path, **options: Any) -> Program:
        """Start a Python program with the interpreter of the tests; options as for `start`."""
        return self.start(script.stem, [sys.executable, script, *arguments], **options)

    def run(self, *arguments: str | Path, limit_s: float = 60, **options: Any) -> Completed:
        """Run `hxgrid` with these arguments to its end."""
        return self.hxgrid(*arguments, **options).wait(limit_s)

    def living(self) -> list[psutil.Process]:
        """Every living process that comes from here: by its mark, or seen as a descendant."""
        found = set(proctree.processes_with_environment(MARK_VARIABLE, self.mark))
        for program in self.started:
            found.update(program.note_descendants())
            found.update(filter(proctree.is_alive, program.seen))
        return sorted(found, key=lambda process: process.pid)

    def expect_no_process_left(self, limit_s: float = 10) -> None:
        """Fail unless every process that comes from here ends by itself within `limit_s`."""
        wait_until(
            lambda: not self.living(),
            limit_s,
            "every process to be gone",
            seen=lambda: "\n" + proctree.described(self.living()),
        )

    def end_politely(self, limit_s: float = 15) -> None:
        """Press Ctrl-C in every program that runs, and fail unless nothing at all stays."""
        for program in self.started:
            if program.is_running:
                program.interrupt()
        self.expect_no_process_left(limit_s)

    def stop_all(self) -> None:
        """End everything that comes from here, whatever state it is in."""
        for _round in range(20):  # a process may start another one while we look
            living = self.living()
            for process in living:
                proctree.kill_one(process.pid)
            for program in self.started:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.popen.wait(timeout=5)
            if not living:
                break
        _LIVE.discard(self)

    def logs(self) -> str:
        """What all programs said, in the order of their start."""
        return "\n".join(program.log() for program in self.started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()


@functools.cache
def _guarded_run() -> str:
    """The mark of this whole test run, with a guard that outlives it."""
    run = uuid.uuid4().hex
    watching = guard.start(run)
    assert watching.stdin is not None
    _GUARDS.append(watching)
    return run


_GUARDS: list[subprocess.Popen[bytes]] = []  # kept, because their pipes close with this process
_LIVE: set[Programs] = set()


@atexit.register
def _stop_what_lives() -> None:
    for programs in list(_LIVE):
        programs.stop_all()
    for watching in _GUARDS:
        if watching.stdin is not None:
            watching.stdin.close()
        watching.wait(10)
