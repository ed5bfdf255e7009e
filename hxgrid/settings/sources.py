"""Where settings come from: files in their folders, and the environment.

A source is read as a whole before anything in it is believed; what it says is checked in `layers`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from hxgrid.errors import ConfigError

FILE_NAME = "hxgrid.toml"
ENVIRONMENT_PREFIX = "HXGRID"
OTHER_VARIABLES = (
    # What the library for native applications reads of its caller.
    "HXGRID_BRIDGE",
    "HXGRID_BRIDGE_ADDRESS",
    "HXGRID_BRIDGE_AGENTS",
    "HXGRID_BRIDGE_SLOTS",
    # The folder of extra meshes for NormalMapper's tests and benchmarks.
    "HXGRID_SAMPLES",
    # By this the processes that a task has left behind are found.
    "HXGRID_SLOT",
)
"""Variables of ours that are no settings."""
_MAX_FILE_BYTES = 1_000_000  # settings are written by hand; more is some other file
_HEADER = re.compile(r"^\s*\[\s*([\w.\"'-]+)\s*\]")
_ASSIGNMENT = re.compile(r"^\s*[\"']?([\w-]+)[\"']?\s*=")


@dataclass(frozen=True)
class Places:
    """Where this computer keeps settings; tests give their own."""

    system_file: Path = field(
        default_factory=lambda: platformdirs.site_config_path("hxgrid", False) / FILE_NAME
    )
    user_file: Path = field(
        default_factory=lambda: platformdirs.user_config_path("hxgrid", False) / FILE_NAME
    )
    working_directory: Path = field(default_factory=Path.cwd)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(frozen=True)
class Source:
    """What one file or the environment says."""

    layer: str
    """Such as "user file" or "environment"."""
    sections: Mapping[str, Mapping[str, Any]]
    path: Path | None = None
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Line of each key, and of each section under the key ""."""
    strays: tuple[str, ...] = ()
    """Variables that begin as ours do and belong to no section."""

    @property
    def is_text(self) -> bool:
        """Whether all values are text, so that "500" may stand for a number."""
        return self.path is None

    def place(self, section: str, key: str = "") -> str:
        """Say where a key was set: file and line, or the variable."""
        if self.path is None:
            return f"environment variable {variable_name(section, key)}"
        line = self.lines.get((section, key)) or self.lines.get((section, ""))
        return f"{self.path}:{line}" if line else str(self.path)


def variable_name(section: str, key: str) -> str:
    """Return the environment variable that sets a key."""
    return f"{ENVIRONMENT_PREFIX}_{section}_{key}".upper()


def read_file(layer: str, path: Path, *, is_required: bool = False) -> Source | None:
    """Read a settings file; None if there is none and none is required."""
    text = _read_text(path, is_required=is_required)
    if text is None:
        return None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not a TOML file", why=str(error), advice="Mend that line."
        ) from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {name!r} stands outside of any section",
                advice="Put [coordinator], [agent] or [user] on a line of its own before it.",
            )
    return Source(layer, tables, path, dict(_lines(text)))


def read_environment(environment: Mapping[str, str], sections: Mapping[str, Any]) -> Source:
    """Collect the variables `HXGRID_<SECTION>_<KEY>`.

    Others that begin so are `strays`: mistyped, or somebody else's. A file is for us alone, and
    what is wrong in it is an error; the environment is everybody's.
    """
    found: dict[str, dict[str, str]] = {}
    strays = {name for name in environment if name.startswith(f"{ENVIRONMENT_PREFIX}_")}
    for section in sections:
        prefix = variable_name(section, "")
        keys = {
            name[len(prefix) :].lower(): value
            for name, value in sorted(environment.items())
            if name.startswith(prefix)
        }
        if keys:
            found[section] = keys
            strays -= {variable_name(section, key) for key in keys}
    return Source("environment", found, strays=tuple(sorted(strays.difference(OTHER_VARIABLES))))


def _read_text(path: Path, *, is_required: bool) -> str | None:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{path} is too large for a settings file")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if not is_required:
            return None
        raise ConfigError(f"{path} does not exist", advice="Check --config.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", why=error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read", why=str(error)) from None


def _lines(text: str) -> Iterator[tuple[tuple[str, str], int]]:
    # tomllib keeps no positions; for hand-written sections this finds them.
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = header[1].strip("\"'")
            yield (section, ""), number
        elif assignment := _ASSIGNMENT.match(line):
            yield (section, assignment[1]), number
