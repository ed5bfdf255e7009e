"""One name of global data in one session."""

from __future__ import annotations

import enum


class DataState(enum.Enum):
    """Where a name stands."""

    ASKING = "asking"
    """The user was asked which blob it is."""
    FETCHING = "fetching"
    """The blob is known and on its way."""
    HERE = "here"
    FREED = "freed"
    """The blob is known; this agent's copy was given up."""


class DataEntry:
    """What a name stands for, and who waits for it."""

    __slots__ = (
        "digest",
        "is_forgotten",
        "is_volatile",
        "name",
        "path",
        "request",
        "size",
        "state",
        "waiters",
    )

    def __init__(self, name: str, request: int) -> None:
        self.name = name
        self.request = request
        """Of the `DataRequest` under way."""
        self.state = DataState.ASKING
        self.digest = ""
        self.size = 0
        self.is_volatile = False
        """Asked again after its copy was freed."""
        self.is_forgotten = False
        """The user has forgotten it since it was asked for: for those who wait only."""
        self.path = ""
        self.waiters: list[tuple[int, int]] = []
        """(process, its own request number)."""
