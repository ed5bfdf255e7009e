"""Imports the original's `hxgrid.ini`."""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hxgrid.errors import ConfigError
from hxgrid.settings import complaints
from hxgrid.settings.models import SECTIONS
from hxgrid.settings.original_names import ORIGINAL_KEYS, OriginalKey

_KEYS = {(key.section, key.name.lower()): key for key in ORIGINAL_KEYS}
_MIN_STORE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ImportedSettings:
    """What an `hxgrid.ini` says, in the sections and keys of today."""

    sections: Mapping[str, Mapping[str, Any]]
    notices: tuple[str, ...]
    """Keys that were left out, and why."""


def import_original(path: Path) -> ImportedSettings:
    """Read an `hxgrid.ini`; ConfigError names file, section and key of what is wrong."""
    sections: dict[str, dict[str, Any]] = {}
    notices: list[str] = []
    entries = dict(_entries(path))
    for (section, name), text in entries.items():
        original = _original(path, section, name)
        value = _converted(path, original, text)
        if not original.targets:
            notices.append(f"[{section}] {original.name}: no meaning any more, {original.note}.")
        elif original.name == "maxDataCacheSize" and value < _MIN_STORE_BYTES:
            notices.append(f"[{section}] {original.name}: left out, the original ignored it too.")
        elif value != "":
            for target_section, key in original.targets:
                sections.setdefault(target_section, {})[key] = value
    _join_port(sections)
    _check(path, sections)
    return ImportedSettings(sections, tuple(notices))


def to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the text of a settings file that says the same."""
    parts = []
    for section, values in sections.items():
        # Texts, numbers and switches are written alike in JSON and in TOML.
        lines = [
            f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()
        ]
        parts.append("\n".join([f"[{section}]", *lines]) + "\n")
    return "\n".join(parts)


def _entries(path: Path) -> Iterator[tuple[tuple[str, str], str]]:
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, inline_comment_prefixes=(";",), allow_no_value=True
    )
    try:
        data = path.read_bytes()
        parser.read_string(_decoded(data), source=str(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", why=error.strerror or str(error)) from None
    except configparser.Error as error:
        raise ConfigError(f"{path} is not an ini file", why=_wrong_line(error)) from None
    except AttributeError:  # what Python 3.11 raises there
        why = "an indented line follows a key without a value"
        raise ConfigError(f"{path} is not an ini file", why=why) from None
    for section in parser.sections():
        for name, text in parser.items(section):
            yield (section.lower(), name), (text or "").strip()


def _wrong_line(error: configparser.Error) -> str:
    # Its message quotes the line itself, which may be of any file and of any length.
    match error:
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno} stands before the first [section]"
        case configparser.ParsingError(errors=[(line, _), *_]):
            return f"line {line} is neither [section] nor KEY=VALUE"
        case _:
            return error.message.splitlines()[0]


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # names and paths of old Windows files; keys are ASCII


def _original(path: Path, section: str, name: str) -> OriginalKey:
    original = _KEYS.get((section, name))
    if original is not None:
        return original
    raise ConfigError(
        f"{path}: [{section}] {name} is not a key of the original hxGrid",
        advice="Remove it, or correct its spelling.",
    )


def _converted(path: Path, original: OriginalKey, text: str) -> Any:
    try:
        return original.convert(text)
    except ValueError as error:
        raise ConfigError(
            f"{path}: [{original.section}] {original.name} = {text!r}",
            why=str(error),
            advice="The original wrote switches as 0 or 1, numbers with a decimal point.",
        ) from None


def _join_port(sections: dict[str, dict[str, Any]]) -> None:
    # Agents and users had the address and the port of the coordinator in two keys.
    port = sections.get("coordinator", {}).get("port")
    for section in ("agent", "user"):
        values = sections.get(section, {})
        if port is not None and "coordinator" in values:
            values["coordinator"] = f"{values['coordinator']}:{port}"


def _check(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
    for section, values in sections.items():
        complaints.check_section(SECTIONS[section], values, place=lambda _key: str(path))
