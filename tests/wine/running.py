"""Runs programs for Windows under Wine, in a prefix of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

LIMIT_S: Final = 240.0
"""Everything starts slowly here, more so on a busy computer."""


class Wine:
    """A prefix, which is a Windows of its own, and the Python that was made for it."""

    def __init__(self, prefix: Path, home: Path) -> None:
        self.home = home
        self._settings = {
            "WINEPREFIX": str(prefix),
            "WINEDEBUG": "-all",
            # Nothing here uses .NET or HTML; without these Wine would offer to install them.
            "WINEDLLOVERRIDES": "mscoree=;mshtml=",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def begin(self) -> None:
        """Make the prefix."""
        self.run(["wineboot", "--init"])

    def end(self) -> None:
        """End every program of this prefix, and what serves them."""
        environment = self.environment({})
        subprocess.run(["wineserver", "--kill"], env=environment, check=False, timeout=LIMIT_S)
        subprocess.run(["wineserver", "--wait"], env=environment, check=False, timeout=LIMIT_S)

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.home / "python.exe")

    @property
    def bridge(self) -> str:
        """The bridge, as a program for Windows names it."""
        return windows_path(self.home / "Scripts" / "hxgrid-bridge.exe")

    @property
    def libraries(self) -> Path:
        """The folder of the cross-compiled libraries."""
        return self.home / "Lib" / "site-packages" / "hxgrid" / "_native"

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for a program: nothing of the developer's, and these."""
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "HOME") if key in os.environ}
        return {**kept, **self._settings, **more}

    def start(self, command: Sequence[str], more: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a program; its outputs are pipes, as Python under Wine takes nothing else."""
        return subprocess.Popen(
            ["wine", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self.environment(more),
            cwd=self.home,  # Python would find the source tree first where the tests are started
        )

    def run(
        self, command: Sequence[str], more: Mapping[str, str] | None = None, *, status: int = 0
    ) -> str:
        """Run a program to its end; what it printed. It must end with this status."""
        with self.start(command, more or {}) as process:
            out, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == status, f"{command}: {process.returncode}\n{out}"
        return out.replace("\r\n", "\n")


def windows_path(path: Path) -> str:
    """Return a path as programs for Windows see it: the root is the drive Z."""
    return "Z:" + str(path.resolve()).replace("/", "\\")
