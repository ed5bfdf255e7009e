"""Computes digits of pi on the grid, nine per task.

    python -m hxgrid_examples.picalculator.app 1000 --address local

The whole application is `compute`: one task per block of nine digits, and a function that puts a
finished block where it belongs, in whatever order they come.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import hxgrid

TASK_FILE = Path(__file__).with_name("pi_task.py")
DIGITS_PER_BLOCK = 9


def compute(
    session: hxgrid.Session, digits: int, on_progress: Callable[[int, int], None] | None = None
) -> str:
    """Return that many decimal digits of pi after the point.

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

    for position in range(1, digits + 1, DIGITS_PER_BLOCK):
        in_stream = hxgrid.Stream()
        in_stream.write_struct("I", position)
        session.run_task([TASK_FILE], "run_task", in_stream, place)
    session.wait_for_completion()
    return found[:digits].decode("ascii")


def run(digits: int, address: str | None = None) -> str:
    """Connect to a grid, compute with progress on standard error, and return the digits."""
    with hxgrid.connect(address) as session:
        return compute(session, digits, _show_progress)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print digits of pi and how long they took; return the exit status."""
    parser = argparse.ArgumentParser(description="Compute digits of pi on the grid.")
    parser.add_argument("digits", type=int, nargs="?", default=1000)
    parser.add_argument("--address", help='HOST[:PORT], "local" or "inline"; default: find one')
    options = parser.parse_args(arguments)
    started_at = time.monotonic()
    try:
        digits = run(options.digits, options.address)
    except (ValueError, hxgrid.HxGridError) as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_status if isinstance(error, hxgrid.HxGridError) else 2
    print(f"\nPI=3.{digits}")
    print(f"{1000 * (time.monotonic() - started_at):.0f} ms", file=sys.stderr)
    return 0


def _show_progress(done: int, digits: int) -> None:
    print(f"\r{done} of {digits} digits", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
