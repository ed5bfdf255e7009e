"""Compiling Pascal for Windows, by the Free Pascal of this system."""

from __future__ import annotations

from pathlib import Path

from tests.native import building

_FOLDERS = ["inc", "x86_64", "win", "win/wininc", "win64", "common"]
_FOLDERS += ["objpas", "objpas/sysutils", "objpas/classes"]


def sources() -> Path | None:
    """Return where the sources of Free Pascal's own units are, if they are installed."""
    return next(iter(sorted(Path("/usr/share/fpcsrc").glob("*/rtl"))), None)


class PascalForWindows:
    """The compiler knows Windows everywhere; only the units that it always needs must be made."""

    def __init__(self, folder: Path) -> None:
        rtl = sources()
        assert rtl is not None
        self._flags = ["-Px86_64", "-Twin64", "-n", "-O2", "-v0", f"-FU{folder}"]
        self._flags += [f"-F{kind}{rtl / name}" for name in _FOLDERS for kind in "iu"]
        building.run(["fpc", *self._flags, "-Us", "-Sg", str(rtl / "win64/system.pp")])
        for unit in ("objpas/objpas.pp", "inc/fpintres.pp"):
            building.run(["fpc", *self._flags, str(rtl / unit)])

    def compile(self, source: Path, target: Path, *options: str) -> Path:
        """Compile a program or a library."""
        units = building.ROOT / "native" / "pascal"
        building.run(["fpc", *self._flags, f"-Fu{units}", *options, f"-o{target}", str(source)])
        return target
