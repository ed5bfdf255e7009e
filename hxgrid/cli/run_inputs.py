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
    """Where the inputs come from: files, or else the lines of a file or of standard input."""

    files: tuple[Path, ...] = ()
    lines: Path | None = None

    @property
    def is_lines(self) -> bool:
        """Whether each line is an input."""
        return not self.files

    @property
    def count(self) -> int | None:
        """How many there are, if that is known before the end."""
        return len(self.files) if self.files else None

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and contents of each."""
        for path in self.files:
            yield path.name, path.read_bytes()
        if self.lines is not None:
            with self.lines.open("rb") as file:
                yield from _numbered(file)
        elif not self.files:
            yield from _numbered(sys.stdin.buffer)


def _numbered(lines: BinaryIO) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(lines, 1):
        yield f"line-{number:06}", line.rstrip(b"\r\n")


def find_source(files: tuple[Path, ...], lines: Path | None) -> Source:
    """Return the inputs that the arguments mean; `UsageError` if they mean none."""
    if files and lines is not None:
        raise click.UsageError("give files or --lines, not both.")
    is_standard_input = lines is not None and str(lines) == "-"
    for path in (*files, *([lines] if lines is not None and not is_standard_input else [])):
        if path.is_dir():
            raise click.UsageError(f"{path} is a folder; give files, such as {path / '*'}.")
        if not path.exists():  # a pipe will do
            raise click.UsageError(f"there is no file {path}.")
    if not files and lines is None and sys.stdin.isatty():
        raise click.UsageError("no input: give files, --lines FILE, or lines on standard input.")
    return Source(files, None if is_standard_input else lines)
