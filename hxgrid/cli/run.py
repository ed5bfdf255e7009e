"""`hxgrid run`: a function of yours, one task per file or line."""

from __future__ import annotations

import difflib
import queue
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hxgrid.cli.options import Common, common_options
from hxgrid.cli.output import count_of, duration, is_terminal, say
from hxgrid.cli.progress import Bar
from hxgrid.cli.run_inputs import Source, find_source
from hxgrid.cli.run_results import Sink, make_sink
from hxgrid.errors import ModuleError, TaskError, TaskFailed

if TYPE_CHECKING:
    import hxgrid

# The first character keeps click from folding the lines.
EXAMPLES = """\b
hxgrid run shrink.py:shrink --input *.png --output small
ls *.log | hxgrid run count.py:errors"""

MAX_SHOWN_FAILURES = 10

MAX_OPEN_TASKS = 1000
MAX_HELD_BYTES = 256 * 1024 * 1024
"""Results that wait until those before them have been written; then no further task is made."""


@click.command("run", epilog=EXAMPLES)
@click.argument("what", metavar="MODULE:FUNCTION")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE...",
    help="Files, one task each; the option may be left out.",
)
@click.option(
    "--lines",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="One task per line of this file; - is standard input.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the results, one file each (default: standard output).",
)
@common_options(local=True, job=True)
def command(
    what: str,
    files: tuple[Path, ...],
    inputs: tuple[Path, ...],
    lines: Path | None,
    output: Path | None,
    common: Common,
) -> int:
    """Run FUNCTION of the file MODULE, one task per input file or line.

    The function is called on some computer of the grid as
    FUNCTION(agent, session_id, in_stream, out_stream); what it writes to out_stream is the result.
    Without files and --lines, the lines of standard input are the inputs.
    """
    module, function = _split(what)
    source = find_source((*inputs, *files), lines)
    started_at = time.monotonic()
    sink = make_sink(output, is_lines=source.is_lines)
    # Results that are seen coming show how far it is; a bar would stand in the midst of them.
    is_shown = not common.is_quiet and not (output is None and is_terminal())
    with (
        common.connect() as session,
        Bar(f"{module.name}:{function}", source.count, is_shown=is_shown) as bar,
    ):
        job = _Job(session, sink, bar)
        job.run(module, function, source)
    return job.report(time.monotonic() - started_at, common)


def _split(what: str) -> tuple[Path, str]:
    module, colon, function = what.rpartition(":")
    if not colon or not module or not function.isidentifier():
        raise click.UsageError(f"{what!r} is not MODULE:FUNCTION, such as shrink.py:shrink.")
    for path in (Path(module), Path(f"{module}.py"), Path(module.replace(".", "/") + ".py")):
        if path.is_file():
            _check_function(path, function)
            return path, function
    otherwise = "" if module.endswith(".py") else f" or {module}.py"
    raise ModuleError(
        f"there is no file {module}{otherwise}", advice="MODULE is the path of a Python file."
    )


def _in_a_line(error: TaskError) -> str:
    why = (error.why or error.what).strip().splitlines()
    # Of an exception that says much, the first line has its name.
    return f"{why[0] if why else 'failed'} {f'({error.where})' if error.where else ''}".rstrip()


def _check_function(path: Path, function: str) -> None:
    """Find a misspelt name here, before every computer of the grid has tried it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if re.search(rf"\b{function}\b|\bimport \*", text):
        return
    defined = re.findall(r"^def (\w+)", text, re.MULTILINE)
    nearest = difflib.get_close_matches(function, defined, n=1)
    listed = f"It has {', '.join(defined[:10])}." if defined else "It has none at all."
    raise ModuleError(
        f"{path} has no function {function}",
        advice=f"Did you mean {nearest[0]}?" if nearest else listed,
    )


class _Job:
    """One task per input. Results are written in the order of the inputs, by a thread of its own.

    The order is that of the inputs, because it is the only one that two runs have in common.
    """

    def __init__(self, session: hxgrid.Session, sink: Sink, bar: Bar) -> None:
        self._session = session
        self._sink = sink
        self._bar = bar
        self._open: queue.Queue[tuple[str, hxgrid.Task] | None] = queue.Queue(MAX_OPEN_TASKS)
        self._changed = threading.Condition()  # guards the three below
        self._held_bytes = 0
        self._done_count = 0
        self._error: Exception | None = None
        self._failed_count = 0
        self._failures: list[tuple[str, TaskError]] = []  # the first ones

    def run(self, module: Path, function: str, source: Source) -> None:
        """Submit all, and wait until the last result has been written."""
        writer = threading.Thread(target=self._write, name="hxgrid-results", daemon=True)
        writer.start()
        for name, data in source.items():
            self._wait_for_room()
            task = self._session.run_task(module, function, data, self._count)
            assert task is not None
            self._open.put((name, task))
        self._open.put(None)
        while writer.is_alive():
            writer.join(0.5)  # with a limit, so that Ctrl-C is noticed everywhere
        self._raise_error()

    def report(self, taken_s: float, common: Common) -> int:
        """Say how it went; return the exit status."""
        for name, error in self._failures:
            say(f"{name}: {_in_a_line(error)}")
        traceback = next(
            (e.remote_traceback for _, e in self._failures if isinstance(e, TaskFailed)), ""
        )
        if traceback:
            say("--- traceback of the first ---")
            click.echo(traceback.rstrip(), err=True)  # folding would spoil it
        if self._failed_count > len(self._failures):
            say(f"... and {count_of(self._failed_count - len(self._failures), 'more failure')}")
        total = self._done_count + self._failed_count
        failed = f", {self._failed_count:,} failed" if self._failed_count else ""
        common.say(f"{count_of(total, 'task')} in {duration(taken_s)}{failed}.")
        return 1 if self._failed_count else 0

    def _wait_for_room(self) -> None:
        with self._changed:
            while self._held_bytes > MAX_HELD_BYTES and self._error is None:
                self._changed.wait(0.5)
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _count(self, out_stream: hxgrid.Stream) -> None:
        """Note that a result has arrived; on the callback thread."""
        with self._changed:
            self._held_bytes += len(out_stream)
            self._done_count += 1
            self._bar.advance_to(self._done_count)

    def _write(self) -> None:
        while (opened := self._open.get()) is not None:
            name, task = opened
            try:
                self._write_one(name, task)
            except Exception as error:  # noqa: BLE001 - raised again by who submits
                with self._changed:
                    self._error = self._error or error
                    self._changed.notify()

    def _write_one(self, name: str, task: hxgrid.Task) -> None:
        failure = task.exception()
        if failure is not None:
            self._failed_count += 1
            if len(self._failures) < MAX_SHOWN_FAILURES:
                self._failures.append((name, failure))
            return
        data = task.result().getvalue()
        if self._error is None:
            self._sink.put(name, data)
        with self._changed:
            self._held_bytes -= len(data)
            self._changed.notify()
