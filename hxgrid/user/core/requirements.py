"""What a task needs of the computer that runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from hxgrid.errors import ConfigError
from hxgrid.modules.images import platform_names
from hxgrid.wire.messages import Capabilities


@dataclass(frozen=True, slots=True)
class Requirements:
    """Every field that is set must be met; equal ones wait in one lane, so share them.

    What an application gives is checked here, in its own thread: ConfigError. The dispatcher would
    stumble over it again and again.
    """

    platforms: tuple[str, ...] = ()
    """Any of these values of `sys.platform`, alone or with a processor: "linux-x86_64"."""
    machine: str = ""
    python_implementation: str = ""
    python_version: str = ""
    """The `major.minor` that the agent's version must begin with."""
    memory_bytes: int = 0
    processors: int = 0
    labels: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "platforms", tuple(_texts("platforms", self.platforms)))
        object.__setattr__(self, "labels", frozenset(_texts("labels", self.labels)))
        for name, kind in (
            *dict.fromkeys(("machine", "python_implementation", "python_version"), str).items(),
            *dict.fromkeys(("memory_bytes", "processors"), int).items(),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise _wrong(name, "a number" if kind is int else "a text", value)

    @staticmethod
    def of(given: Requirements | Mapping[str, Any] | None) -> Requirements:
        """Return what `run_task` was given as requirements. Raises ConfigError."""
        if isinstance(given, Requirements):
            return given
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(
                f"requires={given!r} is no mapping",
                advice='It is given as {"labels": ["gpu"], "memory_bytes": 2**30}, for example.',
            )
        known = [field.name for field in fields(Requirements)]
        for name in given or ():
            if name not in known:
                near = get_close_matches(str(name), known, 1)
                raise ConfigError(
                    f"requires= has no {name!r}",
                    advice=f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}.",
                )
        return Requirements(**(given or {}))

    def unmet_by(self, capabilities: Capabilities) -> str:
        """Say what an agent lacks, as the end of the sentence "it ..."; empty if nothing."""
        if self.platforms:
            exact, system = platform_names(capabilities.platform, capabilities.machine)
            if exact not in self.platforms and system not in self.platforms:
                return f"needs {' or '.join(self.platforms)}, not {exact}"
        if self.machine and capabilities.machine != self.machine:
            return f"needs a {self.machine} processor, not {capabilities.machine}"
        return self._unmet_python(capabilities) or self._unmet_size(capabilities)

    def _unmet_python(self, capabilities: Capabilities) -> str:
        wanted = self.python_implementation
        if wanted and capabilities.python_implementation != wanted:
            return f"needs {wanted}, not {capabilities.python_implementation}"
        parts = tuple(self.python_version.split(".")) if self.python_version else ()
        if parts and tuple(capabilities.python_version.split("."))[: len(parts)] != parts:
            return f"needs Python {self.python_version}, not {capabilities.python_version}"
        return ""

    def _unmet_size(self, capabilities: Capabilities) -> str:
        if capabilities.memory_bytes < self.memory_bytes:
            return f"needs {self.memory_bytes} bytes of memory"
        if capabilities.processors < self.processors:
            return f"needs {self.processors} processors"
        missing = sorted(self.labels - set(capabilities.labels))
        return f"needs the label {missing[0]}" if missing else ""


def _texts(name: str, given: object) -> list[str]:
    """Return one text, or several, as a list."""
    values = [given] if isinstance(given, str) else given
    if not isinstance(values, Iterable):
        raise _wrong(name, "texts", given)
    texts = list(values)
    for text in texts:
        if not isinstance(text, str):
            raise _wrong(name, "texts", text)
    return texts


def _wrong(name: str, wanted: str, given: object) -> ConfigError:
    return ConfigError(f"{name} in requires= must be {wanted}, not {given!r}")
