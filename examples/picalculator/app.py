"""Computes digits of pi on the grid, nine per task.

    python -m hxgrid_examples.picalculator.app 1000 --address local

The whole application is `compute`: one task per block of nine digits, and a function that puts a
finished block where it belongs, in whatever order they come.

The task exists in Python, in C++ and in Free Pascal; all three read and write the same bytes, so
they may be mixed in one job (`--task cpp --task pascal`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from hxgrid_examples.compiling import CompileError, cache_folder

import hxgrid

DIGITS_PER_BLOCK = 9
KINDS = ("python", "cpp", "pascal")


class PiTask(NamedTuple):
    """A file that travels to the agents, and the function in it."""

    file: Path
    function: str


PYTHON_TASK = PiTask(Path(__file__).with_name("pi_task.py"), "run_task")


def find_task(kind: str, folder: Path | None = None) -> PiTask:
    """Return the task of a kind; a native one is compiled into `folder`, or the user's cache.

    Raises `CompileError` where the compiler is missing.
    """
    if kind == "python":
        return PYTHON_TASK
    from hxgrid_examples.picalculator.native import build

    folder = folder or cache_folder() / "picalculator"
    return PiTask(build.build(kind, folder), build.FUNCTION)


def compute(
    session: hxgrid.Session,
    digits: int,
    on_progress: Callable[[int, int], None] | None = None,
    tasks: Sequence[PiTask] = (PYTHON_TASK,),
) -> str:
    """Return that many decimal digits of pi after the point; `tasks` take turns.

    `on_progress(done, digits)` is called on the session's callback thread after each block. Raises
    `TaskFailed` if a block could not be computed anywhere.
    """
    if digits < 1:
        raise ValueError(f"at least one digit must be asked for, not {digits}")
    # Whole blocks: the last one may have more digits than are wanted.
    found = bytearray(-(-digits // DIGITS_PER_BLOCK) * DIGITS_PER_BLOCK)
    blocks_done = 0

    def place(out_stream: hxgrid.Stream) -> None:
        nonlocal blocks_done
        position, block = out_stream.read_struct(f"I{DIGITS_PER_BLOCK}s")
        found[position - 1 : position - 1 + DIGITS_PER_BLOCK] = block
        blocks_done += 1
        if on_progress is not None:
            on_progress(min(blocks_done * DIGITS_PER_BLOCK, digits), digits)

    for number, position in enumerate(range(1, digits + 1, DIGITS_PER_BLOCK)):
        in_stream = hxgrid.Stream()
        in_stream.write_struct("I", position)
        task = tasks[number % len(tasks)]
        session.run_task([task.file], task.function, in_stream, place)
    session.wait_for_completion()
    return found[:digits].decode("ascii")


def run(digits: int, address: str | None = None, tasks: Sequence[PiTask] = (PYTHON_TASK,)) -> str:
    """Connect to a grid, compute with progress on standard error, and return the digits."""
    with hxgrid.connect(address) as session:
        return compute(session, digits, _show_progress, tasks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print digits of pi and how long they took; return the exit status."""
    parser = argparse.ArgumentParser(description="Compute digits of pi on the grid.")
    parser.add_argument("digits", type=int, nargs="?", default=1000)
    parser.add_argument("--address", help='HOST[:PORT], "local" or "inline"; default: find one')
    parser.add_argument("--task", action="append", choices=KINDS, help="default: python")
    options = parser.parse_args(arguments)
    started_at = time.monotonic()
    kinds = options.task or ["python"]
    try:
        tasks = [find_task(kind) for kind in kinds]
        digits = run(options.digits, options.address, tasks)
    except (ValueError, CompileError, hxgrid.HxGridError) as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_status if isinstance(error, hxgrid.HxGridError) else 2
    print(f"\nPI=3.{digits}")
    print(f"{1000 * (time.monotonic() - started_at):.0f} ms", file=sys.stderr)
    return 0


def _show_progress(done: int, digits: int) -> None:
    print(f"\r{done} of {digits} digits", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
