"""What an error must look like to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harness.processes import Completed


def expect_words(text: object, *words: str) -> None:
    """Fail unless each of these stands in the text."""
    missing = [word for word in words if word not in str(text)]
    assert not missing, f"{missing} not in: {text}"


def expect_clear(ended: Completed, status: int, *words: str) -> None:
    """Fail unless a command ended with this status and an explanation instead of a traceback."""
    ended.expect(status)
    expect_words(ended.stderr, *words)
    assert "Traceback" not in ended.stderr, ended.stderr
