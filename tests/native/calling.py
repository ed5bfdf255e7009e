"""Compiling callers and running them against grids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hxgrid import _native
from tests.native import building

CALLERS = Path(__file__).parent / "callers"
LIBRARY_FOLDER = Path(_native.__file__).parent
BRIDGE = Path(sys.executable).with_name("hxgrid-bridge")


def user_sources() -> list[str]:
    """Return the sources of the library, for callers that have it compiled in."""
    folders = (building.SOURCES / "common", building.SOURCES / "user")
    return [str(path) for folder in folders for path in sorted(folder.glob("*.c"))]


def compile_caller(
    folder: Path, source: str, compiler: str, *options: str, name: str = "caller"
) -> Path:
    """Compile a caller that links the library."""
    target = folder / name
    flags = ["-O1", "-g", *building.WARNINGS, *options, f"-I{building.INCLUDE}"]
    link = [f"-L{LIBRARY_FOLDER}", "-lhxgriduser", f"-Wl,-rpath,{LIBRARY_FOLDER}", "-pthread"]
    building.run([compiler, *flags, str(CALLERS / source), *link, "-o", str(target)])
    return target


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which callers have a grid of their own."""
    return {
        **os.environ,
        "HXGRID_BRIDGE": str(BRIDGE),
        "HXGRID_BRIDGE_ADDRESS": "local",
        "HXGRID_USER_RETRY_DELAY_S": "0",
        "HXGRID_AGENT_SLOTS": "2",
        **more,
    }


def run_caller(program: Path, *arguments: str, limit_s: float = 100, **more: str) -> str:
    """Run a caller to its end; what it printed. It must end well."""
    done = subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=CALLERS,
        env=environment(**more),
        timeout=limit_s,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr[-6000:]}"
    return done.stdout
