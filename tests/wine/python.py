"""Makes a CPython for Windows, with hxGrid in it, out of wheels and what is compiled here.

The interpreter and its compiled modules come from the wheel of panda3d, the modules in Python from
the CPython that runs the tests, which must be of the same version. `python.exe`, `python3.dll`,
`bcryptprimitives.dll` and the programs in `Scripts` are compiled from `sources/`, hxGrid's
libraries from `native/src`. Everything is kept in a folder, and made again when a part has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.native import building

HERE: Final = Path(__file__).parent
SOURCES: Final = HERE / "sources"
VERSION: Final = (3, 11)
PACKAGES: Final = (
    building.ROOT / "hxgrid",
    building.ROOT / "agent" / "hxgrid_agent",
    building.ROOT / "coordinator" / "hxgrid_coordinator",
)
_OWN: Final = (Path(__file__), building.ROOT / "native" / "build.py")
_MINGW: Final = "x86_64-w64-mingw32"
_FROM_PANDA: Final = ("python311.dll", "VCRUNTIME140.dll")
_DLLS: Final = ("libffi-8.dll", "libcrypto-3.dll", "libssl-3.dll", "sqlite3.dll")
_NOT_NEEDED: Final = ("site-packages", "dist-packages", "__pycache__", "test", "lib-dynload")
_NOT_NEEDED_EITHER: Final = ("config-*", "idlelib", "tkinter")
_SCRIPTS: Final = {"hxgrid-bridge": "hxgrid.bridge", "hxgrid": "hxgrid"}


class CannotMake(Exception):
    """There is no Windows Python here; the text says why."""


def make(folder: Path) -> Path:
    """Return the folder with `python.exe`, made unless it is there already."""
    if sys.version_info[:2] != VERSION:
        raise CannotMake("the modules in Python are taken from a CPython 3.11, which this is not")
    home = folder / "python"
    packages = home / "Lib" / "site-packages"
    with _unless_made(home / "made-of", [HERE / "wheels.txt", *_OWN, *_tree(SOURCES)]) as is_stale:
        if is_stale:
            wheels = _download(folder / "wheels")
            shutil.rmtree(home, ignore_errors=True)
            _lay_out(home, wheels)
            _compile(home)
    # Changes often, and is quickly brought.
    parts = [*_OWN, *_tree(building.ROOT / "native")]
    for package in PACKAGES:
        parts += _tree(package)
    with _unless_made(packages / "made-of", parts) as is_stale:
        if is_stale:
            _bring_hxgrid(packages)
    return home


@contextlib.contextmanager
def _unless_made(stamp: Path, parts: Iterable[Path]) -> Iterator[bool]:
    """Tell whether something was made of other parts than these; afterwards it is made of them."""
    digest = hashlib.sha256(sys.version.encode())
    for path in parts:
        digest.update(str(path).encode() + path.read_bytes())
    is_stale = not stamp.is_file() or stamp.read_text() != digest.hexdigest()
    yield is_stale
    if is_stale:
        stamp.write_text(digest.hexdigest())


def _tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".c", ".h"})


def _download(folder: Path) -> list[Path]:
    lines = (HERE / "wheels.txt").read_text().splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    marker = folder / hashlib.sha256("".join(names).encode()).hexdigest()[:16]
    if not marker.is_file():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        platform = ["--platform", "win_amd64", "--python-version", "3.11"]
        done = subprocess.run(
            [*pip, *platform, "--only-binary", ":all:", "--dest", str(folder), *names],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode != 0:
            raise CannotMake(f"the wheels for Windows cannot be had: {done.stderr[-500:]}")
        marker.touch()
    return sorted(folder.glob("*.whl"))


def _lay_out(home: Path, wheels: list[Path]) -> None:
    packages = home / "Lib" / "site-packages"
    ignored = shutil.ignore_patterns(*_NOT_NEEDED, *_NOT_NEEDED_EITHER)
    shutil.copytree(sysconfig.get_path("stdlib"), home / "Lib", ignore=ignored)
    _mend_metadata(home / "Lib" / "importlib" / "metadata" / "__init__.py")
    packages.mkdir()
    (home / "DLLs").mkdir()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            if wheel.name.startswith("panda3d-"):
                _take_interpreter(archive, home)
            else:
                archive.extractall(packages)


def _mend_metadata(path: Path) -> None:
    """Make a class method of what 3.11.9 calls as one, and earlier versions had as a method."""
    text = path.read_text(encoding="utf-8")
    method = "    def invalidate_caches(cls)"
    if f"@classmethod\n{method}" not in text:
        path.write_text(text.replace(method, f"    @classmethod\n{method}"), encoding="utf-8")


def _take_interpreter(archive: zipfile.ZipFile, home: Path) -> None:
    for entry in archive.namelist():
        name = entry.rpartition("/")[2]
        if not entry.startswith("deploy_libs/"):
            continue
        if name in _FROM_PANDA:
            (home / name).write_bytes(archive.read(entry))
        elif name.endswith(".pyd") or name in _DLLS:
            (home / "DLLs" / name).write_bytes(archive.read(entry))


def _compile(home: Path) -> None:
    compiler, sources = f"{_MINGW}-gcc", SOURCES
    programs = [compiler, "-O2", "-municode", "-static"]
    building.run([*programs, str(sources / "python.c"), "-o", str(home / "python.exe")])
    (home / "Scripts").mkdir()
    for name, module in _SCRIPTS.items():
        target = home / "Scripts" / f"{name}.exe"
        define = f'-DMODULE=L"{module}"'
        building.run([*programs, define, str(sources / "script.c"), "-o", str(target)])
    target = home / "bcryptprimitives.dll"
    source = str(sources / "bcryptprimitives.c")
    link = ["-ladvapi32", "-static-libgcc"]
    building.run([compiler, "-O2", "-shared", source, "-o", str(target), *link])
    with tempfile.TemporaryDirectory() as scratch:
        exports = Path(scratch) / "python3.def"
        exports.write_text(_forwarding(home / "python311.dll"))
        made_of = [str(sources / "python3.c"), str(exports)]
        link = ["-nostdlib", "-Wl,-e,DllMain"]
        building.run([compiler, "-shared", *made_of, "-o", str(home / "python3.dll"), *link])


def _forwarding(library: Path) -> str:
    listed = building.run([f"{_MINGW}-objdump", "-p", str(library)])
    table = listed.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    names = re.findall(r"^\t\[.*\s(_?Py\w+)$", table, re.MULTILINE)
    if not names:
        raise CannotMake(f"no exported functions were found in {library}")
    lines = [f"{name} = python311.{name}" for name in names]
    return "\n".join(["LIBRARY python3.dll", "EXPORTS", *lines, ""])


def _bring_hxgrid(packages: Path) -> None:
    for package in PACKAGES:
        shutil.rmtree(packages / package.name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(package, packages / package.name, ignore=ignored)
    native = packages / "hxgrid" / "_native"
    building.windows_libraries(native, "x86_64")
    # Its version and its commands are read from here.
    distribution = importlib.metadata.distribution("hxgrid")
    about = packages / f"hxgrid-{distribution.version}.dist-info"
    about.mkdir(exist_ok=True)
    for name in ("METADATA", "entry_points.txt"):
        (about / name).write_text(distribution.read_text(name) or "", encoding="utf-8")
