"""A task file that needs a package which no agent has."""

from __future__ import annotations

import a_package_that_nobody_has  # type: ignore[import-not-found]


def echo(agent: object, session_id: int, source: object, sink: object) -> bool:
    """Never reached."""
    return bool(a_package_that_nobody_has)
