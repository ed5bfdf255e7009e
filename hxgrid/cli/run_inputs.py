"""What `hxgrid run` reads: files, or lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click


@dataclass(frozen=True)
class Source:
    """Where the inputs come from."""

    files: tuple[Path, ...]
    lines: BinaryIO | None

    @property
    def is_lines(self) -> bool:
        """Whether each line is an input."""
        return self.lines is not None

    @property
    def count(self) -> int | None:
        """How many there are, if that is known before the end."""
        return len(self.files) if self.lines is None else None

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and contents of each."""
        if self.lines is None:
            for path in self.files:
                yield path.name, path.read_bytes()
            return
        for number, line in enumerate(self.lines, 1):
            yield f"line-{number:06}", line.rstrip(b"\r\n")


def find_source(files: tuple[Path, ...], lines: Path | None) -> Source:
    """Return the inputs that the arguments mean; `UsageError` if they mean none."""
    if files and lines is not None:
        raise click.UsageError("give files or --lines, not both.")
    for path in files:
        if not path.is_file():
            raise click.UsageError(f"there is no file {path}.")
    if files:
        return Source(files, None)
    if lines is not None and str(lines) != "-":
        try:
            return Source((), lines.open("rb"))
        except OSError as error:
            raise click.UsageError(f"{lines} cannot be read: {error.strerror}.") from None
    if lines is None and sys.stdin.isatty():
        raise click.UsageError("no input: give files, --lines FILE, or lines on standard input.")
    return Source((), sys.stdin.buffer)
