"""Standard output and error: present, in an encoding that takes every text, as wide as they are.

Results go to standard output, everything else to standard error. What is printed must look right at
60 columns and must be whole in a pipe.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

_UNLIMITED = 10_000  # a pipe has no width


def prepare_streams() -> None:
    """Make sure that the three streams exist and never fail on a character."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Closed by who started us: the next socket would get its number otherwise.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def detach_stdout() -> None:
    """Forget what could not be written, so that the end of the program does not try again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def detach_unwritable_stdout() -> None:
    """Forget what standard output does not take, on a full disk for example."""
    try:
        sys.stdout.flush()
    except OSError:
        detach_stdout()


def _nowhere() -> io.TextIOWrapper:
    return io.TextIOWrapper(open(os.devnull, "wb"), encoding="utf-8")  # noqa: PTH123


def say(text: str = "") -> None:
    """Write a line of progress or advice, on standard error."""
    click.echo(folded(text, error_width()), err=True)


def show(text: str = "") -> None:
    """Write a line of the result, on standard output."""
    click.echo(text)


def show_json(document: Any) -> None:
    """Write one JSON document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def as_typed() -> str:
    """Return what runs this program again: "hxgrid" where a shell finds it, else its path."""
    path = Path(sys.argv[0])
    found = shutil.which("hxgrid")
    if path.stem != "hxgrid" or not path.exists():
        return "hxgrid"  # `python -m hxgrid`, or another program
    if found is not None and path.samefile(found):
        return "hxgrid"
    return shlex.quote(str(path))


def is_terminal() -> bool:
    """Tell whether a person looks at standard output."""
    return sys.stdout.isatty()


def width() -> int:
    """Return the columns of standard output; a pipe has as many as it takes, or as COLUMNS says."""
    is_limited = is_terminal() or os.environ.get("COLUMNS", "").isdecimal()
    return shutil.get_terminal_size().columns if is_limited else _UNLIMITED


def error_width() -> int:
    """Return the columns of standard error."""
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else _UNLIMITED


def folded(text: str, width: int, indent: str = "  ") -> str:
    """Fold each line of a text at `width`; what is folded goes on under `indent`."""
    lines = text.splitlines() or [""]
    return "\n".join(
        textwrap.fill(
            line,
            max(width, 20),
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        if line
        else ""
        for line in lines
    )


class Column(NamedTuple):
    """One column of a table."""

    title: str
    is_number: bool = False
    is_detail: bool = False
    """Goes to a second line of its row where the terminal is narrow."""


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> str:
    """Lay out rows under titles; details go to lines of their own where it gets too narrow."""
    whole = _lines(columns, [[column.title for column in columns], *rows])
    if max(map(len, whole)) <= width:
        return "\n".join(whole)
    main = [index for index, column in enumerate(columns) if not column.is_detail]
    short = _lines(
        [columns[i] for i in main],
        [[columns[i].title for i in main], *([row[i] for i in main] for row in rows)],
    )
    lines = [short[0]]
    for line, row in zip(short[1:], rows, strict=True):
        lines.append(line)
        details = [
            f"{columns[i].title} {row[i]}" for i in range(len(columns)) if i not in main and row[i]
        ]
        lines += _flowed(details, width)
    return "\n".join(_cut(line, width) for line in lines)


def _lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(size) if column.is_number else cell.ljust(size)
            for cell, size, column in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in rows
    ]


def _flowed(parts: Sequence[str], width: int) -> list[str]:
    """Put parts behind one another, on as few indented lines as hold them."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 3 + len(part) <= width:
            lines[-1] += " · " + part
        else:
            lines.append("    " + part)
    return lines


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def count_of(number: int, noun: str) -> str:
    """Return "1 agent", "2 agents"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a time for people."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
