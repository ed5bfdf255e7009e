"""Where `hxgrid run` puts results: files in a folder, or standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Protocol

from hxgrid.errors import StoreError


class Sink(Protocol):
    """Where results go."""

    def put(self, name: str, data: bytes) -> None:
        """Take the result of the input of this name."""


class Folder:
    """One file for each result: its name and `.out`, numbered where two inputs have one name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: Counter[str] = Counter()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._error(error) from None

    def put(self, name: str, data: bytes) -> None:
        """Write the file, whole or not at all."""
        self._taken[name] += 1
        again = self._taken[name]
        target = self._folder / (f"{name}.out" if again == 1 else f"{name}-{again}.out")
        try:
            handle, aside = tempfile.mkstemp(dir=self._folder, prefix=f".{name}-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(aside, 0o666 & ~_umask())  # noqa: PTH101
            os.replace(aside, target)  # noqa: PTH105
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> StoreError:
        why = error.strerror or str(error)
        return StoreError("results cannot be written", where=str(self._folder), why=why)


class StandardOutput:
    """All results behind one another."""

    def __init__(self, *, is_lines: bool) -> None:
        self._is_lines = is_lines

    def put(self, name: str, data: bytes) -> None:  # noqa: ARG002
        """Write it; where the inputs are lines, each result is made a line as well."""
        if self._is_lines and not data.endswith(b"\n"):
            data += b"\n"
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def make_sink(output: Path | None, *, is_lines: bool) -> Sink:
    """Return a folder for results, or standard output where there is none."""
    return StandardOutput(is_lines=is_lines) if output is None else Folder(output)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
