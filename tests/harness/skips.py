"""Which skips are in order: with CI=true any that is not in the list fails.

A test that never runs proves nothing, and a skip is easily overlooked; so each one that is right on
the machines that decide has its reason written down.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

LIST = Path(__file__).parents[1] / "allowed_skips.txt"


@dataclass(frozen=True)
class AllowedSkip:
    """One line of the list: which tests may be skipped, and why."""

    pattern: str
    reason: str


def read_allowed_skips(text: str) -> list[AllowedSkip]:
    """Parse the list; a line without a reason is an error."""
    allowed = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in stripped.partition(" # "))
        if not reason:
            raise ValueError(f"allowed_skips.txt:{number}: no reason given (NODE_ID # REASON)")
        allowed.append(AllowedSkip(pattern, reason))
    return allowed


def is_allowed(node_id: str, allowed: list[AllowedSkip]) -> bool:
    """Tell whether the list has a line for this test."""
    return any(fnmatchcase(node_id, _literal_brackets(skip.pattern)) for skip in allowed)


def missing_requirement(requirements: tuple[str, ...], *, user_id: int) -> str | None:
    """Return why a test with these requirements cannot run here: "root", or names of programs."""
    for requirement in requirements:
        if requirement == "root":
            if user_id != 0:
                return "needs root"
        elif shutil.which(requirement) is None:
            return f"needs the program {requirement} (make system)"
    return None


def _literal_brackets(pattern: str) -> str:
    # Parametrised tests carry [..] in their id, which fnmatch would read as a set of characters.
    return pattern.replace("[", "[[]")
