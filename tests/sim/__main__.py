"""Many seeds of the simulator: `python -m tests.sim --seeds 100000 --book seeds.json`.

Goes on where the book ends, so that a long run may be interrupted; without a book it begins at
`--first`. Prints each seed that fails with its schedule, and a line of JSON at the end. What long
runs have found is written up in `docs/reliability.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.sim.runs import Tally, run_seeds


class Book:
    """The sum of all runs so far, in a file if one is wanted."""

    def __init__(self, path: Path | None, first: int) -> None:
        self._path = path
        self._entries: dict[str, Any] = {
            "first": first,
            "seeds": 0,
            "tasks": 0,
            "further_attempts": 0,
            "faults": {},
            "failed": [],
        }
        if path is not None and path.exists():
            self._entries = json.loads(path.read_text(encoding="utf-8"))

    @property
    def next_seed(self) -> int:
        """The first seed that has not been run."""
        return int(self._entries["first"] + self._entries["seeds"])

    @property
    def text(self) -> str:
        """One line of JSON."""
        return json.dumps(self._entries)

    @property
    def is_clean(self) -> bool:
        """Say whether no seed has failed."""
        return not self._entries["failed"]

    def add(self, tally: Tally) -> None:
        """Enter what some seeds came to."""
        entries = self._entries
        entries["seeds"] += tally.seeds
        entries["tasks"] += tally.tasks
        entries["further_attempts"] += tally.further_attempts
        for kind, count in sorted(tally.faults.items()):
            entries["faults"][kind] = entries["faults"].get(kind, 0) + count
        entries["failed"] += list(tally.failed)
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(self.text, encoding="utf-8")
            fresh.replace(self._path)


def main() -> int:
    """Run seeds until there are enough or the time is over; exit status 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100_000, help="how many in all")
    parser.add_argument("--minutes", type=float, default=10.0, help="stop after this time")
    parser.add_argument("--first", type=int, default=0, help="the first seed of a new book")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--book", type=Path, help="file to keep the sum in")
    options = parser.parse_args()
    ends_at = time.monotonic() + options.minutes * 60
    book = Book(options.book, options.first)
    left = options.seeds - (book.next_seed - options.first)
    for tally in run_seeds(book.next_seed, left, options.processes):
        book.add(tally)
        sys.stderr.writelines(f"{text}\n" for text in tally.failed.values())
        if time.monotonic() > ends_at:
            break
    sys.stdout.write(f"{book.text}\n")
    return 0 if book.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
