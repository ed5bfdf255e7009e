"""The rows of `tests/rows.txt`, and which tests try to provoke them, by the names of the tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
DECISIONS = TESTS.parent / "docs" / "decisions"
LIST = TESTS / "rows.txt"

_NUMBERS = re.compile(r"^test_((?:[hkb]\d+_)+)")
_REASON = re.compile(r"^\* \*\*([HKB]\d+)\*\*: \S", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    number: str
    owner: str
    text: str


def read_rows(text: str) -> list[Row]:
    """Parse the list."""
    lines = (line.split(None, 2) for line in text.splitlines() if line and line[0] != "#")
    return [Row(number, owner, what) for number, owner, what in lines]


def rows_of(test_name: str) -> list[str]:
    """Return the numbers with which a test's name begins."""
    found = _NUMBERS.match(test_name)
    return found[1].rstrip("_").upper().split("_") if found else []


def tests_by_row(test_names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of the tests of each row, each once, in the order in which they come."""
    tests: dict[str, dict[str, None]] = {}
    for name in test_names:
        for number in rows_of(name):
            tests.setdefault(number, {})[name] = None
    return {number: list(names) for number, names in tests.items()}


def reasons(texts: Iterable[str]) -> set[str]:
    """Return the numbers of rows of which decisions say why they cannot happen here.

    Such a line looks like `* **B42**: because ...`.
    """
    return {number for text in texts for number in _REASON.findall(text)}


def decisions() -> list[str]:
    """Return the texts of all decisions."""
    return [path.read_text(encoding="utf-8") for path in sorted(DECISIONS.glob("0*.md"))]


def names_in(folder: Path) -> list[str]:
    """Return the names of all test functions in the files of a folder, whatever runs today."""
    names = []
    for path in sorted(folder.rglob("test_*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names += [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
    return names


def table(rows: list[Row], tests: dict[str, list[str]], decided: set[str]) -> list[str]:
    """Draw the table: for each row its tests, or who owes one."""
    lines = []
    for row in rows:
        names = tests.get(row.number, [])
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            shown = f"{names[0]}{more}"
        elif row.number in decided:
            shown = "cannot happen here: docs/decisions/"
        else:
            shown = f"no test; owner: {row.owner.replace('-', ' ')}"
        lines.append(f"{row.number:<4} {shown}")
    covered = sum(row.number in tests for row in rows)
    lines.append(
        f"{covered} of {len(rows)} rows have tests, {sum(map(len, tests.values()))} in all"
    )
    return lines
