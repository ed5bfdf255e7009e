"""The coordinator that was found the last time, kept in a file of the person who runs the program.

A convenience and nothing more: of a missing, unreadable or wrong file nothing is remembered.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import platformdirs

from hxgrid.logs import get_logger

_MAX_BYTES = 64 * 1024
_MAX_GRIDS = 100
_log = get_logger("transport")


class RememberedCoordinators:
    """Addresses by the name of the grid that was wanted ("" for none)."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(platformdirs.user_state_dir("hxgrid", appauthor=False))
        self._path = folder / "coordinators.json"

    def read(self, grid: str) -> tuple[str, int] | None:
        """Return the address that was kept for this name, or None."""
        return self._read_all().get(grid)

    def keep(self, grid: str, host: str, port: int) -> None:
        """Keep an address; where nothing can be written, it is simply not kept."""
        known = self._read_all()
        known.pop(grid, None)
        known[grid] = (host, port)
        newest = dict(list(known.items())[-_MAX_GRIDS:])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Replaced whole, so that no other program ever reads half of it.
            handle, aside = tempfile.mkstemp(dir=self._path.parent, prefix="coordinators-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(newest, file)
            Path(aside).replace(self._path)
        except OSError as error:
            _log.info("cannot remember the coordinator", path=self._path, why=error)

    def _read_all(self) -> dict[str, tuple[str, int]]:
        try:
            with self._path.open(encoding="utf-8") as file:
                found = json.loads(file.read(_MAX_BYTES))
            return {str(grid): (str(host), _port(port)) for grid, (host, port) in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _port(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError(f"not a port: {value!r}")
    return value
